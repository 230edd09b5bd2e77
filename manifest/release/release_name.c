#include "manifest/release/release.h"

bool dcd_release_name_ok(const char *name)
{
	size_t len = strnlen(name, DCD_RELEASE_STRING_MAX + 1);
	if (len == 0 || len > DCD_RELEASE_STRING_MAX || name[0] == '.') {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/') {
			return false;
		}
	}
	return true;
}
