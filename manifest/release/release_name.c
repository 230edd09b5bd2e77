#include "manifest/release/release.h"

#include <string.h>

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

bool dcd_release_class_ok(const char *class_name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strnlen(class_name, DCD_RELEASE_CLASS_MAX + 1);
	return dcd_release_name_ok(class_name) && len <= DCD_RELEASE_CLASS_MAX && strspn(class_name, allowed) == len &&
	       strcmp(class_name, "bootname") != 0;
}
