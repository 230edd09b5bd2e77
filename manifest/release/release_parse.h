/* The manifest's parser. Internal to manifest/release: release_load.c feeds it what was verified. */
#ifndef DCD_MANIFEST_RELEASE_RELEASE_PARSE_H
#define DCD_MANIFEST_RELEASE_RELEASE_PARSE_H

#include "manifest/release/release.h"

DCD_NODISCARD int release_parse(const uint8_t *data, size_t len, const char *what, struct dcd_release **ret,
				struct dcd_diag *diag);

/* A member that must be a name (dcd_release_name_ok). */
DCD_NODISCARD int release_get_name(const struct dcd_json *object, const char *key, const char *what, const char **ret,
				   struct dcd_diag *diag);
/* The same for one that may be absent: null then. */
DCD_NODISCARD int release_get_optional_name(const struct dcd_json *object, const char *key, const char *what, const char **ret,
					    struct dcd_diag *diag);
/* "compatible": absent or empty is null. An array of names otherwise, at most DCD_RELEASE_BOARDS_MAX. */
DCD_NODISCARD int release_get_boards(const struct dcd_json *object, const char *what, const struct dcd_json **ret,
				     struct dcd_diag *diag);

#endif
