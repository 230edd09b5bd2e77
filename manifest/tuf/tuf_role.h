/* A role: the keys that may sign for it and how many of them must (TUF 1.0.34 §4.3, "roles"). */
#ifndef DCD_MANIFEST_TUF_TUF_ROLE_H
#define DCD_MANIFEST_TUF_TUF_ROLE_H

#include "base/hash.h"
#include "manifest/crypto/public_key.h"
#include "manifest/tuf/tuf_metadata.h"

#define TUF_ROLE_KEYS_MAX 256U

struct tuf_role_key {
	const char *keyid;          /* belongs to the document */
	struct dcd_public_key *key; /* null: of a kind that this build can't use, so it never counts */
	struct dcd_hash identity;   /* of the key itself, or of its id where `key` is null */
};

/* Lives no longer than the document that it was read from. */
struct tuf_role {
	size_t key_count;
	struct tuf_role_key *keys;
	uint64_t threshold; /* at least 1 */
};

/*
 * `keys` maps key ids to keys, `role` has "keyids" and "threshold"; root metadata and delegations have the same form. `name` is
 * the role's, `what` the file's. An unknown kind of key is not an error (it can't sign, that is all); two equal key ids are.
 */
DCD_NODISCARD int tuf_role_read(const struct dcd_json *keys, const struct dcd_json *role, const char *name, const char *what,
				struct tuf_role *ret, struct dcd_diag *diag);
void tuf_role_clear(struct tuf_role *role);

/*
 * 0 when at least `threshold` different keys of the role have signed `metadata`; DCD_ERR_SIGNATURE otherwise. A key that is
 * listed under two ids counts once.
 */
DCD_NODISCARD int tuf_role_verify(const struct tuf_role *role, const struct tuf_metadata *metadata, const char *what,
				  struct dcd_diag *diag);

/* True when both have the same keys, in any order. */
bool tuf_role_same_keys(const struct tuf_role *a, const struct tuf_role *b);

#endif
