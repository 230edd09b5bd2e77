#include "updater/slot/blockdev_posix.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/cleanup.h"

/* Offsets, lengths and memory of direct I/O are multiples of this: at least the logical sector of every medium we meet. */
#define DIRECT_ALIGNMENT 4096U
#define BOUNCE_SIZE 65536U

struct blockdev_posix {
	struct dcd_blockdev base;
	int fd;
	int direct_fd; /* -1: the file system has no O_DIRECT */
	bool writable;
	atomic_bool direct_refused;
	atomic_bool flush_failed;
	atomic_int last_errno;
	struct stat identity;
	char name[];
};

static struct blockdev_posix *of(struct dcd_blockdev *dev)
{
	return (struct blockdev_posix *)dev;
}

/* Keeps errno for the message and translates it. */
static int failed(struct blockdev_posix *bd, int error)
{
	atomic_store(&bd->last_errno, error);
	return error == ENOSPC || error == EDQUOT ? DCD_ERR_NO_SPACE : DCD_ERR_IO;
}

static int read_exactly(struct blockdev_posix *bd, uint64_t offset, uint8_t *buf, size_t len)
{
	while (len > 0) {
		ssize_t got = pread(bd->fd, buf, len, (off_t)offset);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got <= 0) {
			/* No bytes inside the size that open() saw: the file was cut under us. */
			return failed(bd, got < 0 ? errno : EIO);
		}
		buf += got;
		offset += (uint64_t)got;
		len -= (size_t)got;
	}
	return 0;
}

static int posix_read(struct dcd_blockdev *dev, uint64_t offset, void *buf, size_t len)
{
	struct blockdev_posix *bd = of(dev);
	if (!dcd_range_inside(offset, len, dev->size)) {
		return failed(bd, EINVAL);
	}
	return read_exactly(bd, offset, buf, len);
}

/*
 * Without direct I/O: what isn't in the page cache has to come from the medium. Dirty pages can't be dropped, hence the sync.
 */
static int read_after_drop(struct blockdev_posix *bd, uint64_t offset, void *buf, size_t len)
{
	if (bd->writable && fdatasync(bd->fd) != 0) {
		atomic_store(&bd->flush_failed, true);
		return failed(bd, errno);
	}
	(void)posix_fadvise(bd->fd, (off_t)offset, (off_t)len, POSIX_FADV_DONTNEED);
	return read_exactly(bd, offset, buf, len);
}

/*
 * One bounce buffer's worth of [offset, offset + len), read directly. Returns the bytes copied (> 0), or a negative errno. The
 * aligned read may reach past the end of a file that is no multiple of the alignment; the kernel then returns what there is.
 */
static ssize_t read_direct_piece(int fd, uint64_t offset, uint8_t *buf, size_t len, uint8_t *bounce)
{
	size_t head = (size_t)(offset % DIRECT_ALIGNMENT);
	size_t want = len < BOUNCE_SIZE - head ? len : BOUNCE_SIZE - head;
	size_t aligned = (head + want + DIRECT_ALIGNMENT - 1) / DIRECT_ALIGNMENT * DIRECT_ALIGNMENT;
	ssize_t got;
	do {
		got = pread(fd, bounce, aligned, (off_t)(offset - head));
	} while (got < 0 && errno == EINTR);
	if (got < 0) {
		return -errno;
	}
	if ((size_t)got <= head) {
		return -EIO;
	}
	size_t copied = (size_t)got - head < want ? (size_t)got - head : want;
	memcpy(buf, bounce + head, copied);
	return (ssize_t)copied;
}

static int read_direct(struct blockdev_posix *bd, uint64_t offset, uint8_t *buf, size_t len)
{
	DCD_AUTO_FREE uint8_t *bounce = aligned_alloc(DIRECT_ALIGNMENT, BOUNCE_SIZE);
	if (bounce == NULL) {
		return failed(bd, ENOMEM);
	}
	while (len > 0) {
		ssize_t got = read_direct_piece(bd->direct_fd, offset, buf, len, bounce);
		if (got == -EINVAL) {
			/* Opened with O_DIRECT but can't do it at this alignment: never try again. */
			atomic_store(&bd->direct_refused, true);
			return read_after_drop(bd, offset, buf, len);
		}
		if (got < 0) {
			return failed(bd, (int)-got);
		}
		buf += got;
		offset += (uint64_t)got;
		len -= (size_t)got;
	}
	return 0;
}

static int posix_read_medium(struct dcd_blockdev *dev, uint64_t offset, void *buf, size_t len)
{
	struct blockdev_posix *bd = of(dev);
	if (!dcd_range_inside(offset, len, dev->size)) {
		return failed(bd, EINVAL);
	}
	if (bd->direct_fd < 0 || atomic_load(&bd->direct_refused)) {
		return read_after_drop(bd, offset, buf, len);
	}
	return read_direct(bd, offset, buf, len);
}

static int posix_write(struct dcd_blockdev *dev, uint64_t offset, const void *buf, size_t len)
{
	struct blockdev_posix *bd = of(dev);
	if (!bd->writable) {
		return failed(bd, EROFS);
	}
	/* Never past the end: a file slot must not grow behind its owner's back. */
	if (!dcd_range_inside(offset, len, dev->size)) {
		return failed(bd, ENOSPC);
	}
	const uint8_t *data = buf;
	while (len > 0) {
		ssize_t put = pwrite(bd->fd, data, len, (off_t)offset);
		if (put < 0 && errno == EINTR) {
			continue;
		}
		if (put <= 0) {
			return failed(bd, put < 0 ? errno : EIO);
		}
		data += put;
		offset += (uint64_t)put;
		len -= (size_t)put;
	}
	return 0;
}

static int posix_flush(struct dcd_blockdev *dev)
{
	struct blockdev_posix *bd = of(dev);
	if (!bd->writable) {
		return 0;
	}
	/*
	 * A failed sync is remembered for good: the kernel reports a lost page once and then calls it clean, so that a second
	 * sync would say "durable" of data that are gone.
	 */
	if (atomic_load(&bd->flush_failed)) {
		return DCD_ERR_IO;
	}
	if (fdatasync(bd->fd) != 0) {
		atomic_store(&bd->flush_failed, true);
		(void)failed(bd, errno);
		return DCD_ERR_IO;
	}
	/* A slot is written once and read back from the medium: its pages would only push the running system out of memory. */
	(void)posix_fadvise(bd->fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

static void posix_close(struct dcd_blockdev *dev)
{
	struct blockdev_posix *bd = of(dev);
	if (bd->direct_fd >= 0) {
		(void)close(bd->direct_fd);
	}
	(void)close(bd->fd);
	free(bd);
}

static const char *posix_why(struct dcd_blockdev *dev)
{
	int error = atomic_load(&of(dev)->last_errno);
	return error != 0 ? strerrordesc_np(error) : NULL;
}

static const struct dcd_blockdev_ops posix_ops = {
	.read = posix_read,
	.read_medium = posix_read_medium,
	.write = posix_write,
	.flush = posix_flush,
	.close = posix_close,
	.why = posix_why,
};

static bool same_object(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) != S_ISBLK(b->st_mode)) {
		return false;
	}
	/* A device may have several nodes; its number is what it is. */
	return S_ISBLK(a->st_mode) ? a->st_rdev == b->st_rdev : a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* A second descriptor for direct reads of the same object, or -1. */
static int open_direct(const char *path, const struct stat *identity)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		return -1;
	}
	struct stat now;
	if (fstat(fd, &now) != 0 || !same_object(&now, identity)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* The main descriptor; `*identity` is what it refers to. */
static int open_main(const char *path, enum dcd_blockdev_access access, struct stat *identity, struct dcd_diag *diag)
{
	struct stat st;
	if (stat(path, &st) != 0) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s: %s; check the slot's path in the configuration", path,
				    strerror(errno));
	}
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode)) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s is neither a block device nor a regular file, so it can't be a slot",
				    path);
	}
	int flags = (access == DCD_BLOCKDEV_READ_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	if (S_ISBLK(st.st_mode) && access == DCD_BLOCKDEV_READ_WRITE) {
		flags |= O_EXCL; /* Linux: fails while the device is mounted or claimed */
	}
	int fd = open(path, flags);
	if (fd < 0 && errno == EBUSY) {
		return dcd_diag_set(diag, DCD_ERR_BUSY,
				    "%s is mounted or otherwise in use; unmount it, a slot in use is never written", path);
	}
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s can't be opened: %s", path, strerror(errno));
	}
	/* A link that moved in between could have led past the O_EXCL. */
	if (fstat(fd, identity) != 0 || !same_object(identity, &st) ||
	    (!S_ISBLK(identity->st_mode) && !S_ISREG(identity->st_mode))) {
		(void)close(fd);
		return dcd_diag_set(diag, DCD_ERR_IO, "%s changed while it was opened; try again", path);
	}
	return fd;
}

static int measure(struct blockdev_posix *bd, struct dcd_diag *diag)
{
	uint64_t size = (uint64_t)bd->identity.st_size;
	if (S_ISBLK(bd->identity.st_mode) && ioctl(bd->fd, BLKGETSIZE64, &size) != 0) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s: its size can't be read: %s", bd->name, strerror(errno));
	}
	bd->base.size = size;
	return 0;
}

int dcd_blockdev_posix_open(const char *path, enum dcd_blockdev_access access, struct dcd_blockdev **ret, struct dcd_diag *diag)
{
	struct stat identity;
	int fd = open_main(path, access, &identity, diag);
	if (fd < 0) {
		return fd;
	}
	struct blockdev_posix *bd = calloc(1, sizeof *bd + strlen(path) + 1);
	if (bd == NULL) {
		(void)close(fd);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to open %s", path);
	}
	memcpy(bd->name, path, strlen(path) + 1);
	bd->base.ops = &posix_ops;
	bd->base.name = bd->name;
	bd->fd = fd;
	bd->identity = identity;
	bd->writable = access == DCD_BLOCKDEV_READ_WRITE;
	bd->direct_fd = -1;
	int err = measure(bd, diag);
	if (err != 0) {
		posix_close(&bd->base);
		return err;
	}
	bd->direct_fd = open_direct(path, &bd->identity);
	*ret = &bd->base;
	return 0;
}

bool dcd_blockdev_same(const struct dcd_blockdev *a, const struct dcd_blockdev *b)
{
	return same_object(&((const struct blockdev_posix *)a)->identity, &((const struct blockdev_posix *)b)->identity);
}

int dcd_blockdev_posix_errno(const struct dcd_blockdev *dev)
{
	return atomic_load(&((const struct blockdev_posix *)dev)->last_errno);
}
