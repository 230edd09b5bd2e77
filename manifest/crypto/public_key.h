/*
 * Public keys and signatures as TUF metadata carries them. The only code that knows mbedTLS is in this folder.
 *
 * Signatures are over a message; the scheme says which hash comes first (SHA-256 with P-256, …).
 */
#ifndef DCD_MANIFEST_CRYPTO_PUBLIC_KEY_H
#define DCD_MANIFEST_CRYPTO_PUBLIC_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/hash.h"

struct dcd_public_key; /* opaque */

/*
 * A key from the three strings of a TUF key object ("ecdsa", "ecdsa-sha2-nistp256", PEM). The value is PEM SubjectPublicKeyInfo,
 * for Ed25519 32 bytes in hex, for LMS the 56 bytes of RFC 8554 §5.3 in hex; for ECDSA also the uncompressed point in hex, as
 * go-tuf once wrote it. A type or scheme that this build doesn't know is DCD_ERR_UNSUPPORTED (TUF: the key is then ignored, the
 * role isn't failed for it); a known one whose value doesn't parse is DCD_ERR_MALFORMED. Freed with dcd_public_key_free().
 */
DCD_NODISCARD int dcd_public_key_parse(const char *keytype, const char *scheme, const char *value, struct dcd_public_key **ret,
				       struct dcd_diag *diag);
void dcd_public_key_free(struct dcd_public_key *key);

/* True when `signature` is this key's over `message`. Anything wrong with either is false. */
bool dcd_public_key_verify(const struct dcd_public_key *key, const uint8_t *message, size_t message_len, const uint8_t *signature,
			   size_t signature_len);

/*
 * SHA-256 over the key's own DER form: equal for the same key whatever its key id or text form, so that it counts once
 * towards a threshold.
 */
void dcd_public_key_identity(const struct dcd_public_key *key, struct dcd_hash *ret);

#endif
