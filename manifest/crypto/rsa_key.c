/* RSA signatures, PSS and PKCS #1 v1.5 (RFC 8017 §8), keys as PEM. */
#include <stdlib.h>
#include <string.h>

#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>

#include "manifest/crypto/key_scheme.h"
#include "manifest/crypto/sha256.h"

#define MODULUS_MIN 256   /* bytes: 2,048 bits */
#define MODULUS_MAX 1024  /* bytes: what mbedTLS can count with */
#define SPKI_DER_MAX 2304 /* modulus and an exponent as long, and what is around them */

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

static void rsa_free(void *key)
{
	mbedtls_pk_free(key);
	free(key);
}

static size_t rsa_modulus(const mbedtls_pk_context *pk)
{
	return (mbedtls_pk_get_bitlen(pk) + 7) / 8;
}

static void *rsa_parse(const char *value, int variant, int *ret_err)
{
	(void)variant;
	mbedtls_pk_context *pk = malloc(sizeof *pk);
	if (pk == NULL) {
		*ret_err = DCD_ERR_NO_MEMORY;
		return NULL;
	}
	mbedtls_pk_init(pk);
	/* mbedTLS wants the NUL counted. */
	if (mbedtls_pk_parse_public_key(pk, (const unsigned char *)value, strlen(value) + 1) != 0 ||
	    mbedtls_pk_get_type(pk) != MBEDTLS_PK_RSA || mbedtls_pk_get_bitlen(pk) < 8 * MODULUS_MIN ||
	    rsa_modulus(pk) > MODULUS_MAX) {
		rsa_free(pk);
		*ret_err = DCD_ERR_MALFORMED;
		return NULL;
	}
	return pk;
}

static bool rsa_verify(const void *key, int variant, const uint8_t *message, size_t message_len, const uint8_t *signature,
		       size_t signature_len)
{
	const struct rsa_scheme *scheme = &rsa_schemes[variant];
	const mbedtls_md_info_t *info = mbedtls_md_info_from_type(scheme->hash);
	unsigned char digest[MBEDTLS_MD_MAX_SIZE];
	/* mbedTLS's verification asks for a key it may write to, but only reads it. */
	mbedtls_pk_context *pk = (mbedtls_pk_context *)key;
	/* One spelling: as long as the modulus, and (which mbedTLS checks) a number below it. */
	if (signature_len != rsa_modulus(pk) || info == NULL || mbedtls_md(info, message, message_len, digest) != 0) {
		return false;
	}
	const mbedtls_pk_rsassa_pss_options pss = { .mgf1_hash_id = scheme->hash, .expected_salt_len = MBEDTLS_RSA_SALT_LEN_ANY };
	return mbedtls_pk_verify_ext(scheme->padding, scheme->padding == MBEDTLS_PK_RSASSA_PSS ? &pss : NULL, pk, scheme->hash,
				     digest, mbedtls_md_get_size(info), signature, signature_len) == 0;
}

static void rsa_identity(const void *key, struct dcd_hash *ret)
{
	/* Written from the end of the buffer. A parsed key always has this form and fits. */
	unsigned char der[SPKI_DER_MAX];
	int len = mbedtls_pk_write_pubkey_der((mbedtls_pk_context *)key, der, sizeof der);
	size_t used = len > 0 ? (size_t)len : 0;
	dcd_hash_once(&dcd_sha256, der + sizeof der - used, used, ret);
}

const struct key_family dcd_rsa_family = {
	.parse = rsa_parse,
	.verify = rsa_verify,
	.identity = rsa_identity,
	.free = rsa_free,
};
