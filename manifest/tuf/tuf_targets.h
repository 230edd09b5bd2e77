/* The entries of targets metadata, of the top-level role or a delegated one. */
#ifndef DCD_MANIFEST_TUF_TUF_TARGETS_H
#define DCD_MANIFEST_TUF_TUF_TARGETS_H

#include "manifest/tuf/tuf_state.h"

/* One entry of "targets". DCD_ERR_UNSUPPORTED: none of its hashes is one of ours. */
DCD_NODISCARD int tuf_target_read(const char *path, const struct dcd_json *entry, const char *what, struct dcd_tuf_target *ret,
				  struct dcd_diag *diag);

/* Looks at every entry and every delegation once, so that those who iterate later meet no surprise. */
DCD_NODISCARD int tuf_targets_check(const struct tuf_metadata *metadata, const char *what, struct dcd_diag *diag);

#endif
