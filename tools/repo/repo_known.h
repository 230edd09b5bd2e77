/* Which files of a repository something signed names. */
#ifndef DCD_TOOLS_REPO_KNOWN_H
#define DCD_TOOLS_REPO_KNOWN_H

#include "base/diag.h"
#include "tools/repo/repo_view.h"

/* Warns on stderr of every file in REPO that nothing names; `*ret_unknown` counts them. The manifests are loaded. */
DCD_NODISCARD int repo_known_warn(const struct repo_view *view, size_t *ret_unknown, struct dcd_diag *diag);

#endif
