/* RSA signatures, PSS and PKCS #1 v1.5 (RFC 8017 §8), keys as PEM. */
#include <string.h>

#include <mbedtls/rsa.h>

#include "manifest/crypto/pk_key.h"

#define MODULUS_MIN 256  /* bytes: 2,048 bits */
#define MODULUS_MAX 1024 /* bytes: what mbedTLS can count with */

struct rsa_scheme {
	mbedtls_pk_type_t padding;
	mbedtls_md_type_t hash;
};

static const struct rsa_scheme rsa_schemes[] = {
	[RSA_PSS_SHA256] = { MBEDTLS_PK_RSASSA_PSS, MBEDTLS_MD_SHA256 },
	[RSA_PSS_SHA384] = { MBEDTLS_PK_RSASSA_PSS, MBEDTLS_MD_SHA384 },
	[RSA_PSS_SHA512] = { MBEDTLS_PK_RSASSA_PSS, MBEDTLS_MD_SHA512 },
	[RSA_PKCS1V15_SHA256] = { MBEDTLS_PK_RSA, MBEDTLS_MD_SHA256 },
	[RSA_PKCS1V15_SHA384] = { MBEDTLS_PK_RSA, MBEDTLS_MD_SHA384 },
	[RSA_PKCS1V15_SHA512] = { MBEDTLS_PK_RSA, MBEDTLS_MD_SHA512 },
};

static size_t rsa_modulus(const mbedtls_pk_context *pk)
{
	return (mbedtls_pk_get_bitlen(pk) + 7) / 8;
}

static void *rsa_parse(const char *value, int variant, int *ret_err)
{
	(void)variant;
	/* mbedTLS wants the NUL counted. */
	mbedtls_pk_context *pk = dcd_pk_parse((const uint8_t *)value, strlen(value) + 1, MBEDTLS_PK_RSA, ret_err);
	if (pk != NULL && (mbedtls_pk_get_bitlen(pk) < 8 * MODULUS_MIN || rsa_modulus(pk) > MODULUS_MAX)) {
		return dcd_pk_refuse(pk, ret_err);
	}
	return pk;
}

static bool rsa_verify(const void *key, int variant, const uint8_t *message, size_t message_len, const uint8_t *signature,
		       size_t signature_len)
{
	const struct rsa_scheme *scheme = &rsa_schemes[variant];
	uint8_t digest[MBEDTLS_MD_MAX_SIZE];
	size_t digest_len = dcd_pk_digest(scheme->hash, message, message_len, digest);
	/* mbedTLS's verification asks for a key it may write to, but only reads it. */
	mbedtls_pk_context *pk = (mbedtls_pk_context *)key;
	/* One spelling: as long as the modulus, and (which mbedTLS checks) a number below it. */
	if (signature_len != rsa_modulus(pk) || digest_len == 0) {
		return false;
	}
	const mbedtls_pk_rsassa_pss_options pss = { .mgf1_hash_id = scheme->hash, .expected_salt_len = MBEDTLS_RSA_SALT_LEN_ANY };
	return mbedtls_pk_verify_ext(scheme->padding, scheme->padding == MBEDTLS_PK_RSASSA_PSS ? &pss : NULL, pk, scheme->hash,
				     digest, digest_len, signature, signature_len) == 0;
}

const struct key_family dcd_rsa_family = {
	.parse = rsa_parse,
	.verify = rsa_verify,
	.identity = dcd_pk_identity,
	.free = dcd_pk_free,
};
