/* Metadata of delegated roles, each held together with the metadata that delegated to it. */
#ifndef DCD_MANIFEST_TUF_TUF_DELEGATED_H
#define DCD_MANIFEST_TUF_TUF_DELEGATED_H

#include "manifest/tuf/tuf_delegation.h"
#include "manifest/tuf/tuf_state.h"

/*
 * Verified through one delegator, and so good for that one alone: another role that delegates to the same name has keys of its
 * own, and the file must be verified by those before it counts there.
 */
struct tuf_delegated {
	struct tuf_delegated *next;
	const struct tuf_metadata *delegator;
	struct tuf_metadata *metadata;
	char name[TUF_ROLE_NAME_MAX + 1];
};

/*
 * Before the targets metadata `next` replaces what is stored as `stored_name`: removes the stored files of roles that only the
 * old one delegates to. Of the old file the names alone are used, whoever signed it.
 */
DCD_NODISCARD int tuf_delegated_forget(struct dcd_tuf *tuf, const char *stored_name, const struct tuf_metadata *next,
				       struct dcd_diag *diag);

/* The one that has been verified through this delegator already, or null. */
const struct tuf_delegated *tuf_delegated_find(const struct dcd_tuf *tuf, const struct tuf_metadata *delegator, const char *name);

/*
 * The same, verified now if it hasn't been (§5.6.1 to §5.6.6 with the delegator's keys): from the store where that has the
 * version that the snapshot names, else from the source. The result belongs to `tuf`.
 */
DCD_NODISCARD int tuf_delegated_load(struct dcd_tuf *tuf, const struct tuf_metadata *delegator,
				     const struct tuf_delegation *delegation, const struct tuf_delegated **ret,
				     struct dcd_diag *diag);

#endif
