/* Writing a bundle's tar: the one place that writes with libarchive. The same entries give the same bytes, whoever writes them
 * and when. */
#ifndef DCD_TOOLS_REPO_BUNDLE_TAR_H
#define DCD_TOOLS_REPO_BUNDLE_TAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

/* Bytes that the header of such an entry takes, pax records included. */
DCD_NODISCARD int repo_bundle_tar_header_length(const char *name, uint64_t size, uint64_t *ret, struct dcd_diag *diag);

struct repo_bundle_tar; /* opaque */

/* Writes to `fd`, which stays the caller's; `path` is for messages. */
DCD_NODISCARD int repo_bundle_tar_open(int fd, const char *path, struct repo_bundle_tar **ret, struct dcd_diag *diag);
/* An entry begins; exactly `size` bytes of data follow. */
DCD_NODISCARD int repo_bundle_tar_entry(struct repo_bundle_tar *tar, const char *name, uint64_t size, struct dcd_diag *diag);
DCD_NODISCARD int repo_bundle_tar_data(struct repo_bundle_tar *tar, const void *data, size_t len, struct dcd_diag *diag);
/* The end of the archive. Not called after a failure. */
DCD_NODISCARD int repo_bundle_tar_finish(struct repo_bundle_tar *tar, struct dcd_diag *diag);
void repo_bundle_tar_close(struct repo_bundle_tar *tar); /* null is fine */
void repo_bundle_tar_closep(struct repo_bundle_tar **tar);

#endif
