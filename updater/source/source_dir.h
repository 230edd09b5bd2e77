/* A repository in a local folder: a mounted medium, a share, or the working copy of a developer. */
#ifndef DCD_UPDATER_SOURCE_SOURCE_DIR_H
#define DCD_UPDATER_SOURCE_SOURCE_DIR_H

#include "base/source.h"

/*
 * `folder` may itself be reached through symbolic links; below it none is followed, and only regular files are read, so that
 * a medium from a stranger can neither lead elsewhere nor make the reader wait on a pipe or a device.
 * DCD_ERR_NOT_FOUND or DCD_ERR_UNREACHABLE when it can't be opened; the caller closes what it gets.
 */
DCD_NODISCARD int dcd_source_dir_open(const char *folder, struct dcd_source **ret, struct dcd_diag *diag);

#endif
