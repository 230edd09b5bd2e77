/*
 * One family of signature schemes behind public_key.c: ECDSA, RSA, Ed25519 and LMS are a file each, and another scheme is one more,
 * with a line in public_key.c's table. Internal to manifest/crypto.
 */
#ifndef DCD_MANIFEST_CRYPTO_KEY_SCHEME_H
#define DCD_MANIFEST_CRYPTO_KEY_SCHEME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

struct key_family {
	/* `variant` is the scheme's own number in the table. The key, or null with `*ret_err` DCD_ERR_MALFORMED or
	 * DCD_ERR_NO_MEMORY. */
	void *(*parse)(const char *value, int variant, int *ret_err);
	bool (*verify)(const void *key, int variant, const uint8_t *message, size_t message_len, const uint8_t *signature,
		       size_t signature_len);
	/* Equal for equal keys, whatever text they came from. */
	void (*identity)(const void *key, struct dcd_hash *ret);
	void (*free)(void *key);
};

/* ECDSA over the NIST curves; the message is hashed with the SHA-2 of the curve's strength. */
enum ecdsa_variant {
	ECDSA_P256_SHA256,
	ECDSA_P384_SHA384,
};
extern const struct key_family dcd_ecdsa_family;

/* RSA with moduli of 2,048 to 8,192 bits. PSS takes any length of salt: signers differ in it. */
enum rsa_variant {
	RSA_PSS_SHA256,
	RSA_PSS_SHA384,
	RSA_PSS_SHA512,
	RSA_PKCS1V15_SHA256,
	RSA_PKCS1V15_SHA384,
	RSA_PKCS1V15_SHA512,
};
extern const struct key_family dcd_rsa_family;

/* RFC 8032, over the message itself. */
extern const struct key_family dcd_ed25519_family;

/* RFC 8554: LMS_SHA256_M32_H10 with LMOTS_SHA256_N32_W8, no hierarchy above it. */
extern const struct key_family dcd_lms_family;

#endif
