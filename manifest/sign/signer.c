#include "manifest/sign/signer.h"

#include <stdlib.h>

#include "base/hex.h"
#include "manifest/crypto/sha256.h"
#include "manifest/json/canonical.h"

static struct dcd_json *key_object(const char *keytype, const char *scheme, const char *public_value)
{
	struct dcd_json *key = dcd_json_new_object();
	struct dcd_json *keyval = dcd_json_new_object();
	int err = dcd_json_set_string(keyval, "public", public_value);
	err |= dcd_json_set_string(key, "keytype", keytype);
	err |= dcd_json_set_string(key, "scheme", scheme);
	err |= dcd_json_set(key, "keyval", keyval);
	if (err != 0) {
		dcd_json_free(key);
		return NULL;
	}
	return key;
}

int dcd_signer_set_key(struct dcd_signer *signer, const char *keytype, const char *scheme, const char *public_value,
		       struct dcd_diag *diag)
{
	struct dcd_json *key = key_object(keytype, scheme, public_value);
	uint8_t *canonical = NULL;
	size_t len = 0;
	if (key == NULL || dcd_json_canonical_bytes(key, &canonical, &len) != 0) {
		dcd_json_free(key);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for the public key", signer->name);
	}
	struct dcd_hash hash;
	dcd_hash_once(&dcd_sha256, canonical, len, &hash);
	free(canonical);
	dcd_hash_to_hex(&hash, signer->keyid);
	dcd_json_free(signer->key);
	signer->key = key;
	return 0;
}

void dcd_signer_close(struct dcd_signer *signer)
{
	if (signer != NULL) {
		dcd_json_free(signer->key);
		signer->key = NULL;
		signer->ops->close(signer);
	}
}

void dcd_signer_closep(struct dcd_signer **signer)
{
	dcd_signer_close(*signer);
}
