/* What targets metadata delegates, and of which paths (TUF 1.0.34 §4.5; succinct hash bins: TAP 15). */
#ifndef DCD_MANIFEST_TUF_TUF_DELEGATION_H
#define DCD_MANIFEST_TUF_TUF_DELEGATION_H

#include "base/source.h"
#include "manifest/tuf/tuf_metadata.h"

#define TUF_ROLE_NAME_MAX 256U /* bytes */

struct tuf_delegation {
	char name[TUF_ROLE_NAME_MAX + 1];
	const struct dcd_json *keys; /* key id -> key */
	const struct dcd_json *role; /* has "keyids" and "threshold" */
	bool terminating;
};

/* What a delegated role may be called: nothing that would be stored, or listed in the snapshot, as a top-level role. */
bool tuf_delegation_name_ok(const char *name);

/*
 * DCD_ERR_MALFORMED for a delegation that can't be followed: no name, a top-level role's name, a name twice, control characters
 * in it, neither or both of "paths" and "path_hash_prefixes", keys that aren't. No delegations at all is fine.
 */
DCD_NODISCARD int tuf_delegations_check(const struct tuf_metadata *metadata, const char *what, struct dcd_diag *diag);

/*
 * The next delegation of `metadata` (which has passed the check) that is responsible for `path`, from number *at on; advances *at
 * past it. False when there is none left.
 */
bool tuf_delegation_next(const struct tuf_metadata *metadata, const char *path, size_t *at, struct tuf_delegation *ret);

/*
 * The same for any path that begins with `folder`. Succinct bins can't be enumerated: *ret_bins is set for them, and they are
 * left out.
 */
bool tuf_delegation_next_below(const struct tuf_metadata *metadata, const char *folder, size_t *at, struct tuf_delegation *ret,
			       bool *ret_bins);

#endif
