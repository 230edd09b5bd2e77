/*
 * Who signs, as an interface: a key file today, a hardware module or a signing service tomorrow. A signer never hands out its
 * private half, so nothing above this line can leak it.
 */
#ifndef DCD_MANIFEST_SIGN_SIGNER_H
#define DCD_MANIFEST_SIGN_SIGNER_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/hash.h"
#include "manifest/json/json.h"

struct dcd_signer;

struct dcd_signer_ops {
	/*
	 * Signs a message with the scheme that the public key object names. `signature` has room for `capacity` bytes;
	 * DCD_ERR_SIZE when that is too little.
	 */
	int (*sign)(struct dcd_signer *signer, const uint8_t *message, size_t message_len, uint8_t *signature, size_t capacity,
		    size_t *ret_len, struct dcd_diag *diag);
	/* Frees the signer. */
	void (*close)(struct dcd_signer *signer);
};

#define DCD_SIGNER_SIGNATURE_MAX 16384 /* bytes: room for the hash-based and lattice schemes to come */

/* Implementations embed this as their first member, fill `ops` and `name`, and call dcd_signer_set_key(). */
struct dcd_signer {
	const struct dcd_signer_ops *ops;
	const char *name;              /* for messages: a path, a slot of a token; never a secret */
	struct dcd_json *key;          /* {"keytype","keyval":{"public"},"scheme"}; freed by dcd_signer_close() */
	char keyid[DCD_HASH_HEX_SIZE]; /* lower-case hex SHA-256 of the key object's canonical form (as securesystemslib names
					  keys) */
};

/* Builds the public key object from its three strings, and the key id from that. */
DCD_NODISCARD int dcd_signer_set_key(struct dcd_signer *signer, const char *keytype, const char *scheme, const char *public_value,
				     struct dcd_diag *diag);

/* Frees the key object and the signer. Null is allowed. */
void dcd_signer_close(struct dcd_signer *signer);
/* For DCD_CLEANUP(dcd_signer_closep). */
void dcd_signer_closep(struct dcd_signer **signer);

#endif
