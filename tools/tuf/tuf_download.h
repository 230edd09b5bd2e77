/* Targets as files of a folder. */
#ifndef DCD_TOOLS_TUF_DOWNLOAD_H
#define DCD_TOOLS_TUF_DOWNLOAD_H

#include "base/dir.h"
#include "manifest/tuf/tuf.h"

#define TUF_DOWNLOAD_MAX (INT64_C(1) << 30) /* bytes of a target: it is held in memory until it has been checked */

/*
 * Finds a target and stores it in `folder` under one name: its path percent-encoded, or the SHA-256 of its path where that is too
 * long. A file of that name with the signed content stays, and nothing is fetched. Prints the name.
 */
DCD_NODISCARD int tuf_download(struct dcd_tuf *tuf, struct dcd_dir *folder, const char *path, struct dcd_diag *diag);

#endif
