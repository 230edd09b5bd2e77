#include "manifest/tuf/tuf_role.h"

#include <string.h>

#include "base/hex.h"
#include "manifest/crypto/sha256.h"
#include "manifest/json/canonical.h"

#define KEYTYPE_MAX 64

void tuf_role_clear(struct tuf_role *role)
{
	for (size_t i = 0; i < role->key_count; i++) {
		dcd_public_key_free(role->keys[i].key);
	}
	free(role->keys);
	*role = (struct tuf_role){ 0 };
}

/* Leaves `key->key` null where the key can't be used; that is an error only for memory and for what is no key object at all. */
static int read_key(const struct dcd_json *object, const char *what, struct tuf_role_key *key, struct dcd_diag *diag)
{
	dcd_hash_once(&dcd_sha256, key->keyid, strlen(key->keyid), &key->identity);
	if (object == NULL) {
		return 0;
	}
	const char *keytype = NULL;
	const char *scheme = NULL;
	const struct dcd_json *keyval = NULL;
	int err = dcd_json_get_string(object, "keytype", what, KEYTYPE_MAX, &keytype, diag);
	if (err == 0) {
		err = dcd_json_get_string(object, "scheme", what, KEYTYPE_MAX, &scheme, diag);
	}
	if (err == 0) {
		err = dcd_json_get_object(object, "keyval", what, &keyval, diag);
	}
	if (err != 0) {
		return err;
	}
	const char *value = dcd_json_string(dcd_json_member(keyval, "public"));
	if (value == NULL) {
		return 0;
	}
	err = dcd_public_key_parse(keytype, scheme, value, &key->key, NULL);
	if (err == 0) {
		dcd_public_key_identity(key->key, &key->identity);
	}
	return err == DCD_ERR_NO_MEMORY ? dcd_diag_set(diag, err, "%s: no memory for a key", what) : 0;
}

static int read_keyid(const struct tuf_role *role, const struct dcd_json *node, const char *name, const char *what,
		      const char **ret, struct dcd_diag *diag)
{
	const char *keyid = dcd_json_string(node);
	if (keyid == NULL) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: a key id of role %s is not a string", what, name);
	}
	for (size_t i = 0; i < role->key_count; i++) {
		if (strcmp(role->keys[i].keyid, keyid) == 0) {
			return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: role %s lists key %.16s… twice", what, name, keyid);
		}
	}
	*ret = keyid;
	return 0;
}

static int read_keys(struct tuf_role *role, const struct dcd_json *keys, const struct dcd_json *keyids, const char *name,
		     const char *what, struct dcd_diag *diag)
{
	size_t count = dcd_json_count(keyids);
	if (count > TUF_ROLE_KEYS_MAX) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: role %s has more than %u keys", what, name, TUF_ROLE_KEYS_MAX);
	}
	role->keys = calloc(count > 0 ? count : 1, sizeof role->keys[0]);
	if (role->keys == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for its keys", what);
	}
	for (size_t i = 0; i < count; i++) {
		struct tuf_role_key *key = &role->keys[role->key_count];
		int err = read_keyid(role, dcd_json_item(keyids, i), name, what, &key->keyid, diag);
		if (err == 0) {
			err = read_key(dcd_json_member(keys, key->keyid), what, key, diag);
		}
		if (err != 0) {
			return err;
		}
		role->key_count++;
	}
	return 0;
}

int tuf_role_read(const struct dcd_json *keys, const struct dcd_json *role, const char *name, const char *what,
		  struct tuf_role *ret, struct dcd_diag *diag)
{
	const struct dcd_json *keyids = NULL;
	struct tuf_role read = { 0 };
	int err = dcd_json_get_u64(role, "threshold", what, 1, INT64_MAX, &read.threshold, diag);
	if (err == 0) {
		err = dcd_json_get_array(role, "keyids", what, &keyids, diag);
	}
	if (err == 0) {
		err = read_keys(&read, keys, keyids, name, what, diag);
	}
	if (err != 0) {
		tuf_role_clear(&read);
		return err;
	}
	*ret = read;
	return 0;
}

static const char *signature_by(const struct tuf_metadata *metadata, const char *keyid)
{
	for (size_t i = 0; i < dcd_json_count(metadata->signatures); i++) {
		const struct dcd_json *one = dcd_json_item(metadata->signatures, i);
		if (strcmp(dcd_json_string(dcd_json_member(one, "keyid")), keyid) == 0) {
			return dcd_json_string(dcd_json_member(one, "sig"));
		}
	}
	return NULL;
}

static int key_has_signed(const struct tuf_role_key *key, const struct tuf_metadata *metadata, const struct tuf_bytes *message,
			  bool *ret)
{
	const char *hex = key->key == NULL ? NULL : signature_by(metadata, key->keyid);
	size_t hex_len = hex == NULL ? 0 : strlen(hex);
	*ret = false;
	if (hex_len == 0) {
		return 0;
	}
	DCD_AUTO_FREE uint8_t *signature = malloc(hex_len / 2 + 1);
	if (signature == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	*ret = dcd_hex_decode(hex, hex_len, signature) &&
	       dcd_public_key_verify(key->key, message->data, message->len, signature, hex_len / 2);
	return 0;
}

/* The entries of a role whose signature has been found good. */
struct signers {
	size_t count;
	const struct tuf_role_key *keys[TUF_ROLE_KEYS_MAX];
};

/* True when the same key has been counted already, under whatever id. */
static bool signers_have(const struct signers *signers, const struct dcd_hash *identity)
{
	for (size_t i = 0; i < signers->count; i++) {
		if (dcd_hash_equal(&signers->keys[i]->identity, identity)) {
			return true;
		}
	}
	return false;
}

static int count_signers(const struct tuf_role *role, const struct tuf_metadata *metadata, uint64_t *ret)
{
	TUF_AUTO_BYTES struct tuf_bytes message = { 0 };
	struct signers signers = { 0 };
	int err = dcd_json_canonical_bytes(metadata->body, &message.data, &message.len);
	for (size_t i = 0; err == 0 && i < role->key_count && signers.count < role->threshold; i++) {
		bool has_signed = false;
		if (!signers_have(&signers, &role->keys[i].identity)) {
			err = key_has_signed(&role->keys[i], metadata, &message, &has_signed);
		}
		if (has_signed) {
			signers.keys[signers.count++] = &role->keys[i];
		}
	}
	*ret = signers.count;
	return err;
}

int tuf_role_verify(const struct tuf_role *role, const struct tuf_metadata *metadata, const char *what, struct dcd_diag *diag)
{
	uint64_t signers = 0;
	int err = count_signers(role, metadata, &signers);
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s: its signatures can't be checked (%s)", what, dcd_err_name(err));
	}
	if (signers >= role->threshold) {
		return 0;
	}
	size_t unusable = 0;
	for (size_t i = 0; i < role->key_count; i++) {
		unusable += role->keys[i].key == NULL ? 1U : 0U;
	}
	return dcd_diag_set(diag, DCD_ERR_SIGNATURE,
			    unusable == 0
				    ? "%s: %llu valid signature(s) of the %llu that its role needs"
				    : "%s: %llu valid signature(s) of the %llu that its role needs; %zu of its keys are of a "
				      "kind that this program can't verify",
			    what, (unsigned long long)signers, (unsigned long long)role->threshold, unusable);
}

static bool role_has(const struct tuf_role *role, const struct dcd_hash *identity)
{
	for (size_t i = 0; i < role->key_count; i++) {
		if (dcd_hash_equal(&role->keys[i].identity, identity)) {
			return true;
		}
	}
	return false;
}

static bool role_covers(const struct tuf_role *role, const struct tuf_role *other)
{
	for (size_t i = 0; i < other->key_count; i++) {
		if (!role_has(role, &other->keys[i].identity)) {
			return false;
		}
	}
	return true;
}

bool tuf_role_same_keys(const struct tuf_role *a, const struct tuf_role *b)
{
	return role_covers(a, b) && role_covers(b, a);
}
