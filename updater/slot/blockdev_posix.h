/*
 * A slot's medium on Linux: a block device or a regular file as struct dcd_blockdev.
 *
 * The operations may be called from several threads at once as long as their ranges don't overlap.
 */
#ifndef DCD_UPDATER_SLOT_BLOCKDEV_POSIX_H
#define DCD_UPDATER_SLOT_BLOCKDEV_POSIX_H

#include <stdbool.h>

#include "base/blockdev.h"
#include "base/diag.h"

enum dcd_blockdev_access {
	DCD_BLOCKDEV_READ_ONLY, /* the running slot: a write through it fails whatever the caller thinks it is */
	DCD_BLOCKDEV_READ_WRITE,
};

/*
 * Opens what is at `path`; its size is fixed from then on. DCD_ERR_IO: missing, unreadable or neither device nor file.
 * DCD_ERR_BUSY: a block device that is asked for writing but is mounted or claimed by something else (device mapper, RAID, swap).
 *
 * Not checked: a regular file that is mounted through a loop device, and devices that overlap (a disk and its own partition).
 */
DCD_NODISCARD int dcd_blockdev_posix_open(const char *path, enum dcd_blockdev_access access, struct dcd_blockdev **ret,
					  struct dcd_diag *diag);

/* True when both, opened by dcd_blockdev_posix_open(), are one device or one file, whatever path led there. */
bool dcd_blockdev_same(const struct dcd_blockdev *a, const struct dcd_blockdev *b);

/* errno of the last operation that failed on the device (for strerror), or 0 when none did. */
int dcd_blockdev_posix_errno(const struct dcd_blockdev *dev);

#endif
