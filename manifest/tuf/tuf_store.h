/*
 * The trusted metadata that a device keeps: "N.root.json" for every root since the factory's, "timestamp.json", "snapshot.json",
 * "targets.json", each byte for byte as it was verified.
 *
 * What comes out of the store is verified again before it is used, and what doesn't verify, or can't be read, counts as absent: a
 * damaged store costs memory of the past (rollback protection down to the factory root), never the ability to update.
 */
#ifndef DCD_MANIFEST_TUF_TUF_STORE_H
#define DCD_MANIFEST_TUF_TUF_STORE_H

#include "manifest/tuf/tuf_file.h"

/* 0 with null data when the file is absent or can't be read. DCD_ERR_NO_MEMORY. `version` is 0 for a plain name. */
DCD_NODISCARD int tuf_store_load(struct dcd_tuf *tuf, uint64_t version, const char *name, size_t max, struct tuf_bytes *ret,
				 struct dcd_diag *diag);

/* A stored file of a role that the current root's keys have signed, or null. */
DCD_NODISCARD int tuf_store_load_role(struct dcd_tuf *tuf, enum tuf_role_index role, size_t max, struct tuf_bytes *ret_bytes,
				      struct tuf_metadata **ret, struct dcd_diag *diag);

/* The same for any signed file, stored as `name`. */
DCD_NODISCARD int tuf_store_load_signed(struct dcd_tuf *tuf, const struct tuf_signed_file *file, const char *name, size_t max,
					struct tuf_bytes *ret_bytes, struct tuf_metadata **ret, struct dcd_diag *diag);

/* Only for what was verified. Durable on return. */
DCD_NODISCARD int tuf_store_keep(struct dcd_tuf *tuf, uint64_t version, const char *name, const struct tuf_bytes *bytes,
				 struct dcd_diag *diag);

/*
 * Fast-forward recovery (§5.3.11): forgets timestamp and snapshot, and targets with them, whose version is a floor as well: an owner who
 * replaces the snapshot's keys may begin its count anew. Durable on return.
 */
DCD_NODISCARD int tuf_store_forget(struct dcd_tuf *tuf, struct dcd_diag *diag);

#endif
