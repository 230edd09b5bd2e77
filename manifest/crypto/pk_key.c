#include "manifest/crypto/pk_key.h"

#include <stdlib.h>

#include "manifest/crypto/sha256.h"

#define SPKI_DER_MAX 2304 /* the largest: an RSA modulus of 8,192 bits and an exponent as long, and what is around them */

mbedtls_pk_context *dcd_pk_parse(const uint8_t *data, size_t len, mbedtls_pk_type_t type, int *ret_err)
{
	mbedtls_pk_context *pk = malloc(sizeof *pk);
	if (pk == NULL) {
		*ret_err = DCD_ERR_NO_MEMORY;
		return NULL;
	}
	mbedtls_pk_init(pk);
	if (mbedtls_pk_parse_public_key(pk, data, len) != 0 || mbedtls_pk_get_type(pk) != type) {
		return dcd_pk_refuse(pk, ret_err);
	}
	return pk;
}

void *dcd_pk_refuse(mbedtls_pk_context *pk, int *ret_err)
{
	dcd_pk_free(pk);
	*ret_err = DCD_ERR_MALFORMED;
	return NULL;
}

size_t dcd_pk_digest(mbedtls_md_type_t hash, const uint8_t *message, size_t len, uint8_t digest[MBEDTLS_MD_MAX_SIZE])
{
	const mbedtls_md_info_t *info = mbedtls_md_info_from_type(hash);
	return info != NULL && mbedtls_md(info, message, len, digest) == 0 ? mbedtls_md_get_size(info) : 0;
}

void dcd_pk_identity(const void *key, struct dcd_hash *ret)
{
	/* Written from the end of the buffer. A parsed key always has this form and fits. */
	unsigned char der[SPKI_DER_MAX];
	int len = mbedtls_pk_write_pubkey_der((mbedtls_pk_context *)key, der, sizeof der);
	size_t used = len > 0 ? (size_t)len : 0;
	dcd_hash_once(&dcd_sha256, der + sizeof der - used, used, ret);
}

void dcd_pk_free(void *key)
{
	mbedtls_pk_free(key);
	free(key);
}
