/* The signer that holds a private key in memory. */
#ifndef DCD_MANIFEST_SIGN_KEY_SIGNER_H
#define DCD_MANIFEST_SIGN_KEY_SIGNER_H

#include "manifest/crypto/private_key.h"
#include "manifest/sign/signer.h"

/* Takes over `key` (freed on failure too). `name` is copied. Closed with dcd_signer_close(). */
DCD_NODISCARD int dcd_key_signer_new(struct dcd_private_key *key, const char *name, struct dcd_signer **ret,
				     struct dcd_diag *diag);

/* From a PEM file; the signer's name is its path. */
DCD_NODISCARD int dcd_key_signer_load(const char *path, struct dcd_signer **ret, struct dcd_diag *diag);

/* The same, an RSA key signing with the padding that `algorithm` says. DCD_ERR_USAGE where the key isn't of that kind. */
DCD_NODISCARD int dcd_key_signer_load_as(const char *path, enum dcd_key_algorithm algorithm, struct dcd_signer **ret,
					 struct dcd_diag *diag);

#endif
