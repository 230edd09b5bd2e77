/* The top-level targets role (§5.6), and targets themselves (§5.7). What roles delegate is in tuf_delegated.c and tuf_search.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/hex.h"
#include "manifest/tuf/tuf_delegated.h"
#include "manifest/tuf/tuf_snapshot.h"
#include "manifest/tuf/tuf_store.h"
#include "manifest/tuf/tuf_targets.h"

#define TARGET_PATH_MAX 800 /* bytes; leaves room for prefix and hash in a source's 1,024 */

int tuf_target_read(const char *path, const struct dcd_json *entry, const char *what, struct dcd_tuf_target *ret,
		    struct dcd_diag *diag)
{
	struct dcd_tuf_target target = { .path = path, .custom = dcd_json_member(entry, "custom") };
	struct tuf_hashes known = { 0 };
	const struct dcd_json *hashes = NULL;
	int err = dcd_json_get_u64(entry, "length", what, 0, INT64_MAX, &target.length, diag);
	if (err == 0) {
		err = dcd_json_get_object(entry, "hashes", what, &hashes, diag);
	}
	if (err == 0) {
		err = tuf_hashes_read(hashes, path, what, &known, diag);
	}
	if (err == 0) {
		target.has_sha256 = known.has_sha256;
		target.sha256 = known.sha256;
		target.has_sha512 = known.has_sha512;
		memcpy(target.sha512, known.sha512, sizeof target.sha512);
		*ret = target;
	}
	return err;
}

int tuf_targets_check(const struct tuf_metadata *metadata, const char *what, struct dcd_diag *diag)
{
	const struct dcd_json *targets = NULL;
	int err = dcd_json_get_object(metadata->body, "targets", what, &targets, diag);
	for (void *it = dcd_json_iter(targets); err == 0 && it != NULL; it = dcd_json_iter_next(targets, it)) {
		struct dcd_tuf_target target;
		err = tuf_target_read(dcd_json_iter_key(it), dcd_json_iter_value(it), what, &target, diag);
		/* Others may hash by what we don't know; such a target is there, but not for us. */
		err = err == DCD_ERR_UNSUPPORTED ? 0 : err;
	}
	return err != 0 ? err : tuf_delegations_check(metadata, what, diag);
}

/* §5.6.1 to §5.6.6 for a file that is not in the store. */
static int targets_fetch(struct dcd_tuf *tuf, const struct tuf_file_entry *entry, struct tuf_metadata **ret,
			 struct dcd_diag *diag)
{
	struct tuf_path path;
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *fresh = NULL;
	const struct tuf_signed_file file = tuf_top_level_file(tuf, TUF_ROLE_TARGETS);
	int err = tuf_fetch_entry(tuf, &file, entry, DCD_TUF_TARGETS_MAX, &path, &bytes, &fresh, diag);
	if (err == 0) {
		err = tuf_targets_check(fresh, path.text, diag);
	}
	if (err == 0) {
		err = tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_TARGETS), fresh, path.text, diag);
	}
	if (err == 0) {
		err = tuf_delegated_forget(tuf, "targets.json", fresh, diag);
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
	/* A snapshot that was lost from the store can't say that this is old; what its own keys signed can. */
	if (stored != NULL && entry.version < stored->version) {
		return dcd_diag_set(diag, DCD_ERR_METADATA_ROLLBACK,
				    "snapshot.json: it names version %llu of targets.json, older than version %llu in the store",
				    (unsigned long long)entry.version, (unsigned long long)stored->version);
	}
	if (stored == NULL || stored->version != entry.version || tuf_file_entry_check(&entry, &bytes, "", NULL) != 0 ||
	    tuf_targets_check(stored, "", NULL) != 0) {
		return targets_fetch(tuf, &entry, &tuf->targets, diag);
	}
	err = tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_TARGETS), stored, "the stored targets", diag);
	if (err == 0) {
		tuf->targets = stored;
		stored = NULL;
	}
	return err;
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
	char hex[2 * DCD_SHA512_SIZE + 1];
	char path[TARGET_PATH_MAX + sizeof hex + 1];
	/* The file is there under each of its hashes. */
	if (target->has_sha256) {
		dcd_hash_to_hex(&target->sha256, hex);
	} else {
		dcd_hex_encode(target->sha512, sizeof target->sha512, hex);
	}
	(void)snprintf(path, sizeof path, "%.*s%s.%s", (int)folder, target->path, hex, target->path + folder);
	return tuf_path_make(tuf->options.targets_prefix, 0, path, ret, diag);
}

static int check_content(const struct dcd_tuf_target *target, const struct tuf_bytes *bytes, const char *what,
			 struct dcd_diag *diag)
{
	struct tuf_file_entry expected = {
		.has_length = true,
		.length = target->length,
		.hashes = { .has_sha256 = target->has_sha256, .sha256 = target->sha256, .has_sha512 = target->has_sha512 }
	};
	memcpy(expected.hashes.sha512, target->sha512, sizeof expected.hashes.sha512);
	if (!target->has_sha256 && !target->has_sha512) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: a target without a hash", what);
	}
	return tuf_file_entry_check(&expected, bytes, what, diag);
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
		err = check_content(target, &bytes, path.text, diag);
	}
	if (err == 0) {
		*ret_data = bytes.data;
		*ret_len = bytes.len;
		bytes = (struct tuf_bytes){ 0 };
	}
	return err;
}
