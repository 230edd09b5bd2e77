/* Without it, headers would give these functions other names than the library calls. */
#undef _FILE_OFFSET_BITS
#include "tests/sim/sim_uboot_io.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/sim/sim_loader.h"

#define LOCK_SUFFIX "/fw_printenv.lock"

/* One at a time: the library opens, works and closes. */
static struct {
	struct dcd_blockdev *dev;
	int fd;
	off_t at;
} opened = { .fd = -1 };

static size_t device_size;

static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);
	if (found == NULL) {
		abort();
	}
	return found;
}

const char *sim_uboot_path(void)
{
	static char path[PATH_MAX];
	if (path[0] == '\0' && realpath("/proc/self/exe", path) == NULL) {
		abort();
	}
	return path;
}

const char *sim_uboot_config(const char *text)
{
	static char path[64];
	int fd = memfd_create("fw_env.config", 0);
	if (fd < 0 || dprintf(fd, "%s", text) < 0) {
		abort();
	}
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return path;
}

void sim_uboot_size(size_t size)
{
	device_size = size;
}

static bool ours(int fd)
{
	return fd >= 0 && fd == opened.fd;
}

int open(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	va_list args;
	va_start(args, flags);
	int mode = (flags & O_CREAT) != 0 ? va_arg(args, int) : 0;
	va_end(args);
	if (real == NULL) {
		void *found = next("open");
		memcpy(&real, &found, sizeof real);
	}
	size_t len = strlen(path);
	size_t suffix = sizeof LOCK_SUFFIX - 1;
	if (len > suffix && strcmp(path + len - suffix, LOCK_SUFFIX) == 0) {
		errno = EACCES; /* the devices of two processes are not one */
		return -1;
	}
	if (device_size == 0 || strcmp(path, sim_uboot_path()) != 0) {
		return real(path, flags, mode);
	}
	int fd = real(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && opened.fd < 0) {
		opened.fd = fd;
		opened.at = 0;
		opened.dev = sim_media_open_dev(sim_loader_media(), SIM_LOADER_DEV, "uboot-env", device_size,
						(flags & O_ACCMODE) != O_RDONLY);
	}
	return fd;
}

int close(int fd)
{
	static int (*real)(int);
	if (real == NULL) {
		void *found = next("close");
		memcpy(&real, &found, sizeof real);
	}
	if (ours(fd)) {
		opened.dev->ops->close(opened.dev);
		opened.fd = -1;
	}
	return real(fd);
}

off_t lseek(int fd, off_t offset, int whence)
{
	static off_t (*real)(int, off_t, int);
	if (real == NULL) {
		void *found = next("lseek");
		memcpy(&real, &found, sizeof real);
	}
	if (!ours(fd)) {
		return real(fd, offset, whence);
	}
	if (whence != SEEK_SET) {
		abort();
	}
	return opened.at = offset;
}

static ssize_t done(int err, size_t len)
{
	if (err != 0) {
		errno = EIO;
		return -1;
	}
	opened.at += (off_t)len;
	return (ssize_t)len;
}

ssize_t read(int fd, void *buf, size_t len)
{
	static ssize_t (*real)(int, void *, size_t);
	if (real == NULL) {
		void *found = next("read");
		memcpy(&real, &found, sizeof real);
	}
	return !ours(fd) ? real(fd, buf, len) : done(opened.dev->ops->read(opened.dev, (uint64_t)opened.at, buf, len), len);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	static ssize_t (*real)(int, const void *, size_t);
	if (real == NULL) {
		void *found = next("write");
		memcpy(&real, &found, sizeof real);
	}
	return !ours(fd) ? real(fd, buf, len) : done(opened.dev->ops->write(opened.dev, (uint64_t)opened.at, buf, len), len);
}

int fsync(int fd)
{
	static int (*real)(int);
	if (real == NULL) {
		void *found = next("fsync");
		memcpy(&real, &found, sizeof real);
	}
	return !ours(fd) ? real(fd) : (int)done(opened.dev->ops->flush(opened.dev), 0);
}
