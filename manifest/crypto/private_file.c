#include "manifest/crypto/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

int private_file_read(const char *path, unsigned char *buf, size_t size, size_t *ret_len, struct dcd_diag *diag)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: the key can't be opened: %s", path, strerror(errno));
	}
	size_t len = 0;
	ssize_t n = 1;
	while (n != 0 && len < size) {
		n = read(fd, buf + len, size - len);
		if (n < 0 && errno != EINTR) {
			int err = dcd_diag_set(diag, DCD_ERR_HOST, "%s: the key can't be read: %s", path, strerror(errno));
			close(fd);
			return err;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (len == size) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: too large for a private key", path);
	}
	*ret_len = len;
	return 0;
}

static int write_whole(int fd, const unsigned char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return -1;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The new name in its folder is durable after this. */
static int sync_parent(const char *path)
{
	DCD_AUTO_FREE char *folder = strdup(path);
	if (folder == NULL) {
		return -1;
	}
	char *slash = strrchr(folder, '/');
	const char *parent = slash == NULL ? "." : slash == folder ? "/" : folder;
	if (slash != NULL && slash != folder) {
		*slash = '\0';
	}
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return -1;
	}
	int result = fsync(fd);
	close(fd);
	return result;
}

int private_file_create(const char *path, const unsigned char *pem, size_t len, struct dcd_diag *diag)
{
	/* O_EXCL: never over another key, never through a symbolic link; the mode is there before the first byte. */
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST) {
		return dcd_diag_set(diag, DCD_ERR_EXISTS, "%s: there is a file of that name; keys are never replaced", path);
	}
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: can't be created: %s", path, strerror(errno));
	}
	bool ok = fchmod(fd, 0600) == 0 && write_whole(fd, pem, len) == 0 && fsync(fd) == 0;
	int cause = errno;
	if (close(fd) != 0 && ok) {
		ok = false;
		cause = errno;
	}
	if (ok && sync_parent(path) != 0) {
		ok = false;
		cause = errno;
	}
	if (!ok) {
		(void)unlink(path);
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: can't be written: %s", path, strerror(cause));
	}
	return 0;
}
