#include "tools/delta/payload_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manifest/crypto/sha256.h"
#include "tools/delta/mapped_file.h"

int dcd_file_read(int fd, uint64_t offset, void *buf, size_t len)
{
	uint8_t *to = buf;
	while (len > 0) {
		ssize_t n = pread(fd, to, len, (off_t)offset);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return DCD_ERR_IO;
		}
		to += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int table_read(struct dcd_payload_file *file, struct dcd_diag *diag)
{
	uint8_t header[DCD_FORMAT_HEADER_SIZE];
	if (file->size < sizeof header || dcd_file_read(file->fd, 0, header, sizeof header) != 0) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: not a payload: shorter than a header", file->path);
	}
	int err = dcd_payload_table_length(header, sizeof header, &file->table_length);
	if (err == DCD_ERR_UNSUPPORTED) {
		return dcd_diag_set(diag, err, "%s: not a payload, or one that needs a newer decade-delta", file->path);
	}
	if (err != 0 || file->table_length > file->size) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: cut off, or its header is damaged", file->path);
	}
	file->table = malloc((size_t)file->table_length);
	if (file->table == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for its table", file->path);
	}
	if (dcd_file_read(file->fd, 0, file->table, (size_t)file->table_length) != 0) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s: cannot be read", file->path);
	}
	return 0;
}

static int table_open(struct dcd_payload_file *file, struct dcd_diag *diag)
{
	int err = dcd_payload_open(file->table, (size_t)file->table_length, &dcd_sha256, &file->payload);
	if (err == DCD_ERR_UNSUPPORTED) {
		return dcd_diag_set(diag, err, "%s: has frames that need a newer decade-delta", file->path);
	}
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s: damaged: its header and table contradict each other", file->path);
	}
	/* Compared by subtraction; table_length <= size was checked. */
	if (file->size - file->table_length != file->payload.frames_length) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: has %llu bytes where its table says %llu: cut off or appended to",
				    file->path, (unsigned long long)file->size,
				    (unsigned long long)(file->table_length + file->payload.frames_length));
	}
	dcd_hash_once(&dcd_sha256, file->table, (size_t)file->table_length, &file->table_hash);
	return 0;
}

int dcd_payload_file_open(const char *path, struct dcd_payload_file *ret, struct dcd_diag *diag)
{
	struct dcd_payload_file file = { .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC) };
	if (file.fd < 0) {
		return dcd_diag_set(diag, errno == ENOENT ? DCD_ERR_NOT_FOUND : DCD_ERR_IO, "%s: %s", path, strerror(errno));
	}
	int err = dcd_file_size(file.fd, path, &file.size, diag);
	err = err != 0 ? err : table_read(&file, diag);
	err = err != 0 ? err : table_open(&file, diag);
	if (err != 0) {
		dcd_payload_file_close(&file);
		return err;
	}
	*ret = file;
	return 0;
}

void dcd_payload_file_close(struct dcd_payload_file *file)
{
	free(file->table);
	file->table = NULL;
	if (file->fd >= 0) {
		close(file->fd);
		file->fd = -1;
	}
}
