/* Private keys: host only, never linked into the device. */
#ifndef DCD_MANIFEST_CRYPTO_PRIVATE_KEY_H
#define DCD_MANIFEST_CRYPTO_PRIVATE_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

struct dcd_private_key; /* opaque; wiped when freed */

/* A new ECDSA P-256 key from the operating system's entropy. */
DCD_NODISCARD int dcd_private_key_generate(struct dcd_private_key **ret, struct dcd_diag *diag);
/* From a PEM file (PKCS#8 or SEC1). */
DCD_NODISCARD int dcd_private_key_load(const char *path, struct dcd_private_key **ret, struct dcd_diag *diag);
/* To a new PEM file with mode 0600, durable on return; DCD_ERR_EXISTS when the path is taken. */
DCD_NODISCARD int dcd_private_key_save(const struct dcd_private_key *key, const char *path, struct dcd_diag *diag);
void dcd_private_key_free(struct dcd_private_key *key);

/* The public half as TUF carries it (keytype "ecdsa", scheme "ecdsa-sha2-nistp256", PEM SubjectPublicKeyInfo). Caller frees. */
DCD_NODISCARD int dcd_private_key_public_pem(const struct dcd_private_key *key, char **ret, struct dcd_diag *diag);

#define DCD_SIGNATURE_MAX 1024

/* Signs a message: DER ECDSA over SHA-256 (deterministic, RFC 6979). `signature` has room for DCD_SIGNATURE_MAX bytes. */
DCD_NODISCARD int dcd_private_key_sign(const struct dcd_private_key *key, const uint8_t *message, size_t message_len,
				       uint8_t *signature, size_t *ret_len, struct dcd_diag *diag);

#endif
