/*
 * LMS public keys (RFC 8554) of the one set that metadata may use, as the RFC's 56 bytes in hex. mbedTLS verifies where it has
 * LMS (from 3.5 on, unless it was built without); elsewhere lms.c does, which the signing host needs in any case. Both are held
 * to the same answers by tests/unit/test_lms.c.
 */
#include <stdlib.h>
#include <string.h>

#include <mbedtls/version.h>

#if MBEDTLS_VERSION_NUMBER >= 0x03050000 && defined(MBEDTLS_LMS_C)
#define LMS_BY_MBEDTLS 1
#include <mbedtls/lms.h>
#include <psa/crypto.h>
#else
#define LMS_BY_MBEDTLS 0
#endif

#include "base/hex.h"
#include "manifest/crypto/key_scheme.h"
#include "manifest/crypto/lms.h"
#include "manifest/crypto/sha256.h"

static void *lms_parse(const char *value, int variant, int *ret_err)
{
	(void)variant;
	static const uint8_t types[] = { 0, 0, 0, 6, 0, 0, 0, 4 };
	uint8_t *key = malloc(DCD_LMS_PUBLIC_SIZE);
	if (key == NULL) {
		*ret_err = DCD_ERR_NO_MEMORY;
		return NULL;
	}
	if (strlen(value) != 2 * DCD_LMS_PUBLIC_SIZE || !dcd_hex_decode(value, 2 * DCD_LMS_PUBLIC_SIZE, key) ||
	    memcmp(key, types, sizeof types) != 0) {
		free(key);
		*ret_err = DCD_ERR_MALFORMED;
		return NULL;
	}
	return key;
}

#if LMS_BY_MBEDTLS
/* Lengths and types are looked at before: some versions of the library read a type before they know that it is there. */
static bool verify_by_library(const uint8_t *key, const uint8_t *message, size_t message_len, const uint8_t *signature,
			      size_t signature_len)
{
	mbedtls_lms_public_t lms;
	mbedtls_lms_public_init(&lms);
	bool good = psa_crypto_init() == PSA_SUCCESS && mbedtls_lms_import_public_key(&lms, key, DCD_LMS_PUBLIC_SIZE) == 0 &&
		    mbedtls_lms_verify(&lms, message, message_len, signature, signature_len) == 0;
	mbedtls_lms_public_free(&lms);
	return good;
}
#endif

static bool lms_verify(const void *key, int variant, const uint8_t *message, size_t message_len, const uint8_t *signature,
		       size_t signature_len)
{
	(void)variant;
	if (signature_len != DCD_LMS_SIGNATURE_SIZE) {
		return false;
	}
#if LMS_BY_MBEDTLS
	return verify_by_library(key, message, message_len, signature, signature_len);
#else
	return dcd_lms_verify(&dcd_lms_h10_w8, key, message, message_len, signature, signature_len);
#endif
}

static void lms_identity(const void *key, struct dcd_hash *ret)
{
	dcd_hash_once(&dcd_sha256, key, DCD_LMS_PUBLIC_SIZE, ret);
}

static void lms_free(void *key)
{
	free(key);
}

const struct key_family dcd_lms_family = {
	.parse = lms_parse,
	.verify = lms_verify,
	.identity = lms_identity,
	.free = lms_free,
};
