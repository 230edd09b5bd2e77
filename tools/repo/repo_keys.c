#include "tools/repo/repo_keys.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/sign/command_signer.h"
#include "manifest/sign/key_signer.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"

static struct dcd_signer *pool_find(const struct repo_keys *keys, const char *keyid)
{
	for (size_t i = 0; i < keys->pool_count; i++) {
		if (strcmp(keys->pool[i]->keyid, keyid) == 0) {
			return keys->pool[i];
		}
	}
	return NULL;
}

struct dcd_signer *repo_keys_add(struct repo_keys *keys, struct dcd_signer *signer)
{
	struct dcd_signer *known = pool_find(keys, signer->keyid);
	if (known != NULL) {
		dcd_signer_close(signer);
		return known;
	}
	keys->pool = repo_grow(keys->pool, keys->pool_count + 1, sizeof(*keys->pool));
	keys->pool[keys->pool_count++] = signer;
	return signer;
}

int repo_keys_load_file(struct repo_keys *keys, const char *path, struct dcd_signer **ret, struct dcd_diag *diag)
{
	struct dcd_signer *signer = NULL;
	int err = dcd_key_signer_load(path, &signer, diag);
	if (err == 0) {
		*ret = repo_keys_add(keys, signer);
	}
	return err;
}

/* An RSA key's file doesn't say with which padding the root lists it, so it is there as both. */
static void scan_file(struct repo_keys *keys, const char *path, bool lms)
{
	struct dcd_signer *signer = NULL;
	if ((lms ? repo_lms_open(path, &keys->lms, &signer, NULL) : dcd_key_signer_load(path, &signer, NULL)) != 0) {
		free(keys->unreadable);
		keys->unreadable = repo_text("%s", path);
		return;
	}
	(void)repo_keys_add(keys, signer);
	if (!lms && dcd_key_signer_load_as(path, DCD_KEY_RSA_PKCS1, &signer, NULL) == 0) {
		(void)repo_keys_add(keys, signer);
	}
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(name);
	size_t suffix_len = strlen(suffix);
	return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static int scan(struct repo_keys *keys, struct dcd_diag *diag)
{
	struct dirent **names = NULL;
	int count = keys->scanned ? 0 : scandir(keys->folder, &names, NULL, alphasort);
	if (count < 0) {
		return repo_file_error(diag, "look into", keys->folder);
	}
	for (int i = 0; i < count; i++) {
		bool lms = ends_in(names[i]->d_name, REPO_LMS_SUFFIX);
		if (lms || ends_in(names[i]->d_name, ".pem")) {
			DCD_AUTO_FREE char *path = repo_text("%s/%s", keys->folder, names[i]->d_name);
			scan_file(keys, path, lms);
		}
		free(names[i]);
	}
	free(names);
	keys->scanned = true;
	return 0;
}

static bool signers_have(const struct repo_signers *signers, const char *keyid)
{
	for (size_t i = 0; i < signers->count; i++) {
		if (strcmp(signers->list[i]->keyid, keyid) == 0) {
			return true;
		}
	}
	return false;
}

static int ask_command(struct repo_keys *keys, const struct dcd_json *key_map, const char *name, const char *keyid,
		       struct repo_signers *signers, struct dcd_diag *diag)
{
	struct dcd_signer *signer = NULL;
	const struct dcd_json *key = dcd_json_member(key_map, keyid);
	if (key == NULL) {
		return 0;
	}
	int err = dcd_command_signer_new(keys->sign_with, name, keyid, key, &signer, diag);
	if (err == 0) {
		signers->list[signers->count++] = repo_keys_add(keys, signer);
	}
	return err;
}

int repo_keys_for_role(struct repo_keys *keys, const struct dcd_json *key_map, const struct dcd_json *role, const char *name,
		       struct repo_signers *ret, struct dcd_diag *diag)
{
	const struct dcd_json *ids = dcd_json_member(role, "keyids");
	int64_t threshold = dcd_json_integer(dcd_json_member(role, "threshold"));
	int64_t usable = 0;
	int err = scan(keys, diag);
	/* Those in the folder first, then the command. */
	for (int round = 0; err == 0 && round < 2; round++) {
		for (size_t i = 0; err == 0 && i < dcd_json_count(ids) && ret->count < REPO_SIGNERS_MAX; i++) {
			const char *id = dcd_json_string(dcd_json_item(ids, i));
			struct dcd_signer *signer = id == NULL || round == 1 ? NULL : pool_find(keys, id);
			bool there = id == NULL || signers_have(ret, id);
			if (round == 0 && (signer != NULL || there)) {
				usable++;
			}
			if (signer != NULL && !there) {
				repo_lms_warn(signer);
				ret->list[ret->count++] = signer;
			} else if (round == 1 && !there && usable < threshold && keys->sign_with != NULL) {
				err = ask_command(keys, key_map, name, id, ret, diag);
				usable++;
			}
		}
	}
	if (err == 0 && usable < threshold) {
		err = dcd_diag_set(
			diag, DCD_ERR_SIGNATURE,
			"%s: has %lld of the %lld keys that must sign for %s%s%s; name this repository's keys, or give "
			"--sign-with COMMAND for those that live elsewhere",
			keys->folder, (long long)usable, (long long)threshold, name,
			keys->unreadable != NULL ? ", and can't read " : "", keys->unreadable != NULL ? keys->unreadable : "");
	}
	return err;
}

void repo_keys_free(struct repo_keys *keys)
{
	for (size_t i = 0; i < keys->pool_count; i++) {
		dcd_signer_close(keys->pool[i]);
	}
	free(keys->pool);
	free(keys->unreadable);
	*keys = (struct repo_keys){ .folder = NULL };
}
