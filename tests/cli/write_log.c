/*
 * A preloaded library for tests: what a program changes below the folder DECADE_WRITE_LOG_UNDER is appended to the file
 * DECADE_WRITE_LOG, in the order in which the kernel did it. A record is a line "what offset length path other" and `length`
 * bytes; a path has no white space here.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_SIZE 1024

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* The path of an open file, or "". */
static void path_of(int fd, char path[PATH_SIZE])
{
	char link[64];
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, PATH_SIZE - 1);
	path[len < 0 ? 0 : len] = '\0';
}

static void below(int dir_fd, const char *name, char path[PATH_SIZE])
{
	char folder[PATH_SIZE];
	path_of(dir_fd, folder);
	if (snprintf(path, PATH_SIZE, "%s/%s", folder, name) >= PATH_SIZE) {
		abort();
	}
}

static void note(const char *what, off_t offset, const void *data, size_t len, const char *path, const char *other)
{
	char head[2 * PATH_SIZE + 128];
	const char *under = getenv("DECADE_WRITE_LOG_UNDER");
	const char *log = getenv("DECADE_WRITE_LOG");
	if (under == NULL || log == NULL || strncmp(path, under, strlen(under)) != 0) {
		return;
	}
	int head_len = snprintf(head, sizeof head, "%s %lld %zu %s %s\n", what, (long long)offset, len, path, other);
	const struct iovec parts[] = { { head, (size_t)head_len }, { (void *)data, len } };
	pthread_mutex_lock(&one_at_a_time);
	int fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || writev(fd, parts, 2) != head_len + (ssize_t)len) {
		abort();
	}
	close(fd);
	pthread_mutex_unlock(&one_at_a_time);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
	char path[PATH_SIZE];
	ssize_t done = ((ssize_t(*)(int, const void *, size_t, off64_t))real("pwrite64"))(fd, data, len, offset);
	path_of(fd, path);
	if (done > 0) {
		note("write", offset, data, (size_t)done, path, "-");
	}
	return done;
}

ssize_t write(int fd, const void *data, size_t len)
{
	char path[PATH_SIZE];
	ssize_t done = ((ssize_t(*)(int, const void *, size_t))real("write"))(fd, data, len);
	path_of(fd, path);
	if (done > 0) {
		off_t end = lseek(fd, 0, SEEK_CUR);
		note("write", end < done ? 0 : end - done, data, (size_t)done, path, "-");
	}
	return done;
}

static int synced(int fd, const char *name)
{
	char path[PATH_SIZE];
	struct stat st;
	int err = ((int (*)(int))real(name))(fd);
	path_of(fd, path);
	if (err == 0 && fstat(fd, &st) == 0) {
		note(S_ISDIR(st.st_mode) ? "syncdir" : "sync", 0, "", 0, path, "-");
	}
	return err;
}

int fsync(int fd)
{
	return synced(fd, "fsync");
}

int fdatasync(int fd)
{
	return synced(fd, "fdatasync");
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	char path[PATH_SIZE], other[PATH_SIZE];
	int err = ((int (*)(int, const char *, int, const char *))real("renameat"))(from_dir, from, to_dir, to);
	below(from_dir, from, path);
	below(to_dir, to, other);
	if (err == 0) {
		note("rename", 0, "", 0, path, other);
	}
	return err;
}

int unlinkat(int dir, const char *name, int flags)
{
	char path[PATH_SIZE];
	int err = ((int (*)(int, const char *, int))real("unlinkat"))(dir, name, flags);
	below(dir, name, path);
	if (err == 0) {
		note("remove", 0, "", 0, path, "-");
	}
	return err;
}

int openat64(int dir, const char *name, int flags, ...)
{
	char path[PATH_SIZE];
	va_list args;
	va_start(args, flags);
	mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
	va_end(args);
	int fd = ((int (*)(int, const char *, int, ...))real("openat64"))(dir, name, flags, mode);
	if (fd >= 0 && (flags & (O_CREAT | O_TRUNC)) != 0) {
		path_of(fd, path);
		note((flags & O_TRUNC) != 0 ? "empty" : "create", 0, "", 0, path, "-");
	}
	return fd;
}
