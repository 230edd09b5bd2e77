/* A payload file on disk, read piece by piece. */
#ifndef DCD_TOOLS_DELTA_PAYLOAD_FILE_H
#define DCD_TOOLS_DELTA_PAYLOAD_FILE_H

#include "base/diag.h"
#include "bsdiff/apply/payload.h"

struct dcd_payload_file {
	int fd;
	const char *path; /* the caller's */
	uint8_t *table;   /* header and table */
	uint64_t table_length;
	uint64_t size; /* of the whole file, bytes */
	struct dcd_payload payload;
	struct dcd_hash table_hash; /* SHA-256 of header and table: the payload's name */
};

/* Opens the file, reads and checks header, table and the file's size. The table's own hash is computed, not compared. */
DCD_NODISCARD int dcd_payload_file_open(const char *path, struct dcd_payload_file *ret, struct dcd_diag *diag);
void dcd_payload_file_close(struct dcd_payload_file *file);

/* Reads exactly `len` bytes at `offset` of any file; DCD_ERR_IO also at its end. */
DCD_NODISCARD int dcd_file_read(int fd, uint64_t offset, void *buf, size_t len);

#endif
