#include "tools/delta/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/checked.h"

/* A multiple of every page size. */
#define FORGET_BYTES (1U << 20)

/* The null device is how scripts say "no base". */
static int is_null_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

int dcd_file_size(int fd, const char *path, uint64_t *ret, struct dcd_diag *diag)
{
	struct stat st;
	if (fstat(fd, &st) != 0) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s: %s", path, strerror(errno));
	}
	if (is_null_device(&st)) {
		*ret = 0;
		return 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: neither a regular file nor a block device", path);
	}
	off_t size = S_ISREG(st.st_mode) ? st.st_size : lseek(fd, 0, SEEK_END);
	if (size < 0) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s: %s", path, strerror(errno));
	}
	*ret = (uint64_t)size;
	return 0;
}

static int map(int fd, const char *path, struct dcd_mapped_file *ret, struct dcd_diag *diag)
{
	uint64_t size;
	int err = dcd_file_size(fd, path, &size, diag);
	if (err != 0) {
		return err;
	}
	if (size > SIZE_MAX) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: too large for this machine's address space", path);
	}
	void *data = NULL;
	if (size > 0) {
		data = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data == MAP_FAILED) {
			return dcd_diag_set(diag, DCD_ERR_IO, "%s: cannot be mapped: %s", path, strerror(errno));
		}
	}
	ret->bytes = (struct dcd_bytes){ data, size };
	return 0;
}

int dcd_mapped_file_open(const char *path, struct dcd_mapped_file *ret, struct dcd_diag *diag)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return dcd_diag_set(diag, errno == ENOENT ? DCD_ERR_NOT_FOUND : DCD_ERR_IO, "%s: %s", path, strerror(errno));
	}
	int err = map(fd, path, ret, diag);
	close(fd);
	return err;
}

void dcd_mapped_file_forget(const struct dcd_mapped_file *file, uint64_t done)
{
	done = dcd_min_u64(done, file->bytes.len); /* what lies behind is somebody else's memory */
	if (file->bytes.data != NULL) {
		(void)madvise((void *)(uintptr_t)file->bytes.data, (size_t)(done - done % FORGET_BYTES), MADV_DONTNEED);
	}
}

void dcd_mapped_file_close(struct dcd_mapped_file *file)
{
	if (file->bytes.data != NULL) {
		munmap((void *)file->bytes.data, (size_t)file->bytes.len);
	}
	file->bytes = (struct dcd_bytes){ 0 };
}
