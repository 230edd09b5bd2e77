/* What the families of mbedTLS's pk module (ECDSA, RSA) share. Internal to manifest/crypto. */
#ifndef DCD_MANIFEST_CRYPTO_PK_KEY_H
#define DCD_MANIFEST_CRYPTO_PK_KEY_H

#include <mbedtls/md.h>
#include <mbedtls/pk.h>

#include "manifest/crypto/key_scheme.h"

/* A public key of that type from DER, or from PEM with its NUL counted; or null and *ret_err, as key_family.parse. */
mbedtls_pk_context *dcd_pk_parse(const uint8_t *data, size_t len, mbedtls_pk_type_t type, int *ret_err);
/* Frees a parsed key that the family can't use: null, and *ret_err is DCD_ERR_MALFORMED. */
void *dcd_pk_refuse(mbedtls_pk_context *pk, int *ret_err);
/* What is signed in place of the message; its length, or 0 when mbedTLS can't. */
size_t dcd_pk_digest(mbedtls_md_type_t hash, const uint8_t *message, size_t len, uint8_t digest[MBEDTLS_MD_MAX_SIZE]);

/* key_family.identity and .free. */
void dcd_pk_identity(const void *key, struct dcd_hash *ret);
void dcd_pk_free(void *key);

#endif
