/* Private keys: host only, never linked into the device. */
#ifndef DCD_MANIFEST_CRYPTO_PRIVATE_KEY_H
#define DCD_MANIFEST_CRYPTO_PRIVATE_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

struct dcd_private_key; /* opaque; wiped when freed */

enum dcd_key_algorithm {
	DCD_KEY_ECDSA_P256,
	DCD_KEY_ECDSA_P384,
	DCD_KEY_ED25519,
	DCD_KEY_RSA_PSS,   /* 3,072 bits when generated */
	DCD_KEY_RSA_PKCS1, /* the same keys, signing with PKCS #1 v1.5 */
	DCD_KEY_LMS,       /* has names here alone: such a key signs through manifest/sign/lms_signer.h, which counts its uses */
	DCD_KEY_ALGORITHMS,
};

/* What an algorithm is called on a command line and in TUF metadata. */
struct dcd_key_names {
	const char *name;    /* "ecdsa-p256" */
	const char *keytype; /* "ecdsa" */
	const char *scheme;  /* "ecdsa-sha2-nistp256" */
};
const struct dcd_key_names *dcd_key_names(enum dcd_key_algorithm algorithm);
/* DCD_ERR_USAGE with the list of names for an unknown one. */
DCD_NODISCARD int dcd_key_algorithm_find(const char *name, enum dcd_key_algorithm *ret, struct dcd_diag *diag);

/* A new ECDSA P-256 key from the operating system's entropy. */
DCD_NODISCARD int dcd_private_key_generate(struct dcd_private_key **ret, struct dcd_diag *diag);
/* DCD_ERR_USAGE for DCD_KEY_LMS. */
DCD_NODISCARD int dcd_private_key_generate_as(enum dcd_key_algorithm algorithm, struct dcd_private_key **ret,
					      struct dcd_diag *diag);
/* From an unencrypted PEM file (PKCS#8, SEC1, PKCS#1). An RSA key signs with PSS unless told otherwise. */
DCD_NODISCARD int dcd_private_key_load(const char *path, struct dcd_private_key **ret, struct dcd_diag *diag);
/* To a new PEM file with mode 0600, durable on return; DCD_ERR_EXISTS when the path is taken. */
DCD_NODISCARD int dcd_private_key_save(const struct dcd_private_key *key, const char *path, struct dcd_diag *diag);
void dcd_private_key_free(struct dcd_private_key *key);

enum dcd_key_algorithm dcd_private_key_algorithm(const struct dcd_private_key *key);
/* An RSA key's file doesn't say which padding it signs with. DCD_ERR_USAGE where the key isn't of that kind. */
DCD_NODISCARD int dcd_private_key_sign_as(struct dcd_private_key *key, enum dcd_key_algorithm algorithm, struct dcd_diag *diag);

/* The public half as TUF carries it: PEM SubjectPublicKeyInfo, for Ed25519 hex. Caller frees. */
DCD_NODISCARD int dcd_private_key_public_pem(const struct dcd_private_key *key, char **ret, struct dcd_diag *diag);

#define DCD_SIGNATURE_MAX 1024

/*
 * Signs a message by the key's scheme: DER ECDSA over SHA-256 or SHA-384 (deterministic, RFC 6979), Ed25519, RSA over SHA-256.
 * `signature` has room for DCD_SIGNATURE_MAX bytes.
 */
DCD_NODISCARD int dcd_private_key_sign(const struct dcd_private_key *key, const uint8_t *message, size_t message_len,
				       uint8_t *signature, size_t *ret_len, struct dcd_diag *diag);

#endif
