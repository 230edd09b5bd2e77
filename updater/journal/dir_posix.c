#include "updater/journal/dir_posix.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

struct dir_posix {
	struct dcd_dir base;
	int fd;
	char name[];
};

static int dir_fd(struct dcd_dir *dir)
{
	return ((struct dir_posix *)dir)->fd;
}

static int code_of(int error)
{
	switch (error) {
	case ENOENT:
		return DCD_ERR_NOT_FOUND;
	case ENOSPC:
	case EDQUOT:
		return DCD_ERR_NO_SPACE;
	default:
		return DCD_ERR_IO;
	}
}

/* Room for a name and the ".new" that dcd_dir_replace() appends. */
static bool name_ok(const char *name)
{
	size_t len = strnlen(name, DCD_DIR_NAME_MAX + 8);
	return len > 0 && len <= DCD_DIR_NAME_MAX + 4 && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

/* O_NONBLOCK: a FIFO of that name must not hang us; it has no effect on a regular file. */
static int open_regular(struct dcd_dir *dir, const char *name, int flags, int *ret_fd)
{
	if (!name_ok(name)) {
		return DCD_ERR_USAGE;
	}
	if (dir_fd(dir) < 0) {
		return DCD_ERR_NOT_FOUND;
	}
	int fd = openat(dir_fd(dir), name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (fd < 0) {
		return code_of(errno);
	}
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return DCD_ERR_IO;
	}
	*ret_fd = fd;
	return 0;
}

static int read_all(int fd, uint8_t *buf, size_t capacity, size_t *ret_len)
{
	size_t len = 0;
	for (;;) {
		/* One byte more than fits tells "exactly full" from "larger". */
		uint8_t extra;
		bool full = len == capacity;
		ssize_t got = read(fd, full ? &extra : buf + len, full ? 1 : capacity - len);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			return code_of(errno);
		}
		if (got == 0) {
			*ret_len = len;
			return 0;
		}
		if (full) {
			return DCD_ERR_SIZE;
		}
		len += (size_t)got;
	}
}

static int posix_read(struct dcd_dir *dir, const char *name, void *buf, size_t capacity, size_t *ret_len)
{
	int fd;
	int err = open_regular(dir, name, O_RDONLY, &fd);
	if (err == 0) {
		err = read_all(fd, buf, capacity, ret_len);
		(void)close(fd);
	}
	return err;
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, data, len);
		if (put < 0 && errno == EINTR) {
			continue;
		}
		if (put <= 0) {
			return put < 0 ? code_of(errno) : DCD_ERR_IO;
		}
		data += put;
		len -= (size_t)put;
	}
	return 0;
}

static int posix_write(struct dcd_dir *dir, const char *name, const void *data, size_t len)
{
	int fd;
	int err = open_regular(dir, name, O_WRONLY | O_CREAT | O_TRUNC, &fd);
	if (err != 0) {
		return err;
	}
	err = write_all(fd, data, len);
	/* close() is where some file systems tell of a full quota. */
	if (close(fd) != 0 && err == 0) {
		err = code_of(errno);
	}
	return err;
}

static int posix_sync(struct dcd_dir *dir, const char *name)
{
	int fd;
	int err = open_regular(dir, name, O_WRONLY, &fd);
	if (err != 0) {
		return err;
	}
	if (fsync(fd) != 0) {
		err = code_of(errno);
	}
	(void)close(fd);
	return err;
}

static int posix_rename(struct dcd_dir *dir, const char *from, const char *to)
{
	if (!name_ok(from) || !name_ok(to)) {
		return DCD_ERR_USAGE;
	}
	return renameat(dir_fd(dir), from, dir_fd(dir), to) == 0 ? 0 : code_of(errno);
}

static int posix_remove(struct dcd_dir *dir, const char *name)
{
	if (!name_ok(name)) {
		return DCD_ERR_USAGE;
	}
	return unlinkat(dir_fd(dir), name, 0) == 0 || errno == ENOENT ? 0 : code_of(errno);
}

static int posix_sync_dir(struct dcd_dir *dir)
{
	return fsync(dir_fd(dir)) == 0 ? 0 : code_of(errno);
}

static int posix_list(struct dcd_dir *dir, void (*each)(void *context, const char *name), void *context)
{
	/* A descriptor of its own: the stream's position would stay with ours. */
	int fd = openat(dir_fd(dir), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	if (stream == NULL) {
		int err = code_of(errno);
		if (fd >= 0) {
			(void)close(fd);
		}
		return err;
	}
	errno = 0;
	for (struct dirent *entry; (entry = readdir(stream)) != NULL; errno = 0) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			each(context, entry->d_name);
		}
	}
	int err = errno == 0 ? 0 : code_of(errno);
	(void)closedir(stream);
	return err;
}

static void posix_close(struct dcd_dir *dir)
{
	if (dir_fd(dir) >= 0) {
		(void)close(dir_fd(dir));
	}
	free(dir);
}

static const struct dcd_dir_ops posix_ops = {
	.read = posix_read,
	.write = posix_write,
	.sync = posix_sync,
	.rename = posix_rename,
	.remove = posix_remove,
	.sync_dir = posix_sync_dir,
	.close = posix_close,
	.list = posix_list,
};

/* The new folder's own name must survive a cut as well, or everything stored in it is lost with it. */
static int sync_parent(const char *path)
{
	DCD_AUTO_FREE char *copy = strdup(path);
	if (copy == NULL) {
		return -1;
	}
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return -1;
	}
	int result = fsync(fd);
	(void)close(fd);
	return result;
}

/* `fd` is taken over, also on failure. */
static int dir_new(const char *path, int fd, struct dcd_dir **ret, struct dcd_diag *diag)
{
	struct dir_posix *dir = calloc(1, sizeof *dir + strlen(path) + 1);
	if (dir == NULL) {
		if (fd >= 0) {
			(void)close(fd);
		}
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to open %s", path);
	}
	memcpy(dir->name, path, strlen(path) + 1);
	dir->base.ops = &posix_ops;
	dir->base.name = dir->name;
	dir->fd = fd;
	*ret = &dir->base;
	return 0;
}

int dcd_dir_posix_look(const char *path, struct dcd_dir **ret, struct dcd_diag *diag)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s can't be looked into: %s", path, strerror(errno));
	}
	return dir_new(path, fd, ret, diag);
}

int dcd_dir_posix_open(const char *path, struct dcd_dir **ret, struct dcd_diag *diag)
{
	if (mkdir(path, 0700) == 0) {
		if (sync_parent(path) != 0) {
			return dcd_diag_set(diag, DCD_ERR_IO, "%s: the new folder can't be made durable: %s", path,
					    strerror(errno));
		}
	} else if (errno != EEXIST) {
		return dcd_diag_set(diag, code_of(errno) == DCD_ERR_NO_SPACE ? DCD_ERR_NO_SPACE : DCD_ERR_IO,
				    "%s: the folder can't be created: %s", path, strerror(errno));
	}
	return dcd_dir_posix_open_existing(path, ret, diag);
}

int dcd_dir_posix_open_existing(const char *path, struct dcd_dir **ret, struct dcd_diag *diag)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s can't be opened as a folder: %s", path, strerror(errno));
	}
	return dir_new(path, fd, ret, diag);
}
