#include "updater/source/source_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/cleanup.h"

#define READ_SIZE 16384

struct dir_source {
	struct dcd_source base;
	int folder_fd;
	char *folder;
	atomic_int stop;
};

static void close_fd(int *fd)
{
	if (*fd >= 0) {
		(void)close(*fd);
	}
}

#define AUTO_FD DCD_CLEANUP(close_fd) int

static int open_failed(const struct dir_source *d, const char *path, int cause, struct dcd_diag *diag)
{
	switch (cause) {
	case ENOENT:
		return dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "%s/%s: no such file", d->folder, path);
	case ELOOP:
	case ENOTDIR:
		return dcd_diag_set(diag, DCD_ERR_SOURCE_LIES,
				    "%s/%s: a component is a symbolic link or no folder; copy the files themselves to the medium",
				    d->folder, path);
	default:
		return dcd_diag_set(diag, DCD_ERR_UNREACHABLE, "%s/%s: can't be opened: %s", d->folder, path, strerror(cause));
	}
}

/* Component by component, because O_NOFOLLOW guards only the last one of a path. Returns a descriptor or -errno. */
static int open_beneath(int folder_fd, const char *path)
{
	int at = folder_fd;
	for (;;) {
		char part[NAME_MAX + 1];
		size_t n = strcspn(path, "/");
		if (n > NAME_MAX) {
			n = 0; /* no file can have this name */
			errno = ENOENT;
		}
		memcpy(part, path, n);
		part[n] = '\0';
		int kind = path[n] == '/' ? O_PATH | O_DIRECTORY : O_NONBLOCK | O_NOCTTY;
		int fd = n > 0 ? openat(at, part, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | kind) : -1;
		int cause = errno;
		if (at != folder_fd) {
			(void)close(at);
		}
		if (fd < 0) {
			return -cause;
		}
		if (path[n] == '\0') {
			return fd;
		}
		at = fd;
		path += n + 1;
	}
}

static int open_object(const struct dir_source *d, const char *path, int *ret_fd, uint64_t *ret_size, struct dcd_diag *diag)
{
	if (!dcd_source_path_ok(path)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: '%s' is no path inside a repository", d->folder, path);
	}
	int fd = open_beneath(d->folder_fd, path);
	if (fd < 0) {
		return open_failed(d, path, -fd, diag);
	}
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return dcd_diag_set(diag, DCD_ERR_SOURCE_LIES, "%s/%s: is not a regular file", d->folder, path);
	}
	*ret_fd = fd;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static int send_bytes(struct dir_source *d, int fd, const char *path, uint64_t offset, uint64_t length, struct dcd_sink *sink,
		      struct dcd_diag *diag)
{
	uint8_t buf[READ_SIZE];
	while (length > 0) {
		if (atomic_load(&d->stop) != 0) {
			return dcd_diag_set(diag, DCD_ERR_CANCELLED, "%s/%s: cancelled", d->folder, path);
		}
		ssize_t n = pread(fd, buf, (size_t)dcd_min_u64(length, sizeof buf), (off_t)offset);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return dcd_diag_set(diag, DCD_ERR_BROKEN_OFF, "%s/%s: reading failed at byte %llu: %s; check the medium",
					    d->folder, path, (unsigned long long)offset, strerror(errno));
		}
		if (n == 0) {
			return dcd_diag_set(diag, DCD_ERR_BROKEN_OFF, "%s/%s: became shorter while it was read", d->folder, path);
		}
		d->base.stats.bytes += (uint64_t)n;
		int err = sink->write(sink->context, buf, (size_t)n);
		if (err != 0) {
			return err;
		}
		offset += (uint64_t)n;
		length -= (uint64_t)n;
	}
	return 0;
}

static int dir_fetch(struct dcd_source *source, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct dir_source *d = (struct dir_source *)source;
	AUTO_FD fd = -1;
	uint64_t size = 0;
	d->base.stats.requests++;
	int err = open_object(d, path, &fd, &size, diag);
	if (err != 0) {
		return err;
	}
	if (size > max) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s/%s: has %llu bytes, at most %llu are allowed", d->folder, path,
				    (unsigned long long)size, (unsigned long long)max);
	}
	return send_bytes(d, fd, path, 0, size, sink, diag);
}

static int dir_fetch_range(struct dcd_source *source, const char *path, uint64_t object_size, uint64_t offset, uint64_t length,
			   struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct dir_source *d = (struct dir_source *)source;
	if (length == 0 || !dcd_range_inside(offset, length, object_size)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s/%s: a range outside the object was asked for", d->folder, path);
	}
	AUTO_FD fd = -1;
	uint64_t size = 0;
	d->base.stats.requests++;
	int err = open_object(d, path, &fd, &size, diag);
	if (err != 0) {
		return err;
	}
	if (size != object_size) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s/%s: has %llu bytes instead of %llu", d->folder, path,
				    (unsigned long long)size, (unsigned long long)object_size);
	}
	return send_bytes(d, fd, path, offset, length, sink, diag);
}

static void dir_interrupt(struct dcd_source *source, int stop)
{
	struct dir_source *d = (struct dir_source *)source;
	atomic_store(&d->stop, stop);
}

static void dir_close(struct dcd_source *source)
{
	struct dir_source *d = (struct dir_source *)source;
	(void)close(d->folder_fd);
	free(d->folder);
	free(d);
}

static const struct dcd_source_ops dir_ops = {
	.fetch = dir_fetch,
	.fetch_range = dir_fetch_range,
	.close = dir_close,
	.interrupt = dir_interrupt,
};

int dcd_source_dir_open(const char *folder, struct dcd_source **ret, struct dcd_diag *diag)
{
	struct dir_source *d = calloc(1, sizeof *d);
	char *name = strdup(folder);
	if (d == NULL || name == NULL) {
		free(d);
		free(name);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to open the folder", folder);
	}
	d->folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d->folder_fd < 0) {
		int cause = errno;
		free(d);
		free(name);
		return dcd_diag_set(diag, cause == ENOENT ? DCD_ERR_NOT_FOUND : DCD_ERR_UNREACHABLE,
				    "%s: the folder can't be opened: %s", folder, strerror(cause));
	}
	for (size_t n = strlen(name); n > 1 && name[n - 1] == '/'; n--) {
		name[n - 1] = '\0';
	}
	d->folder = name;
	d->base.ops = &dir_ops;
	d->base.name = name;
	atomic_init(&d->stop, 0);
	*ret = &d->base;
	return 0;
}
