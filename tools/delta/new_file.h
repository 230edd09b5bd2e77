/* An output file that appears whole under its name, or not at all. */
#ifndef DCD_TOOLS_DELTA_NEW_FILE_H
#define DCD_TOOLS_DELTA_NEW_FILE_H

#include "base/diag.h"

struct dcd_new_file {
	int fd;
	const char *path; /* the caller's */
	char *temporary;  /* beside it; null once committed or dropped */
};

/* Makes an empty temporary file in the folder of `path`. DCD_ERR_IO, DCD_ERR_NO_SPACE, DCD_ERR_NO_MEMORY. */
DCD_NODISCARD int dcd_new_file_create(const char *path, struct dcd_new_file *ret, struct dcd_diag *diag);

/* Makes the content durable, gives it its name, makes the name durable; in this order. The file is closed either way. */
DCD_NODISCARD int dcd_new_file_commit(struct dcd_new_file *file, struct dcd_diag *diag);

/* Removes the temporary file, when there is one. */
void dcd_new_file_drop(struct dcd_new_file *file);

#endif
