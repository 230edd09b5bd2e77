/* A whole input file as memory, read by the kernel page by page as it is used. */
#ifndef DCD_TOOLS_DELTA_MAPPED_FILE_H
#define DCD_TOOLS_DELTA_MAPPED_FILE_H

#include "bsdiff/diff/encode.h"

/* Zero-initialised is unmapped. */
struct dcd_mapped_file {
	struct dcd_bytes bytes;
};

/* Maps a regular file or a block device. DCD_ERR_NOT_FOUND, DCD_ERR_IO, DCD_ERR_USAGE (a folder, a pipe). */
DCD_NODISCARD int dcd_mapped_file_open(const char *path, struct dcd_mapped_file *ret, struct dcd_diag *diag);
/* Gives back the memory of the file's bytes before `done`, however far that is; they are read again when looked at again. */
void dcd_mapped_file_forget(const struct dcd_mapped_file *file, uint64_t done);
void dcd_mapped_file_close(struct dcd_mapped_file *file);

/* The size of an open file or block device; DCD_ERR_USAGE for what has none. /dev/null has 0 bytes. */
DCD_NODISCARD int dcd_file_size(int fd, const char *path, uint64_t *ret, struct dcd_diag *diag);

#endif
