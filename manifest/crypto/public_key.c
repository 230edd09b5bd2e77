#include "manifest/crypto/public_key.h"

#include <stdlib.h>
#include <string.h>

#include "manifest/crypto/key_scheme.h"

#define KEY_VALUE_MAX (16U << 10) /* bytes of text; the largest RSA key that anyone uses takes 3 KiB */

struct key_scheme {
	const char *keytype;
	const char *scheme;
	const struct key_family *family;
	int variant;
};

/* TUF 1.0.34 §4.2 names "ecdsa"; securesystemslib up to 0.26 and sigstore write the scheme's name for the key type as well. */
static const struct key_scheme key_schemes[] = {
	{ "ecdsa", "ecdsa-sha2-nistp256", &dcd_ecdsa_family, ECDSA_P256_SHA256 },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", &dcd_ecdsa_family, ECDSA_P256_SHA256 },
	{ "ecdsa", "ecdsa-sha2-nistp384", &dcd_ecdsa_family, ECDSA_P384_SHA384 },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", &dcd_ecdsa_family, ECDSA_P384_SHA384 },
	{ "ed25519", "ed25519", &dcd_ed25519_family, 0 },
	/* Ours: nobody has named LMS in TUF yet. */
	{ "lms", "lms-sha256-m32-h10-n32-w8", &dcd_lms_family, 0 },
	{ "rsa", "rsassa-pss-sha256", &dcd_rsa_family, RSA_PSS_SHA256 },
	{ "rsa", "rsassa-pss-sha384", &dcd_rsa_family, RSA_PSS_SHA384 },
	{ "rsa", "rsassa-pss-sha512", &dcd_rsa_family, RSA_PSS_SHA512 },
	{ "rsa", "rsa-pkcs1v15-sha256", &dcd_rsa_family, RSA_PKCS1V15_SHA256 },
	{ "rsa", "rsa-pkcs1v15-sha384", &dcd_rsa_family, RSA_PKCS1V15_SHA384 },
	{ "rsa", "rsa-pkcs1v15-sha512", &dcd_rsa_family, RSA_PKCS1V15_SHA512 },
};

struct dcd_public_key {
	const struct key_scheme *scheme;
	void *key;
};

static const struct key_scheme *scheme_find(const char *keytype, const char *scheme)
{
	for (size_t i = 0; i < sizeof key_schemes / sizeof key_schemes[0]; i++) {
		if (strcmp(key_schemes[i].keytype, keytype) == 0 && strcmp(key_schemes[i].scheme, scheme) == 0) {
			return &key_schemes[i];
		}
	}
	return NULL;
}

int dcd_public_key_parse(const char *keytype, const char *scheme, const char *value, struct dcd_public_key **ret,
			 struct dcd_diag *diag)
{
	const struct key_scheme *found = scheme_find(keytype, scheme);
	if (found == NULL) {
		return dcd_diag_set(diag, DCD_ERR_UNSUPPORTED,
				    "key type '%.64s' with scheme '%.64s' is not known to this version", keytype, scheme);
	}
	if (strnlen(value, KEY_VALUE_MAX + 1) > KEY_VALUE_MAX) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "the value of a %s key is longer than %u bytes", scheme,
				    KEY_VALUE_MAX);
	}
	struct dcd_public_key *key = malloc(sizeof *key);
	if (key == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a public key");
	}
	int err = DCD_ERR_BUG;
	key->scheme = found;
	key->key = found->family->parse(value, found->variant, &err);
	if (key->key == NULL) {
		free(key);
		return dcd_diag_set(diag, err, "the value of a %s key is not a public key of that kind", scheme);
	}
	*ret = key;
	return 0;
}

void dcd_public_key_free(struct dcd_public_key *key)
{
	if (key != NULL) {
		key->scheme->family->free(key->key);
		free(key);
	}
}

bool dcd_public_key_verify(const struct dcd_public_key *key, const uint8_t *message, size_t message_len, const uint8_t *signature,
			   size_t signature_len)
{
	return key->scheme->family->verify(key->key, key->scheme->variant, message, message_len, signature, signature_len);
}

void dcd_public_key_identity(const struct dcd_public_key *key, struct dcd_hash *ret)
{
	key->scheme->family->identity(key->key, ret);
}
