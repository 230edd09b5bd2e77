/* A folder of small, durable files (base/dir.h) on a POSIX file system. */
#ifndef DCD_UPDATER_JOURNAL_DIR_POSIX_H
#define DCD_UPDATER_JOURNAL_DIR_POSIX_H

#include "base/dir.h"

/*
 * Opens the folder; a missing one is created with mode 0700 (its parent must exist). Files are created with mode 0600, and
 * symbolic links inside the folder are not followed. DCD_ERR_IO; ops->close frees it.
 */
DCD_NODISCARD int dcd_dir_posix_open(const char *path, struct dcd_dir **ret, struct dcd_diag *diag);

/* The same to look into alone: a missing folder is not created, and is as an empty one that nothing can be stored in. */
DCD_NODISCARD int dcd_dir_posix_look(const char *path, struct dcd_dir **ret, struct dcd_diag *diag);

/* The same for a folder that must exist: a boot partition that isn't mounted must not become a folder of the root file system. */
DCD_NODISCARD int dcd_dir_posix_open_existing(const char *path, struct dcd_dir **ret, struct dcd_diag *diag);

#endif
