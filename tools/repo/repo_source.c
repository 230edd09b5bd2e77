#include "tools/repo/repo_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"

#define PIECE_BYTES (64U << 10)

static int open_below(const char *folder, const char *path)
{
	DCD_AUTO_FREE char *full = repo_text("%s/%s", folder, path);
	return open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static int source_open(const struct repo_source *self, const char *path, int *ret_fd, uint64_t *ret_size, struct dcd_diag *diag)
{
	if (!dcd_source_path_ok(path)) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: not a path that a repository can have", path);
	}
	int fd = self->over != NULL ? open_below(self->over, path) : -1;
	if (fd < 0) {
		fd = open_below(self->root, path);
	}
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		return dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "%s: is missing", path);
	}
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0) {
		int err = repo_file_error(diag, "read", path);
		repo_file_closep(&fd);
		return err;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: not a file", path);
	}
	*ret_fd = fd;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static int source_send(struct repo_source *self, int fd, const char *path, uint64_t offset, uint64_t length,
		       struct dcd_sink *sink, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *buf = repo_alloc(PIECE_BYTES, 1);
	while (length > 0) {
		ssize_t n = pread(fd, buf, (size_t)dcd_min_u64(length, PIECE_BYTES), (off_t)offset);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return repo_file_error(diag, "read", path);
		}
		if (n == 0) {
			return dcd_diag_set(diag, DCD_ERR_BROKEN_OFF, "%s: became shorter while it was read", path);
		}
		int err = sink->write(sink->context, buf, (size_t)n);
		if (err != 0) {
			return err;
		}
		offset += (uint64_t)n;
		length -= (uint64_t)n;
		self->base.stats.bytes += (uint64_t)n;
	}
	return 0;
}

static int source_fetch(struct dcd_source *source, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct repo_source *self = (struct repo_source *)source;
	DCD_CLEANUP(repo_file_closep) int fd = -1;
	uint64_t size = 0;
	int err = source_open(self, path, &fd, &size, diag);
	if (err != 0) {
		return err;
	}
	source->stats.requests++;
	if (size > max) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: has %llu bytes, more than the %llu that it may have", path,
				    (unsigned long long)size, (unsigned long long)max);
	}
	return source_send(self, fd, path, 0, size, sink, diag);
}

static int source_fetch_range(struct dcd_source *source, const char *path, uint64_t object_size, uint64_t offset, uint64_t length,
			      struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct repo_source *self = (struct repo_source *)source;
	DCD_CLEANUP(repo_file_closep) int fd = -1;
	uint64_t size = 0;
	int err = source_open(self, path, &fd, &size, diag);
	if (err != 0) {
		return err;
	}
	source->stats.requests++;
	if (size != object_size || !dcd_range_inside(offset, length, size)) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: has %llu bytes instead of %llu", path, (unsigned long long)size,
				    (unsigned long long)object_size);
	}
	return source_send(self, fd, path, offset, length, sink, diag);
}

static void source_close(struct dcd_source *source)
{
	(void)source;
}

void repo_source_init(struct repo_source *source, const char *over, const char *root)
{
	static const struct dcd_source_ops ops = { .fetch = source_fetch,
						   .fetch_range = source_fetch_range,
						   .close = source_close };
	*source = (struct repo_source){ .base = { .ops = &ops, .name = root }, .over = over, .root = root };
}
