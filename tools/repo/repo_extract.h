/* A bundle, looked at as a device does. */
#ifndef DCD_TOOLS_REPO_EXTRACT_H
#define DCD_TOOLS_REPO_EXTRACT_H

#include "base/diag.h"

/*
 * Verifies the bundle's layout, metadata, manifest and the tables of its payloads, from `anchor` (a root metadata file; null: the
 * bundle's own first root) on.
 */
DCD_NODISCARD int repo_extract_look(const char *file, const char *anchor, struct dcd_diag *diag);

#endif
