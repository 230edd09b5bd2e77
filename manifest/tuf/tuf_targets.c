/*
 * The top-level targets role. A delegated role is the same kind of file under another name, with keys from the role above it: the
 * walk over them (§5.6.7) belongs in a file of its own, beside this one.
 */
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/hex.h"
#include "manifest/crypto/sha256.h"
#include "manifest/tuf/tuf_snapshot.h"
#include "manifest/tuf/tuf_store.h"

#define TARGET_PATH_MAX 800 /* bytes; leaves room for prefix and hash in a source's 1,024 */

/* One entry of "targets". DCD_ERR_UNSUPPORTED: none of its hashes is ours. */
static int target_read(const char *path, const struct dcd_json *entry, const char *what, struct dcd_tuf_target *ret,
		       struct dcd_diag *diag)
{
	struct dcd_tuf_target target = { .path = path, .custom = dcd_json_member(entry, "custom") };
	const struct dcd_json *hashes = NULL;
	int err = dcd_json_get_u64(entry, "length", what, 0, INT64_MAX, &target.length, diag);
	if (err == 0) {
		err = dcd_json_get_object(entry, "hashes", what, &hashes, diag);
	}
	if (err == 0) {
		err = tuf_hash_read(hashes, path, what, &target.sha256, diag);
	}
	if (err == 0) {
		*ret = target;
	}
	return err;
}

/* Every entry is looked at once, so that those who iterate later meet no surprise. */
static int check_targets(const struct tuf_metadata *metadata, const char *what, struct dcd_diag *diag)
{
	const struct dcd_json *targets = NULL;
	int err = dcd_json_get_object(metadata->body, "targets", what, &targets, diag);
	for (void *it = dcd_json_iter(targets); err == 0 && it != NULL; it = dcd_json_iter_next(targets, it)) {
		struct dcd_tuf_target target;
		err = target_read(dcd_json_iter_key(it), dcd_json_iter_value(it), what, &target, diag);
		/* Others may hash by what we don't know; such a target is there, but not for us. */
		err = err == DCD_ERR_UNSUPPORTED ? 0 : err;
	}
	return err;
}

/* §5.6.1 to §5.6.6 for a file that is not in the store. */
static int targets_fetch(struct dcd_tuf *tuf, const struct tuf_file_entry *entry, struct tuf_metadata **ret,
			 struct dcd_diag *diag)
{
	struct tuf_path path;
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *fresh = NULL;
	int err = tuf_fetch_entry(tuf, TUF_ROLE_TARGETS, entry, DCD_TUF_TARGETS_MAX, &path, &bytes, &fresh, diag);
	if (err == 0) {
		err = check_targets(fresh, path.text, diag);
	}
	if (err == 0) {
		err = tuf_check_expiry(tuf, TUF_ROLE_TARGETS, fresh, path.text, diag);
	}
	if (err == 0) {
		err = tuf_store_keep(tuf, 0, "targets.json", &bytes, diag);
	}
	if (err == 0) {
		*ret = fresh;
		fresh = NULL;
	}
	return err;
}

int tuf_targets_update(struct dcd_tuf *tuf, struct dcd_diag *diag)
{
	struct tuf_file_entry entry;
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *stored = NULL;
	int err = tuf_snapshot_entry(tuf->snapshot, "targets.json", "snapshot.json", &entry, diag);
	if (err == 0) {
		err = tuf_store_load_role(tuf, TUF_ROLE_TARGETS, DCD_TUF_TARGETS_MAX, &bytes, &stored, diag);
	}
	if (err != 0) {
		return err;
	}
	if (stored == NULL || stored->version != entry.version || tuf_file_entry_check(&entry, &bytes, "", NULL) != 0 ||
	    check_targets(stored, "", NULL) != 0) {
		return targets_fetch(tuf, &entry, &tuf->targets, diag);
	}
	err = tuf_check_expiry(tuf, TUF_ROLE_TARGETS, stored, "the stored targets", diag);
	if (err == 0) {
		tuf->targets = stored;
		stored = NULL;
	}
	return err;
}

static const struct dcd_json *listed_targets(const struct dcd_tuf *tuf)
{
	return tuf->targets == NULL ? NULL : dcd_json_member(tuf->targets->body, "targets");
}

int dcd_tuf_each_target(const struct dcd_tuf *tuf, int (*each)(void *context, const struct dcd_tuf_target *target), void *context)
{
	const struct dcd_json *targets = listed_targets(tuf);
	int result = 0;
	for (void *it = dcd_json_iter(targets); result == 0 && it != NULL; it = dcd_json_iter_next(targets, it)) {
		struct dcd_tuf_target target;
		if (target_read(dcd_json_iter_key(it), dcd_json_iter_value(it), "targets.json", &target, NULL) == 0) {
			result = each(context, &target);
		}
	}
	return result;
}

int dcd_tuf_find_target(struct dcd_tuf *tuf, const char *path, struct dcd_tuf_target *ret, struct dcd_diag *diag)
{
	/* By iteration, because the found path must belong to the client and not to the caller. */
	const struct dcd_json *targets = listed_targets(tuf);
	for (void *it = dcd_json_iter(targets); it != NULL; it = dcd_json_iter_next(targets, it)) {
		if (strcmp(dcd_json_iter_key(it), path) == 0) {
			return target_read(dcd_json_iter_key(it), dcd_json_iter_value(it), "targets.json", ret, diag);
		}
	}
	return dcd_diag_set(diag, DCD_ERR_UNLISTED, "%s: the signed metadata doesn't list it", path);
}

/* §5.7.3: with consistent snapshots the file's name begins with its hash. */
static int target_path(const struct dcd_tuf *tuf, const struct dcd_tuf_target *target, struct tuf_path *ret,
		       struct dcd_diag *diag)
{
	if (strnlen(target->path, TARGET_PATH_MAX + 1) > TARGET_PATH_MAX || !dcd_source_path_ok(target->path)) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%.128s: a target's path can't be like that", target->path);
	}
	if (!tuf->root->consistent_snapshot) {
		return tuf_path_make(tuf->options.targets_prefix, 0, target->path, ret, diag);
	}
	const char *slash = strrchr(target->path, '/');
	size_t folder = slash == NULL ? 0 : (size_t)(slash - target->path) + 1;
	char hex[DCD_HASH_HEX_SIZE];
	char path[TARGET_PATH_MAX + DCD_HASH_HEX_SIZE + 1];
	dcd_hash_to_hex(&target->sha256, hex);
	(void)snprintf(path, sizeof path, "%.*s%s.%s", (int)folder, target->path, hex, target->path + folder);
	return tuf_path_make(tuf->options.targets_prefix, 0, path, ret, diag);
}

int dcd_tuf_target_path(const struct dcd_tuf *tuf, const struct dcd_tuf_target *target, char *ret, struct dcd_diag *diag)
{
	struct tuf_path path;
	_Static_assert(sizeof path.text == DCD_TUF_PATH_SIZE, "the public size is the path's");
	if (tuf->root == NULL) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: there is no verified metadata yet", target->path);
	}
	int err = target_path(tuf, target, &path, diag);
	if (err == 0) {
		memcpy(ret, path.text, strlen(path.text) + 1);
	}
	return err;
}

int dcd_tuf_load_target(struct dcd_tuf *tuf, const struct dcd_tuf_target *target, uint64_t max, uint8_t **ret_data,
			size_t *ret_len, struct dcd_diag *diag)
{
	struct tuf_path path;
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	if (tuf->root == NULL) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: there is no verified metadata yet", target->path);
	}
	int err = target_path(tuf, target, &path, diag);
	if (err == 0 && target->length > max) {
		err = dcd_diag_set(diag, DCD_ERR_SIZE, "%s: %llu bytes are more than the %llu allowed", path.text,
				   (unsigned long long)target->length, (unsigned long long)max);
	}
	if (err == 0) {
		err = tuf_fetch(tuf, path.text, target->length, &bytes, diag);
	}
	if (err == 0) {
		const struct tuf_file_entry expected = {
			.has_length = true, .length = target->length, .has_hash = true, .hash = target->sha256
		};
		err = tuf_file_entry_check(&expected, &bytes, path.text, diag);
	}
	if (err == 0) {
		*ret_data = bytes.data;
		*ret_len = bytes.len;
		bytes = (struct tuf_bytes){ 0 };
	}
	return err;
}
