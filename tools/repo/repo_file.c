#include "tools/repo/repo_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "manifest/crypto/sha256.h"
#include "tools/repo/repo_text.h"

#define COPY_BYTES (256U << 10)
/* A multiple of every page size. */
#define FORGET_BYTES (1U << 20)
#define WALK_DESCRIPTORS 16

int repo_file_error(struct dcd_diag *diag, const char *what, const char *path)
{
	int number = errno;
	int err = DCD_ERR_HOST;
	const char *hint = "";
	if (number == ENOSPC || number == EDQUOT || number == EFBIG) {
		err = DCD_ERR_NO_SPACE;
		hint = "; make room there and run the command again";
	} else if (number == EIO) {
		err = DCD_ERR_IO;
	} else if (number == ENOMEM) {
		err = DCD_ERR_NO_MEMORY;
	}
	return dcd_diag_set(diag, err, "%s: can't %s: %s%s", path, what, strerror(number), hint);
}

void repo_file_closep(int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}

bool repo_file_exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

int repo_file_make_folders(const char *path, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *copy = repo_text("%s", path);
	for (char *slash = copy + 1;; slash++) {
		char c = *slash;
		if (c != '/' && c != '\0') {
			continue;
		}
		*slash = '\0';
		if (mkdir(copy, 0755) != 0 && errno != EEXIST) {
			return repo_file_error(diag, "make the folder", copy);
		}
		if (c == '\0') {
			return 0;
		}
		*slash = '/';
	}
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (slash == NULL) {
		return repo_text(".");
	}
	return slash == path ? repo_text("/") : repo_text("%.*s", (int)(slash - path), path);
}

int repo_file_make_parents(const char *path, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *parent = parent_of(path);
	return repo_file_make_folders(parent, diag);
}

int repo_file_write(const char *path, const void *data, size_t len, struct dcd_diag *diag)
{
	DCD_CLEANUP(repo_file_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		return repo_file_error(diag, "create", path);
	}
	const uint8_t *p = data;
	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return repo_file_error(diag, "write", path);
		}
		p += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0 ? 0 : repo_file_error(diag, "write", path);
}

int repo_file_rename(const char *from, const char *to, struct dcd_diag *diag)
{
	return rename(from, to) == 0 ? 0 : repo_file_error(diag, "put in place", to);
}

int repo_file_sync_folder(const char *folder, struct dcd_diag *diag)
{
	DCD_CLEANUP(repo_file_closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		return repo_file_error(diag, "make durable", folder);
	}
	return 0;
}

int repo_file_sync_parent(const char *path, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *parent = parent_of(path);
	return repo_file_sync_folder(parent, diag);
}

int repo_file_sync_content(const char *path, struct dcd_diag *diag)
{
	DCD_CLEANUP(repo_file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		return repo_file_error(diag, "make durable", path);
	}
	return 0;
}

int repo_file_sync_moved(const char *path, struct dcd_diag *diag)
{
	int err = repo_file_sync_content(path, diag);
	return err != 0 ? err : repo_file_sync_parent(path, diag);
}

static int load_open_file(int fd, const char *path, size_t max, char **ret_data, size_t *ret_len, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *data = repo_alloc(max + 2, 1);
	size_t len = 0;
	for (;;) {
		ssize_t n = read(fd, data + len, max + 1 - len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return repo_file_error(diag, "read", path);
		}
		if (n == 0) {
			break;
		}
		len += (size_t)n;
		if (len > max) {
			return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: larger than the %zu bytes that it may have", path, max);
		}
	}
	data[len] = '\0';
	*ret_data = data;
	*ret_len = len;
	data = NULL;
	return 0;
}

int repo_file_load(const char *path, size_t max, char **ret_data, size_t *ret_len, struct dcd_diag *diag)
{
	DCD_CLEANUP(repo_file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		return dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "%s: no such file", path);
	}
	if (fd < 0) {
		return repo_file_error(diag, "read", path);
	}
	return load_open_file(fd, path, max, ret_data, ret_len, diag);
}

int repo_file_hash(const char *path, uint64_t *ret_len, struct dcd_hash *ret_hash, struct dcd_diag *diag)
{
	DCD_CLEANUP(repo_file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		return dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "%s: no such file", path);
	}
	if (fd < 0) {
		return repo_file_error(diag, "read", path);
	}
	DCD_AUTO_FREE uint8_t *buf = repo_alloc(COPY_BYTES, 1);
	struct dcd_hash_state state;
	uint64_t len = 0;
	dcd_sha256.init(&state);
	for (;;) {
		ssize_t n = read(fd, buf, COPY_BYTES);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return repo_file_error(diag, "read", path);
		}
		if (n == 0) {
			break;
		}
		dcd_sha256.update(&state, buf, (size_t)n);
		len += (uint64_t)n;
	}
	dcd_sha256.finish(&state, ret_hash);
	*ret_len = len;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *position)
{
	(void)st;
	(void)type;
	(void)position;
	return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

int repo_file_remove_tree(const char *path, struct dcd_diag *diag)
{
	if (nftw(path, remove_one, WALK_DESCRIPTORS, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
		return repo_file_error(diag, "remove", path);
	}
	return 0;
}

int repo_file_map(const char *path, struct repo_mapping *ret, struct dcd_diag *diag)
{
	static const uint8_t nothing[1];
	DCD_CLEANUP(repo_file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0) {
		return repo_file_error(diag, "read the image", path);
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: neither a file nor a block device", path);
	}
	/* A block device has its size at its end, not in its stat. */
	off_t end = lseek(fd, 0, SEEK_END);
	if (end < 0) {
		return repo_file_error(diag, "read the image", path);
	}
	struct repo_mapping mapping = { .data = nothing, .len = (uint64_t)end };
	if (end > 0) {
		mapping.address = mmap(NULL, (size_t)end, PROT_READ, MAP_SHARED, fd, 0);
		if (mapping.address == MAP_FAILED) {
			return repo_file_error(diag, "map the image", path);
		}
		mapping.data = mapping.address;
	}
	*ret = mapping;
	return 0;
}

void repo_file_map_forget(const struct repo_mapping *mapping, uint64_t done)
{
	done = dcd_min_u64(done, mapping->len); /* what lies behind is somebody else's memory */
	if (mapping->address != NULL) {
		(void)madvise(mapping->address, (size_t)(done - done % FORGET_BYTES), MADV_DONTNEED);
	}
}

void repo_file_unmap(struct repo_mapping *mapping)
{
	if (mapping->address != NULL) {
		munmap(mapping->address, (size_t)mapping->len);
		mapping->address = NULL;
	}
}
