#include "manifest/sign/key_signer.h"

#include <stdlib.h>
#include <string.h>

struct key_signer {
	struct dcd_signer base;
	struct dcd_private_key *key;
	char *name;
};

static int key_signer_sign(struct dcd_signer *signer, const uint8_t *message, size_t message_len, uint8_t *signature,
			   size_t capacity, size_t *ret_len, struct dcd_diag *diag)
{
	struct key_signer *self = (struct key_signer *)signer;
	if (capacity < DCD_SIGNATURE_MAX) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: no room for a signature", signer->name);
	}
	return dcd_private_key_sign(self->key, message, message_len, signature, ret_len, diag);
}

static void key_signer_close(struct dcd_signer *signer)
{
	struct key_signer *self = (struct key_signer *)signer;
	dcd_private_key_free(self->key);
	free(self->name);
	free(self);
}

static const struct dcd_signer_ops key_signer_ops = { .sign = key_signer_sign, .close = key_signer_close };

int dcd_key_signer_new(struct dcd_private_key *key, const char *name, struct dcd_signer **ret, struct dcd_diag *diag)
{
	struct key_signer *self = calloc(1, sizeof *self);
	char *copy = strdup(name);
	if (self == NULL || copy == NULL) {
		free(self);
		free(copy);
		dcd_private_key_free(key);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for the key", name);
	}
	*self = (struct key_signer){ .base = { .ops = &key_signer_ops, .name = copy }, .key = key, .name = copy };
	char *pem = NULL;
	int err = dcd_private_key_public_pem(key, &pem, diag);
	if (err == 0) {
		const struct dcd_key_names *names = dcd_key_names(dcd_private_key_algorithm(key));
		err = dcd_signer_set_key(&self->base, names->keytype, names->scheme, pem, diag);
	}
	free(pem);
	if (err != 0) {
		dcd_signer_close(&self->base);
		return err;
	}
	*ret = &self->base;
	return 0;
}

int dcd_key_signer_load(const char *path, struct dcd_signer **ret, struct dcd_diag *diag)
{
	struct dcd_private_key *key = NULL;
	int err = dcd_private_key_load(path, &key, diag);
	if (err != 0) {
		return err;
	}
	return dcd_key_signer_new(key, path, ret, diag);
}

int dcd_key_signer_load_as(const char *path, enum dcd_key_algorithm algorithm, struct dcd_signer **ret, struct dcd_diag *diag)
{
	struct dcd_private_key *key = NULL;
	int err = dcd_private_key_load(path, &key, diag);
	if (err == 0) {
		err = dcd_private_key_sign_as(key, algorithm, diag);
	}
	if (err != 0) {
		dcd_private_key_free(key);
		return err;
	}
	return dcd_key_signer_new(key, path, ret, diag);
}
