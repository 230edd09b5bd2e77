#include "updater/source/source_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "updater/source/bundle_format.h"
#include "updater/source/http_url.h"
#include "updater/source/source_bundle.h"
#include "updater/source/source_dir.h"

static bool ends_in_suffix(const char *spec)
{
	size_t len = strlen(spec);
	size_t suffix = sizeof DCD_BUNDLE_SUFFIX - 1;
	return len > suffix && strcasecmp(spec + len - suffix, DCD_BUNDLE_SUFFIX) == 0;
}

static bool is_http(const char *spec)
{
	return strncasecmp(spec, "http://", 7) == 0 || strncasecmp(spec, "https://", 8) == 0;
}

/* The path that a spec names, or null when it is no path. */
static const char *local_path(const char *spec)
{
	if (strncasecmp(spec, "file:///", 8) == 0) {
		return spec + 7;
	}
	return strstr(spec, "://") == NULL ? spec : NULL;
}

enum dcd_source_kind dcd_source_kind(const char *spec)
{
	struct stat st;
	const char *path = local_path(spec);
	if (is_http(spec)) {
		return ends_in_suffix(spec) ? DCD_SOURCE_BUNDLE_SERVED : DCD_SOURCE_SERVER;
	}
	if (spec[0] == '\0' || path == NULL) {
		return DCD_SOURCE_UNKNOWN;
	}
	if (strcmp(spec, "-") == 0) {
		return DCD_SOURCE_BUNDLE_STREAM;
	}
	if (stat(path, &st) != 0) {
		return ends_in_suffix(spec) ? DCD_SOURCE_BUNDLE : DCD_SOURCE_FOLDER; /* opening says what is wrong */
	}
	return S_ISDIR(st.st_mode) ? DCD_SOURCE_FOLDER : S_ISREG(st.st_mode) ? DCD_SOURCE_BUNDLE : DCD_SOURCE_BUNDLE_STREAM;
}

static int open_stream(const char *spec, struct dcd_bundle_input **ret, struct dcd_diag *diag)
{
	if (strcmp(spec, "-") == 0) {
		return dcd_bundle_input_stream(STDIN_FILENO, false, "standard input", ret, diag);
	}
	int fd = open(local_path(spec), O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_UNREACHABLE, "%s: the bundle can't be opened: %s", spec, strerror(errno));
	}
	return dcd_bundle_input_stream(fd, true, spec, ret, diag);
}

/* https://host/folder/name.dcb is the object name.dcb of the server https://host/folder. */
static int open_served(const char *spec, const struct dcd_source_http_options *http, struct dcd_bundle_input **ret,
		       struct dcd_diag *diag)
{
	const char *slash = strrchr(spec, '/');
	const char *host = strstr(spec, "://") + 3;
	char name[DCD_BUNDLE_NAME_MAX + 1];
	if (slash < host || !dcd_http_url_decode(slash + 1, name, sizeof name)) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG,
				    "the bundle's URL can't be used; it is http(s)://HOST[:PORT]/PATH/NAME.dcb");
	}
	DCD_AUTO_FREE char *folder = strndup(spec, (size_t)(slash - spec));
	if (folder == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a URL");
	}
	struct dcd_source *server = NULL;
	int err = dcd_source_http_open(folder, http, &server, diag);
	if (err == 0) {
		err = dcd_bundle_input_object(server, name, ret, diag);
		if (err != 0) {
			server->ops->close(server);
		}
	}
	return err;
}

static int open_bundle(enum dcd_source_kind kind, const char *spec, const struct dcd_source_http_options *http,
		       struct dcd_source **ret, struct dcd_diag *diag)
{
	struct dcd_bundle_input *input = NULL;
	int err = kind == DCD_SOURCE_BUNDLE_SERVED   ? open_served(spec, http, &input, diag)
		  : kind == DCD_SOURCE_BUNDLE_STREAM ? open_stream(spec, &input, diag)
						     : dcd_bundle_input_file(local_path(spec), &input, diag);
	return err != 0 ? err : dcd_source_bundle_open(input, ret, diag);
}

int dcd_source_open(const char *spec, const struct dcd_source_http_options *http, struct dcd_source **ret, struct dcd_diag *diag)
{
	enum dcd_source_kind kind = dcd_source_kind(spec);
	if (spec[0] == '\0') {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "no source is named; give a URL, a folder or a bundle");
	}
	if (kind == DCD_SOURCE_SERVER) {
		return dcd_source_http_open(spec, http, ret, diag);
	}
	if (kind == DCD_SOURCE_FOLDER) {
		return dcd_source_dir_open(local_path(spec), ret, diag);
	}
	if (dcd_source_kind_is_bundle(kind)) {
		return open_bundle(kind, spec, http, ret, diag);
	}
	const char *scheme_end = strstr(spec, "://");
	return dcd_diag_set(diag, DCD_ERR_CONFIG,
			    "sources of the kind %.*s:// are unknown; use http, https, a folder or a bundle",
			    (int)strnlen(spec, (size_t)(scheme_end - spec)), spec);
}
