#include "tools/repo/repo_key_change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/crypto/public_key.h"
#include "manifest/sign/key_signer.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"

#define KEY_FILE_MAX 16384
#define KEYID_PREFIX_MIN 8 /* digits of a key id that --remove needs */

struct change {
	struct repo_keys *keys;
	const struct repo_options *options;
	const char *name;
	struct dcd_json *key_map;
	struct dcd_json *ids;
};

static bool ids_have(const struct dcd_json *ids, const char *keyid)
{
	for (size_t i = 0; i < dcd_json_count(ids); i++) {
		if (strcmp(dcd_json_string(dcd_json_item(ids, i)), keyid) == 0) {
			return true;
		}
	}
	return false;
}

static int add_key(struct change *c, const char *keyid, const struct dcd_json *key, struct dcd_diag *diag)
{
	if (ids_have(c->ids, keyid)) {
		return dcd_diag_set(diag, DCD_ERR_EXISTS, "key %.16s… is one of %s already", keyid, c->name);
	}
	int err = dcd_json_set(c->key_map, keyid, dcd_json_copy(key));
	err |= dcd_json_append_string(c->ids, keyid);
	return err == 0 ? 0 : dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a key");
}

/* ---- keys that come ---- */

static int add_made(struct change *c, struct dcd_signer *signer, const char *path, struct dcd_diag *diag)
{
	int err = add_key(c, signer->keyid, signer->key, diag);
	dcd_signer_close(signer);
	c->keys->scanned = false; /* there is one more */
	if (err == 0) {
		printf("made    %s (%s)\n", path, dcd_key_names(c->options->algorithm)->name);
	}
	return err;
}

static int make_lms_key(struct change *c, struct dcd_diag *diag)
{
	struct dcd_signer *signer = NULL;
	DCD_AUTO_FREE char *path = NULL;
	int err = repo_lms_make(c->keys->folder, c->name, &c->keys->lms, &signer, &path, diag);
	return err == 0 ? add_made(c, signer, path, diag) : err;
}

static int make_key(struct change *c, struct dcd_diag *diag)
{
	if (c->options->algorithm == DCD_KEY_LMS) {
		return make_lms_key(c, diag);
	}
	struct dcd_private_key *key = NULL;
	struct dcd_signer *signer = NULL;
	DCD_AUTO_FREE char *unfinished = repo_text("%s/%s.new-key", c->keys->folder, c->name);
	int err = dcd_private_key_generate_as(c->options->algorithm, &key, diag);
	if (err == 0) {
		(void)remove(unfinished);
		err = dcd_private_key_save(key, unfinished, diag);
	}
	dcd_private_key_free(key);
	if (err == 0) {
		err = dcd_key_signer_load_as(unfinished, c->options->algorithm, &signer, diag);
	}
	if (err != 0) {
		return err;
	}
	/* Named after its id: keys of a role never take each other's file. */
	DCD_AUTO_FREE char *path = repo_text("%s/%s-%.12s.pem", c->keys->folder, c->name, signer->keyid);
	err = repo_file_rename(unfinished, path, diag);
	if (err == 0) {
		err = repo_file_sync_moved(path, diag);
	}
	if (err != 0) {
		dcd_signer_close(signer);
		return err;
	}
	return add_made(c, signer, path, diag);
}

/* Fills in nothing but the key object and its id: the private half isn't here. */
struct public_half {
	struct dcd_signer base;
};

static void public_half_close(struct dcd_signer *signer)
{
	(void)signer;
}

static int add_public(struct change *c, const char *path, const char *text, struct dcd_diag *diag)
{
	static const struct dcd_signer_ops ops = { .close = public_half_close };
	for (int i = 0; i <= DCD_KEY_ALGORITHMS; i++) {
		/* The algorithm that was asked for first: an RSA key's file fits two of them. */
		int algorithm = i == 0 ? (int)c->options->algorithm : i - 1;
		const struct dcd_key_names *names = dcd_key_names((enum dcd_key_algorithm)algorithm);
		struct dcd_public_key *parsed = NULL;
		if (dcd_public_key_parse(names->keytype, names->scheme, text, &parsed, NULL) != 0) {
			continue;
		}
		dcd_public_key_free(parsed);
		struct public_half half = { .base = { .ops = &ops, .name = path } };
		int err = dcd_signer_set_key(&half.base, names->keytype, names->scheme, text, diag);
		if (err == 0) {
			err = add_key(c, half.base.keyid, half.base.key, diag);
		}
		dcd_signer_close(&half.base);
		return err;
	}
	return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: neither a private nor a public key that is known here", path);
}

static int add_file(struct change *c, const char *path, struct dcd_diag *diag)
{
	struct dcd_signer *signer = NULL;
	if (dcd_key_signer_load_as(path, c->options->algorithm, &signer, NULL) == 0 ||
	    dcd_key_signer_load(path, &signer, NULL) == 0 || repo_lms_open(path, &c->keys->lms, &signer, NULL) == 0) {
		signer = repo_keys_add(c->keys, signer);
		return add_key(c, signer->keyid, signer->key, diag);
	}
	DCD_AUTO_FREE char *text = NULL;
	size_t len = 0;
	int err = repo_file_load(path, KEY_FILE_MAX, &text, &len, diag);
	if (err != 0) {
		return err;
	}
	/* Hex may have its line's end; PEM keeps its own. */
	if (strncmp(text, "-----", 5) != 0) {
		text[strcspn(text, " \t\r\n")] = '\0';
	}
	return add_public(c, path, text, diag);
}

/* ---- keys that go ---- */

static int is_removed(const struct change *c, const char *keyid, bool *used)
{
	for (size_t i = 0; i < c->options->removed_count; i++) {
		const char *prefix = c->options->removed[i];
		if (strlen(prefix) >= KEYID_PREFIX_MIN && strncmp(keyid, prefix, strlen(prefix)) == 0) {
			used[i] = true;
			return true;
		}
	}
	return false;
}

static int keep_keys(struct change *c, const struct dcd_json *role, struct dcd_diag *diag)
{
	const struct dcd_json *before = dcd_json_member(role, "keyids");
	bool used[REPO_KEY_OPTIONS_MAX] = { false };
	int err = 0;
	for (size_t i = 0; i < dcd_json_count(before); i++) {
		const char *keyid = dcd_json_string(dcd_json_item(before, i));
		if (!is_removed(c, keyid, used)) {
			err |= dcd_json_append_string(c->ids, keyid);
		}
	}
	for (size_t i = 0; i < c->options->removed_count; i++) {
		if (!used[i]) {
			return dcd_diag_set(diag, DCD_ERR_USAGE,
					    "--remove %s: no key of %s has an id that begins so (%d digits or more)",
					    c->options->removed[i], c->name, KEYID_PREFIX_MIN);
		}
	}
	return err == 0 ? 0 : dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a role");
}

bool repo_key_change_asked(const struct repo_options *options)
{
	return options->new_keys > 0 || options->key_file_count > 0 || options->removed_count > 0 || options->replace ||
	       options->threshold > 0;
}

static int change_ids(struct change *c, const struct dcd_json *role, struct dcd_diag *diag)
{
	const struct repo_options *options = c->options;
	bool replace = options->replace || !repo_key_change_asked(options);
	size_t fresh = replace && options->new_keys == 0 && options->key_file_count == 0 ? 1 : options->new_keys;
	int err = replace ? 0 : keep_keys(c, role, diag);
	for (size_t i = 0; err == 0 && i < options->key_file_count; i++) {
		err = add_file(c, options->key_files[i], diag);
	}
	for (size_t i = 0; err == 0 && i < fresh; i++) {
		err = make_key(c, diag);
	}
	return err;
}

int repo_key_change(struct repo_keys *keys, const struct repo_options *options, const char *name, const struct dcd_json *key_map,
		    const struct dcd_json *role, struct dcd_json **ret_keys, struct dcd_json **ret_role, struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *map = key_map == NULL ? dcd_json_new_object() : dcd_json_copy(key_map);
	struct dcd_json *ids = dcd_json_new_array();
	struct dcd_json *fresh = dcd_json_new_object();
	struct change c = { .keys = keys, .options = options, .name = name, .key_map = map, .ids = ids };
	int64_t before = role == NULL ? 1 : dcd_json_integer(dcd_json_member(role, "threshold"));
	uint64_t threshold = options->threshold > 0 ? options->threshold : (uint64_t)before;
	int err = map == NULL || ids == NULL || fresh == NULL ? dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a role")
							      : change_ids(&c, role, diag);
	size_t count = dcd_json_count(ids);
	if (err == 0 && (threshold > count || count > REPO_SIGNERS_MAX)) {
		err = dcd_diag_set(diag, DCD_ERR_USAGE, "%s can't have a threshold of %llu with %zu keys", name,
				   (unsigned long long)threshold, count);
	}
	int full = dcd_json_set(fresh, "keyids", ids);
	full |= dcd_json_set_u64(fresh, "threshold", threshold);
	if (err == 0 && full != 0) {
		err = dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a role");
	}
	if (err != 0) {
		dcd_json_free(fresh);
		return err;
	}
	*ret_keys = map;
	map = NULL;
	*ret_role = fresh;
	return 0;
}
