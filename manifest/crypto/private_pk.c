/* ECDSA and RSA keys: mbedTLS. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/rsa.h>
#include <mbedtls/version.h>

#include "manifest/crypto/private_half.h"

#define RSA_BITS 3072 /* good beyond 2030 by NIST SP 800-57 */
#define RSA_BITS_MIN 2048

struct private_pk {
	mbedtls_pk_context pk;
	/* Makes keys, salts PSS and blinds signatures; what an ECDSA signature says doesn't depend on it (RFC 6979). */
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context drbg;
};

static void pk_free(void *key)
{
	struct private_pk *self = key;
	mbedtls_pk_free(&self->pk);
	mbedtls_ctr_drbg_free(&self->drbg);
	mbedtls_entropy_free(&self->entropy);
	mbedtls_platform_zeroize(self, sizeof *self);
	free(self);
}

static struct private_pk *pk_new(void)
{
	struct private_pk *self = malloc(sizeof *self);
	if (self == NULL) {
		return NULL;
	}
	mbedtls_pk_init(&self->pk);
	mbedtls_entropy_init(&self->entropy);
	mbedtls_ctr_drbg_init(&self->drbg);
	static const unsigned char purpose[] = "decade private key";
	if (mbedtls_ctr_drbg_seed(&self->drbg, mbedtls_entropy_func, &self->entropy, purpose, sizeof purpose - 1) != 0) {
		pk_free(self);
		return NULL;
	}
	return self;
}

static bool generate_ecdsa(struct private_pk *self, mbedtls_ecp_group_id group)
{
	return mbedtls_pk_setup(&self->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) == 0 &&
	       mbedtls_ecp_gen_key(group, mbedtls_pk_ec(self->pk), mbedtls_ctr_drbg_random, &self->drbg) == 0;
}

static bool generate_rsa(struct private_pk *self)
{
	return mbedtls_pk_setup(&self->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)) == 0 &&
	       mbedtls_rsa_gen_key(mbedtls_pk_rsa(self->pk), mbedtls_ctr_drbg_random, &self->drbg, RSA_BITS, 65537) == 0;
}

static void *pk_generate(enum dcd_key_algorithm algorithm)
{
	struct private_pk *self = pk_new();
	bool ok = self != NULL;
	if (ok && (algorithm == DCD_KEY_RSA_PSS || algorithm == DCD_KEY_RSA_PKCS1)) {
		ok = generate_rsa(self);
	} else if (ok) {
		ok = generate_ecdsa(self, algorithm == DCD_KEY_ECDSA_P384 ? MBEDTLS_ECP_DP_SECP384R1 : MBEDTLS_ECP_DP_SECP256R1);
	}
	if (!ok && self != NULL) {
		pk_free(self);
	}
	return ok ? self : NULL;
}

static int parse_pem(struct private_pk *self, const unsigned char *pem, size_t size)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	return mbedtls_pk_parse_key(&self->pk, pem, size, NULL, 0);
#else
	return mbedtls_pk_parse_key(&self->pk, pem, size, NULL, 0, mbedtls_ctr_drbg_random, &self->drbg);
#endif
}

static mbedtls_ecp_group_id pk_group(const struct private_pk *self)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	return mbedtls_pk_ec(self->pk)->grp.id;
#else
	return mbedtls_pk_ec(self->pk)->MBEDTLS_PRIVATE(grp).id;
#endif
}

static bool find_algorithm(const struct private_pk *self, enum dcd_key_algorithm *ret)
{
	if (mbedtls_pk_get_type(&self->pk) == MBEDTLS_PK_RSA) {
		*ret = DCD_KEY_RSA_PSS;
		return mbedtls_pk_get_bitlen(&self->pk) >= RSA_BITS_MIN;
	}
	if (mbedtls_pk_get_type(&self->pk) != MBEDTLS_PK_ECKEY) {
		return false;
	}
	mbedtls_ecp_group_id group = pk_group(self);
	*ret = group == MBEDTLS_ECP_DP_SECP384R1 ? DCD_KEY_ECDSA_P384 : DCD_KEY_ECDSA_P256;
	return group == MBEDTLS_ECP_DP_SECP256R1 || group == MBEDTLS_ECP_DP_SECP384R1;
}

static void *pk_parse(const unsigned char *pem, size_t len, enum dcd_key_algorithm *ret_algorithm)
{
	struct private_pk *self = pk_new();
	if (self != NULL && (parse_pem(self, pem, len + 1) != 0 || !find_algorithm(self, ret_algorithm))) {
		pk_free(self);
		return NULL;
	}
	return self;
}

/* mbedTLS takes a context it may write to for what only reads it, and draws blinding from the generator: no caller sees either.
 */
static struct private_pk *pk_writable(const void *key)
{
	return (struct private_pk *)key;
}

static int pk_write_pem(const void *key, unsigned char *pem, size_t size)
{
	return mbedtls_pk_write_key_pem(&pk_writable(key)->pk, pem, size);
}

static int pk_write_public(const void *key, unsigned char *text, size_t size)
{
	return mbedtls_pk_write_pubkey_pem(&pk_writable(key)->pk, text, size);
}

#if MBEDTLS_VERSION_NUMBER < 0x03000000
_Static_assert(MBEDTLS_PK_SIGNATURE_MAX_SIZE <= DCD_SIGNATURE_MAX, "mbedTLS 2 isn't told how much room there is");
#endif

static int sign_plain(struct private_pk *self, mbedtls_md_type_t hash, const unsigned char *digest, size_t digest_len,
		      uint8_t *signature, size_t *ret_len)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	return mbedtls_pk_sign(&self->pk, hash, digest, digest_len, signature, ret_len, mbedtls_ctr_drbg_random, &self->drbg);
#else
	return mbedtls_pk_sign(&self->pk, hash, digest, digest_len, signature, DCD_SIGNATURE_MAX, ret_len,
			       mbedtls_ctr_drbg_random, &self->drbg);
#endif
}

/* PSS with a salt as long as the hash, which is what others write and the strictest of them demand. */
static int sign_pss(struct private_pk *self, mbedtls_md_type_t hash, const unsigned char *digest, size_t digest_len,
		    uint8_t *signature, size_t *ret_len)
{
	mbedtls_rsa_context *rsa = mbedtls_pk_rsa(self->pk);
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	mbedtls_rsa_set_padding(rsa, MBEDTLS_RSA_PKCS_V21, (int)hash);
	int failed = mbedtls_rsa_rsassa_pss_sign_ext(rsa, mbedtls_ctr_drbg_random, &self->drbg, hash, (unsigned)digest_len,
						     digest, (int)digest_len, signature);
	mbedtls_rsa_set_padding(rsa, MBEDTLS_RSA_PKCS_V15, MBEDTLS_MD_NONE);
#else
	(void)mbedtls_rsa_set_padding(rsa, MBEDTLS_RSA_PKCS_V21, hash);
	int failed = mbedtls_rsa_rsassa_pss_sign_ext(rsa, mbedtls_ctr_drbg_random, &self->drbg, hash, (unsigned)digest_len,
						     digest, (int)digest_len, signature);
	(void)mbedtls_rsa_set_padding(rsa, MBEDTLS_RSA_PKCS_V15, MBEDTLS_MD_NONE);
#endif
	*ret_len = mbedtls_rsa_get_len(rsa);
	return failed;
}

static int pk_sign(const void *key, enum dcd_key_algorithm algorithm, const uint8_t *message, size_t message_len,
		   uint8_t *signature, size_t *ret_len)
{
	struct private_pk *self = pk_writable(key);
	mbedtls_md_type_t hash = algorithm == DCD_KEY_ECDSA_P384 ? MBEDTLS_MD_SHA384 : MBEDTLS_MD_SHA256;
	const mbedtls_md_info_t *info = mbedtls_md_info_from_type(hash);
	unsigned char digest[MBEDTLS_MD_MAX_SIZE];
	if (info == NULL || mbedtls_pk_get_len(&self->pk) > DCD_SIGNATURE_MAX) {
		return MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE;
	}
	int failed = mbedtls_md(info, message, message_len, digest);
	if (failed != 0) {
		return failed;
	}
	return (algorithm == DCD_KEY_RSA_PSS ? sign_pss : sign_plain)(self, hash, digest, mbedtls_md_get_size(info), signature,
								      ret_len);
}

const struct private_half dcd_private_pk = {
	.generate = pk_generate,
	.parse = pk_parse,
	.write_pem = pk_write_pem,
	.write_public = pk_write_public,
	.sign = pk_sign,
	.free = pk_free,
};
