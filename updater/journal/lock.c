#include "updater/journal/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct dcd_lock {
	int fd;
};

/* The process id in the file, or 0. */
static long holder_of(int fd)
{
	char text[24] = { 0 };
	ssize_t got = pread(fd, text, sizeof text - 1, 0);
	if (got <= 0) {
		return 0;
	}
	char *end = text;
	errno = 0;
	long pid = strtol(text, &end, 10);
	return errno == 0 && *end == '\n' && pid > 0 && pid <= INT_MAX ? pid : 0;
}

static int refuse(const char *state_dir, int fd, int error, struct dcd_diag *diag)
{
	if (error != EWOULDBLOCK) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s/lock can't be locked: %s", state_dir, strerror(error));
	}
	long pid = holder_of(fd);
	if (pid > 0) {
		return dcd_diag_set(diag, DCD_ERR_BUSY, "another run (process %ld) holds %s/lock; wait for it to end", pid,
				    state_dir);
	}
	return dcd_diag_set(diag, DCD_ERR_BUSY, "another run holds %s/lock; wait for it to end", state_dir);
}

/* A descriptor, or a negative errno. */
static int open_lock(const char *state_dir, int flags)
{
	int dir_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = dir_fd < 0 ? -1 : openat(dir_fd, "lock", flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	int error = errno;
	if (dir_fd >= 0) {
		(void)close(dir_fd);
	}
	return fd < 0 ? -error : fd;
}

static int lock_fd(const char *state_dir, int fd, struct dcd_lock **ret, struct dcd_diag *diag)
{
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s/lock can't be opened: %s", state_dir, strerror(-fd));
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int err = refuse(state_dir, fd, errno, diag);
		(void)close(fd);
		return err;
	}
	struct dcd_lock *lock = malloc(sizeof *lock);
	if (lock == NULL) {
		(void)close(fd);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the lock");
	}
	/* The number is for the other run's message alone; nothing depends on it, so a full disk doesn't matter. */
	if (ftruncate(fd, 0) == 0) {
		(void)dprintf(fd, "%ld\n", (long)getpid());
	}
	lock->fd = fd;
	*ret = lock;
	return 0;
}

int dcd_lock_take(const char *state_dir, struct dcd_lock **ret, struct dcd_diag *diag)
{
	return lock_fd(state_dir, open_lock(state_dir, O_RDWR | O_CREAT), ret, diag);
}

int dcd_lock_take_to_read(const char *state_dir, struct dcd_lock **ret, struct dcd_diag *diag)
{
	int fd = open_lock(state_dir, O_RDWR | O_CREAT);
	if (fd == -EROFS || fd == -EACCES || fd == -EPERM) {
		fd = open_lock(state_dir, O_RDONLY);
	}
	if (fd == -ENOENT) {
		*ret = NULL;
		return 0;
	}
	return lock_fd(state_dir, fd, ret, diag);
}

void dcd_lock_release(struct dcd_lock *lock)
{
	if (lock == NULL) {
		return;
	}
	/* The file stays: removing it would let a third run lock another file of the same name. */
	(void)close(lock->fd);
	free(lock);
}

void dcd_lock_releasep(struct dcd_lock **lock)
{
	dcd_lock_release(*lock);
}
