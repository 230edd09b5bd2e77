#include "updater/source/source_open.h"

#include <string.h>
#include <strings.h>

#include "updater/source/source_dir.h"

int dcd_source_open(const char *spec, const struct dcd_source_http_options *http, struct dcd_source **ret, struct dcd_diag *diag)
{
	if (spec[0] == '\0') {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "no source is named; give a URL or a folder");
	}
	if (strncasecmp(spec, "http://", 7) == 0 || strncasecmp(spec, "https://", 8) == 0) {
		return dcd_source_http_open(spec, http, ret, diag);
	}
	if (strncasecmp(spec, "file:///", 8) == 0) {
		return dcd_source_dir_open(spec + 7, ret, diag);
	}
	const char *scheme_end = strstr(spec, "://");
	if (scheme_end != NULL) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "sources of the kind %.*s:// are unknown; use http, https or a folder",
				    (int)strnlen(spec, (size_t)(scheme_end - spec)), spec);
	}
	return dcd_source_dir_open(spec, ret, diag);
}
