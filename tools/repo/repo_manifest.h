/* Writing a release manifest and what the targets metadata says of it (docs/format-manifest.md). */
#ifndef DCD_TOOLS_REPO_MANIFEST_H
#define DCD_TOOLS_REPO_MANIFEST_H

#include <stddef.h>

#include "base/diag.h"
#include "manifest/json/json.h"
#include "manifest/release/release.h"

/* The canonical bytes of a manifest; caller frees. Read back with the device's parser before they are returned. */
DCD_NODISCARD int repo_manifest_write(const struct dcd_release *release, uint8_t **ret_data, size_t *ret_len,
				      struct dcd_diag *diag);

/* {"decade":{...}}: the target's custom data. Null when memory is short. */
struct dcd_json *repo_manifest_custom(const struct dcd_release *release);

#endif
