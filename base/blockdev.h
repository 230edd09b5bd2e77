/*
 * A slot's medium: one of the two halves of the persistence seam (the other is base/dir.h). Every byte that the device code
 * puts into a slot passes through `write` and `flush` here, so that a simulated medium sees each of them.
 */
#ifndef DCD_BASE_BLOCKDEV_H
#define DCD_BASE_BLOCKDEV_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct dcd_blockdev;

struct dcd_blockdev_ops {
	/* Reads exactly `len` bytes at `offset`; may be served from a cache. 0 or DCD_ERR_IO. */
	int (*read)(struct dcd_blockdev *dev, uint64_t offset, void *buf, size_t len);
	/*
	 * The same, but from the medium: after a flush, what this returns is what a reboot would find, as far as the
	 * operating system lets us see (O_DIRECT, or caches dropped).
	 */
	int (*read_medium)(struct dcd_blockdev *dev, uint64_t offset, void *buf, size_t len);
	/* Writes exactly `len` bytes at `offset`. Not durable before a flush. 0, DCD_ERR_IO or DCD_ERR_NO_SPACE. */
	int (*write)(struct dcd_blockdev *dev, uint64_t offset, const void *buf, size_t len);
	/* Everything written before the call is durable after it. 0 or DCD_ERR_IO. */
	int (*flush)(struct dcd_blockdev *dev);
	/* Frees the device; no flush is implied. */
	void (*close)(struct dcd_blockdev *dev);
	/* Optional: why the last operation failed, in the operating system's words ("No space left on device"), or null. */
	const char *(*why)(struct dcd_blockdev *dev);
};

/* Implementations embed this as their first member. The name (for messages) lives as long as the device. */
struct dcd_blockdev {
	const struct dcd_blockdev_ops *ops;
	uint64_t size; /* bytes that can be read and written */
	const char *name;
};

/* What `why` says, or the code's own name. */
static inline const char *dcd_blockdev_why(struct dcd_blockdev *dev, int err)
{
	const char *why = dev->ops->why != NULL ? dev->ops->why(dev) : NULL;
	return why != NULL ? why : dcd_err_name(err);
}

#endif
