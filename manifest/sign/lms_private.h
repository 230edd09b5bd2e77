/*
 * The private half of an LMS key (RFC 8554): what a tree is made of, and its signatures. Nothing here knows which leaves have
 * been used. A leaf that signs two messages gives the key away, so only lms_signer.c, which reserves a leaf first, may sign for
 * others.
 */
#ifndef DCD_MANIFEST_SIGN_LMS_PRIVATE_H
#define DCD_MANIFEST_SIGN_LMS_PRIVATE_H

#include "base/diag.h"
#include "manifest/crypto/lms.h"

#define DCD_LMS_SEED_SIZE 32

struct dcd_lms_private; /* opaque; wiped when freed */

/* A new key of the set that metadata may use, from the operating system's entropy. Takes seconds: it makes every leaf. */
DCD_NODISCARD int dcd_lms_private_generate(struct dcd_lms_private **ret, struct dcd_diag *diag);

/*
 * A key of any set from its identifier (DCD_LMS_ID_SIZE bytes) and seed (RFC 8554 Appendix A). `leaves`: those of the tree, as
 * dcd_lms_private_encode() kept them, or null to make them.
 */
DCD_NODISCARD int dcd_lms_private_new(const struct dcd_lms_set *set, const uint8_t *id, const uint8_t seed[DCD_LMS_SEED_SIZE],
				      const struct dcd_hash *leaves, struct dcd_lms_private **ret, struct dcd_diag *diag);
void dcd_lms_private_free(struct dcd_lms_private *key);

/* How many signatures the key has in all: leaves are numbered from 0. */
uint32_t dcd_lms_private_leaves(const struct dcd_lms_private *key);
void dcd_lms_private_public(const struct dcd_lms_private *key, uint8_t ret[DCD_LMS_PUBLIC_SIZE]);

/*
 * Signs with leaf `q`; `ret` has room for dcd_lms_signature_size(). `c` is the randomizer; null: made from the seed, so that the
 * same leaf over the same message gives the same bytes. The result has been verified: a fault gives DCD_ERR_HOST.
 */
DCD_NODISCARD int dcd_lms_private_sign(const struct dcd_lms_private *key, uint32_t q, const uint8_t *c, const uint8_t *message,
				       size_t message_len, uint8_t *ret, struct dcd_diag *diag);

/*
 * The key as a file of DCD_LMS_KEY_FILE_SIZE bytes, with its leaves, so that opening it takes no seconds; and back. A key of the
 * set that metadata may use alone. DCD_ERR_MALFORMED for bytes that are none, or whose leaves aren't the public key's.
 */
#define DCD_LMS_KEY_FILE_SIZE (16U + DCD_LMS_PUBLIC_SIZE + DCD_LMS_SEED_SIZE + 1024U * DCD_HASH_SIZE + DCD_HASH_SIZE)
void dcd_lms_private_encode(const struct dcd_lms_private *key, uint8_t ret[DCD_LMS_KEY_FILE_SIZE]);
DCD_NODISCARD int dcd_lms_private_decode(const uint8_t *data, size_t len, const char *what, struct dcd_lms_private **ret,
					 struct dcd_diag *diag);

/* To a new file with mode 0600, durable on return; DCD_ERR_EXISTS when the path is taken. */
DCD_NODISCARD int dcd_lms_private_save(const struct dcd_lms_private *key, const char *path, struct dcd_diag *diag);

#endif
