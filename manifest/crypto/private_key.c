#include "manifest/crypto/private_key.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/platform_util.h>

#include "base/cleanup.h"
#include "manifest/crypto/private_file.h"
#include "manifest/crypto/private_half.h"

struct dcd_private_key {
	enum dcd_key_algorithm algorithm;
	const struct private_half *half;
	void *key;
};

static const struct dcd_key_names key_names[DCD_KEY_ALGORITHMS] = {
	[DCD_KEY_ECDSA_P256] = { "ecdsa-p256", "ecdsa", "ecdsa-sha2-nistp256" },
	[DCD_KEY_ECDSA_P384] = { "ecdsa-p384", "ecdsa", "ecdsa-sha2-nistp384" },
	[DCD_KEY_ED25519] = { "ed25519", "ed25519", "ed25519" },
	[DCD_KEY_RSA_PSS] = { "rsa-pss", "rsa", "rsassa-pss-sha256" },
	[DCD_KEY_RSA_PKCS1] = { "rsa-pkcs1v15", "rsa", "rsa-pkcs1v15-sha256" },
	[DCD_KEY_LMS] = { "lms", "lms", "lms-sha256-m32-h10-n32-w8" },
};

const struct dcd_key_names *dcd_key_names(enum dcd_key_algorithm algorithm)
{
	return &key_names[algorithm];
}

int dcd_key_algorithm_find(const char *name, enum dcd_key_algorithm *ret, struct dcd_diag *diag)
{
	for (int i = 0; i < DCD_KEY_ALGORITHMS; i++) {
		if (strcmp(key_names[i].name, name) == 0) {
			*ret = (enum dcd_key_algorithm)i;
			return 0;
		}
	}
	return dcd_diag_set(diag, DCD_ERR_USAGE,
			    "'%.64s' is no algorithm: there are ecdsa-p256, ecdsa-p384, ed25519, rsa-pss, rsa-pkcs1v15 and lms",
			    name);
}

void dcd_private_key_free(struct dcd_private_key *key)
{
	if (key != NULL) {
		key->half->free(key->key);
		free(key);
	}
}

static int key_wrap(const struct private_half *half, void *inner, enum dcd_key_algorithm algorithm, struct dcd_private_key **ret,
		    struct dcd_diag *diag)
{
	struct dcd_private_key *key = malloc(sizeof *key);
	if (key == NULL) {
		half->free(inner);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a private key");
	}
	*key = (struct dcd_private_key){ .algorithm = algorithm, .half = half, .key = inner };
	*ret = key;
	return 0;
}

int dcd_private_key_generate_as(enum dcd_key_algorithm algorithm, struct dcd_private_key **ret, struct dcd_diag *diag)
{
	if (algorithm == DCD_KEY_LMS) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "an LMS key is not one of those that sign without a memory");
	}
	const struct private_half *half = algorithm == DCD_KEY_ED25519 ? &dcd_private_ed25519 : &dcd_private_pk;
	void *inner = half->generate(algorithm);
	if (inner == NULL) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "a key could not be generated: no memory, or no random numbers");
	}
	return key_wrap(half, inner, algorithm, ret, diag);
}

int dcd_private_key_generate(struct dcd_private_key **ret, struct dcd_diag *diag)
{
	return dcd_private_key_generate_as(DCD_KEY_ECDSA_P256, ret, diag);
}

int dcd_private_key_load(const char *path, struct dcd_private_key **ret, struct dcd_diag *diag)
{
	static const struct private_half *const halves[] = { &dcd_private_ed25519, &dcd_private_pk };
	unsigned char pem[PRIVATE_PEM_MAX + 1];
	size_t len = 0;
	int err = private_file_read(path, pem, PRIVATE_PEM_MAX, &len, diag);
	if (err != 0) {
		return err;
	}
	pem[len] = '\0';
	enum dcd_key_algorithm algorithm = DCD_KEY_ECDSA_P256;
	const struct private_half *half = NULL;
	void *inner = NULL;
	for (size_t i = 0; inner == NULL && i < sizeof halves / sizeof halves[0]; i++) {
		half = halves[i];
		inner = half->parse(pem, len, &algorithm);
	}
	mbedtls_platform_zeroize(pem, sizeof pem);
	if (inner == NULL) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED,
				    "%s: not an unencrypted private key in PEM form of a kind that can sign here (ECDSA P-256 or "
				    "P-384, Ed25519, RSA from 2048 bits)",
				    path);
	}
	return key_wrap(half, inner, algorithm, ret, diag);
}

int dcd_private_key_save(const struct dcd_private_key *key, const char *path, struct dcd_diag *diag)
{
	unsigned char pem[PRIVATE_PEM_MAX];
	int err = DCD_ERR_BUG;
	if (key->half->write_pem(key->key, pem, sizeof pem) != 0) {
		err = dcd_diag_set(diag, DCD_ERR_BUG, "%s: the key has no PEM form", path);
	} else {
		err = private_file_create(path, pem, strlen((const char *)pem), diag);
	}
	mbedtls_platform_zeroize(pem, sizeof pem);
	return err;
}

enum dcd_key_algorithm dcd_private_key_algorithm(const struct dcd_private_key *key)
{
	return key->algorithm;
}

int dcd_private_key_sign_as(struct dcd_private_key *key, enum dcd_key_algorithm algorithm, struct dcd_diag *diag)
{
	bool both_rsa = strcmp(key_names[key->algorithm].keytype, "rsa") == 0 && strcmp(key_names[algorithm].keytype, "rsa") == 0;
	if (algorithm != key->algorithm && !both_rsa) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "a key for %s can't sign as %s", key_names[key->algorithm].name,
				    key_names[algorithm].name);
	}
	key->algorithm = algorithm;
	return 0;
}

int dcd_private_key_public_pem(const struct dcd_private_key *key, char **ret, struct dcd_diag *diag)
{
	unsigned char pem[4096];
	if (key->half->write_public(key->key, pem, sizeof pem) != 0) {
		return dcd_diag_set(diag, DCD_ERR_BUG, "the public half of the key has no text form");
	}
	char *text = strdup((const char *)pem);
	if (text == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a public key");
	}
	*ret = text;
	return 0;
}

int dcd_private_key_sign(const struct dcd_private_key *key, const uint8_t *message, size_t message_len, uint8_t *signature,
			 size_t *ret_len, struct dcd_diag *diag)
{
	size_t len = 0;
	int failed = key->half->sign(key->key, key->algorithm, message, message_len, signature, &len);
	if (failed != 0) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "signing failed (-0x%04x)", (unsigned)-failed);
	}
	*ret_len = len;
	return 0;
}
