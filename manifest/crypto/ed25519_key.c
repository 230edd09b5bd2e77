/* Ed25519 (RFC 8032), which mbedTLS doesn't have: libsodium. Keys as 32 bytes in hex, signatures as 64 bytes. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/hex.h"
#include "manifest/crypto/key_scheme.h"
#include "manifest/crypto/sha256.h"

static void *ed25519_parse(const char *value, int variant, int *ret_err)
{
	(void)variant;
	uint8_t *key = malloc(crypto_sign_ed25519_PUBLICKEYBYTES);
	if (key == NULL) {
		*ret_err = DCD_ERR_NO_MEMORY;
		return NULL;
	}
	if (strlen(value) != 2 * crypto_sign_ed25519_PUBLICKEYBYTES ||
	    !dcd_hex_decode(value, 2 * crypto_sign_ed25519_PUBLICKEYBYTES, key)) {
		free(key);
		*ret_err = DCD_ERR_MALFORMED;
		return NULL;
	}
	return key;
}

static bool ed25519_verify(const void *key, int variant, const uint8_t *message, size_t message_len, const uint8_t *signature,
			   size_t signature_len)
{
	(void)variant;
	/* libsodium refuses keys of small order and the other spellings of a signature (RFC 8032 §5.1.7). */
	return signature_len == crypto_sign_ed25519_BYTES &&
	       crypto_sign_ed25519_verify_detached(signature, message, message_len, key) == 0;
}

static void ed25519_identity(const void *key, struct dcd_hash *ret)
{
	/* 32 bytes are no SubjectPublicKeyInfo, so this can't be another kind's identity. */
	dcd_hash_once(&dcd_sha256, key, crypto_sign_ed25519_PUBLICKEYBYTES, ret);
}

const struct key_family dcd_ed25519_family = {
	.parse = ed25519_parse,
	.verify = ed25519_verify,
	.identity = ed25519_identity,
	.free = free,
};
