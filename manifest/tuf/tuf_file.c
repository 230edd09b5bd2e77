#include "manifest/tuf/tuf_file.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "manifest/crypto/sha256.h"

int tuf_hash_read(const struct dcd_json *hashes, const char *name, const char *what, struct dcd_hash *ret, struct dcd_diag *diag)
{
	if (!dcd_json_is_object(hashes) || dcd_json_count(hashes) == 0) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: the hashes of %.128s are not an object of hashes", what, name);
	}
	if (dcd_json_member(hashes, "sha256") == NULL) {
		return dcd_diag_set(diag, DCD_ERR_UNSUPPORTED, "%s: %.128s has no SHA-256 among its hashes", what, name);
	}
	return dcd_json_get_hash(hashes, "sha256", what, ret, diag);
}

int tuf_file_entry_read(const struct dcd_json *entry, const char *name, const char *what, struct tuf_file_entry *ret,
			struct dcd_diag *diag)
{
	struct tuf_file_entry read = { 0 };
	const struct dcd_json *hashes = dcd_json_member(entry, "hashes");
	if (!dcd_json_is_object(entry)) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: \"meta\" has no object for %.128s", what, name);
	}
	int err = dcd_json_get_u64(entry, "version", what, 1, INT64_MAX, &read.version, diag);
	if (err == 0 && dcd_json_member(entry, "length") != NULL) {
		read.has_length = true;
		err = dcd_json_get_u64(entry, "length", what, 1, INT64_MAX, &read.length, diag);
	}
	if (err == 0 && hashes != NULL) {
		read.has_hash = true;
		err = tuf_hash_read(hashes, name, what, &read.hash, diag);
	}
	if (err == 0) {
		*ret = read;
	}
	return err;
}

int tuf_file_entry_check(const struct tuf_file_entry *entry, const struct tuf_bytes *bytes, const char *what,
			 struct dcd_diag *diag)
{
	if (entry->has_length && entry->length != bytes->len) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: %zu bytes, where the signed metadata says %llu", what, bytes->len,
				    (unsigned long long)entry->length);
	}
	struct dcd_hash hash;
	dcd_hash_once(&dcd_sha256, bytes->data, bytes->len, &hash);
	if (entry->has_hash && !dcd_hash_equal(&hash, &entry->hash)) {
		return dcd_diag_set(diag, DCD_ERR_HASH, "%s: its SHA-256 differs from the signed one", what);
	}
	return 0;
}

int tuf_path_make(const char *prefix, uint64_t version, const char *name, struct tuf_path *ret, struct dcd_diag *diag)
{
	struct tuf_path path;
	int len = version == 0 ? snprintf(path.text, sizeof path.text, "%s%s", prefix, name)
			       : snprintf(path.text, sizeof path.text, "%s%llu.%s", prefix, (unsigned long long)version, name);
	if (len < 0 || (size_t)len >= sizeof path.text) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "the path of %.128s below '%.128s' is too long", name, prefix);
	}
	*ret = path;
	return 0;
}

int tuf_fetch(struct dcd_tuf *tuf, const char *path, uint64_t max, struct tuf_bytes *ret, struct dcd_diag *diag)
{
	struct dcd_diag own = { 0 };
	struct tuf_bytes bytes = { 0 };
	int err = dcd_source_load(tuf->options.source, path, max, &bytes.data, &bytes.len, &own);
	if (err == 0) {
		*ret = bytes;
		return 0;
	}
	if (err == DCD_ERR_SIZE) {
		return dcd_diag_set(diag, err, "%s: larger than the %llu bytes that it may have", path, (unsigned long long)max);
	}
	if (own.text[0] == '\0') {
		return dcd_diag_set(diag, err, "%s: could not be fetched (%s)", path, dcd_err_name(err));
	}
	bool named = strstr(own.text, path) != NULL;
	return dcd_diag_set(diag, err, "%s%s%s", named ? "" : path, named ? "" : ": ", own.text);
}

int tuf_fetch_entry(struct dcd_tuf *tuf, enum tuf_role_index role, const struct tuf_file_entry *entry, uint64_t max,
		    struct tuf_path *ret_path, struct tuf_bytes *ret_bytes, struct tuf_metadata **ret, struct dcd_diag *diag)
{
	char name[32];
	(void)snprintf(name, sizeof name, "%s.json", tuf_role_name(role));
	struct tuf_path path;
	int err = tuf_path_make(tuf->options.metadata_prefix, tuf->root->consistent_snapshot ? entry->version : 0, name, &path,
				diag);
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *metadata = NULL;
	if (err == 0) {
		err = tuf_fetch(tuf, path.text, entry->has_length ? dcd_min_u64(entry->length, max) : max, &bytes, diag);
	}
	if (err == 0) {
		err = tuf_file_entry_check(entry, &bytes, path.text, diag);
	}
	if (err == 0) {
		err = tuf_accept(tuf, role, &bytes, path.text, &metadata, diag);
	}
	if (err == 0 && metadata->version != entry->version) {
		err = dcd_diag_set(diag, DCD_ERR_METADATA_ROLLBACK, "%s: version %llu, where the signed metadata says %llu",
				   path.text, (unsigned long long)metadata->version, (unsigned long long)entry->version);
	}
	if (err == 0) {
		*ret_path = path;
		*ret_bytes = bytes;
		bytes = (struct tuf_bytes){ 0 };
		*ret = metadata;
		metadata = NULL;
	}
	return err;
}
