/* Bundles behind a file descriptor: regular files by position, everything else as a stream. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "updater/source/bundle_input.h"

#define READ_SIZE 16384
#define STOP_LATENCY_MS 200

struct fd_input {
	struct dcd_bundle_input base;
	int fd;
	bool owned;
	uint64_t position; /* a stream's */
	char *name;
	atomic_int stop;
};

static int ended_early(const struct fd_input *f, uint64_t at, struct dcd_diag *diag)
{
	return dcd_diag_set(diag, DCD_ERR_MALFORMED,
			    "%s: ends at byte %llu, in the middle of what it should hold; it was cut off", f->name,
			    (unsigned long long)at);
}

/* Waits so that an interrupt is seen soon; a regular file is always ready. */
static int wait_for_bytes(struct fd_input *f, struct dcd_diag *diag)
{
	struct pollfd waiting = { .fd = f->fd, .events = POLLIN };
	for (;;) {
		if (atomic_load(&f->stop) != 0) {
			return dcd_diag_set(diag, DCD_ERR_CANCELLED, "%s: stopped on request", f->name);
		}
		int ready = poll(&waiting, 1, STOP_LATENCY_MS);
		if (ready > 0 || (ready < 0 && errno != EINTR && errno != EAGAIN)) {
			return 0; /* read() tells what it is */
		}
	}
}

static ssize_t read_some(struct fd_input *f, uint8_t *buf, size_t len, uint64_t offset)
{
	for (;;) {
		ssize_t n = f->base.sequential ? read(f->fd, buf, len) : pread(f->fd, buf, len, (off_t)offset);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN)) {
			return n;
		}
	}
}

static int fd_read(struct dcd_bundle_input *input, uint64_t offset, uint64_t length, struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct fd_input *f = (struct fd_input *)input;
	uint8_t buf[READ_SIZE];
	if (input->sequential && offset != f->position) {
		return dcd_diag_set(diag, DCD_ERR_BUG, "%s: a stream can't be read at byte %llu", f->name,
				    (unsigned long long)offset);
	}
	input->stats.requests++;
	while (length > 0) {
		int err = wait_for_bytes(f, diag);
		if (err != 0) {
			return err;
		}
		ssize_t n = read_some(f, buf, (size_t)dcd_min_u64(length, sizeof buf), offset);
		if (n < 0) {
			return dcd_diag_set(diag, DCD_ERR_BROKEN_OFF, "%s: reading failed at byte %llu: %s; check the medium",
					    f->name, (unsigned long long)offset, strerror(errno));
		}
		if (n == 0) {
			return ended_early(f, offset, diag);
		}
		offset += (uint64_t)n;
		length -= (uint64_t)n;
		f->position = offset;
		input->stats.bytes += (uint64_t)n;
		err = sink->write(sink->context, buf, (size_t)n);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

static int trailing(const struct fd_input *f, uint64_t total, struct dcd_diag *diag)
{
	return dcd_diag_set(diag, DCD_ERR_MALFORMED,
			    "%s: goes on after the %llu bytes that its index describes; something was appended", f->name,
			    (unsigned long long)total);
}

static int fd_check_total(struct dcd_bundle_input *input, uint64_t total, struct dcd_diag *diag)
{
	struct fd_input *f = (struct fd_input *)input;
	if (input->sequential) {
		uint8_t byte = 0;
		int err = wait_for_bytes(f, diag);
		return err != 0 ? err : read_some(f, &byte, 1, total) == 0 ? 0 : trailing(f, total, diag);
	}
	struct stat st;
	if (fstat(f->fd, &st) != 0) {
		return dcd_diag_set(diag, DCD_ERR_BROKEN_OFF, "%s: %s", f->name, strerror(errno));
	}
	uint64_t size = (uint64_t)st.st_size;
	return size < total ? ended_early(f, size, diag) : size > total ? trailing(f, total, diag) : 0;
}

static void fd_close(struct dcd_bundle_input *input)
{
	struct fd_input *f = (struct fd_input *)input;
	if (f->owned) {
		(void)close(f->fd);
	}
	free(f->name);
	free(f);
}

static void fd_interrupt(struct dcd_bundle_input *input, int stop)
{
	atomic_store(&((struct fd_input *)input)->stop, stop);
}

static const struct dcd_bundle_input_ops fd_ops = { fd_read, fd_check_total, fd_close, fd_interrupt };

static int wrap(int fd, bool owned, bool sequential, const char *name, struct dcd_bundle_input **ret, struct dcd_diag *diag)
{
	struct fd_input *f = calloc(1, sizeof *f);
	char *copy = strdup(name);
	if (f == NULL || copy == NULL) {
		free(f);
		free(copy);
		if (owned) {
			(void)close(fd);
		}
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to open it", name);
	}
	*f = (struct fd_input){ .base = { .ops = &fd_ops, .name = copy, .sequential = sequential, .local = true },
				.fd = fd,
				.owned = owned,
				.name = copy };
	atomic_init(&f->stop, 0);
	*ret = &f->base;
	return 0;
}

int dcd_bundle_input_file(const char *path, struct dcd_bundle_input **ret, struct dcd_diag *diag)
{
	/* O_NONBLOCK: what became a pipe since somebody looked must not hang us. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0) {
		int cause = errno;
		if (fd >= 0) {
			(void)close(fd);
		}
		return dcd_diag_set(diag, cause == ENOENT ? DCD_ERR_NOT_FOUND : DCD_ERR_UNREACHABLE,
				    "%s: the bundle can't be opened: %s", path, strerror(cause));
	}
	if (!S_ISREG(st.st_mode)) {
		(void)close(fd);
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: is no regular file", path);
	}
	return wrap(fd, true, false, path, ret, diag);
}

int dcd_bundle_input_stream(int fd, bool owned, const char *name, struct dcd_bundle_input **ret, struct dcd_diag *diag)
{
	return wrap(fd, owned, true, name, ret, diag);
}
