#include "manifest/tuf/tuf_file.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/hex.h"
#include "manifest/crypto/sha256.h"

static int read_sha512(const struct dcd_json *hashes, const char *name, const char *what, struct tuf_hashes *ret,
		       struct dcd_diag *diag)
{
	const char *hex = dcd_json_string(dcd_json_member(hashes, "sha512"));
	if (hex == NULL || strlen(hex) != 2 * sizeof ret->sha512 || !dcd_hex_decode(hex, 2 * sizeof ret->sha512, ret->sha512)) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: the SHA-512 of %.128s is not 128 digits of lower-case hex",
				    what, name);
	}
	ret->has_sha512 = true;
	return 0;
}

int tuf_hashes_read(const struct dcd_json *hashes, const char *name, const char *what, struct tuf_hashes *ret,
		    struct dcd_diag *diag)
{
	if (!dcd_json_is_object(hashes) || dcd_json_count(hashes) == 0) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: the hashes of %.128s are not an object of hashes", what, name);
	}
	struct tuf_hashes read = { .has_sha256 = dcd_json_member(hashes, "sha256") != NULL };
	int err = read.has_sha256 ? dcd_json_get_hash(hashes, "sha256", what, &read.sha256, diag) : 0;
	if (err == 0 && dcd_json_member(hashes, "sha512") != NULL) {
		err = read_sha512(hashes, name, what, &read, diag);
	}
	if (err == 0 && !read.has_sha256 && !read.has_sha512) {
		err = dcd_diag_set(diag, DCD_ERR_UNSUPPORTED, "%s: %.128s has neither SHA-256 nor SHA-512 among its hashes", what,
				   name);
	}
	if (err == 0) {
		*ret = read;
	}
	return err;
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
		err = tuf_hashes_read(hashes, name, what, &read.hashes, diag);
	}
	if (err == 0) {
		*ret = read;
	}
	return err;
}

static int check_hashes(const struct tuf_hashes *hashes, const struct tuf_bytes *bytes, const char *what, struct dcd_diag *diag)
{
	struct dcd_hash sha256;
	uint8_t sha512[DCD_SHA512_SIZE];
	dcd_hash_once(&dcd_sha256, bytes->data, bytes->len, &sha256);
	if (hashes->has_sha256 && !dcd_hash_equal(&sha256, &hashes->sha256)) {
		return dcd_diag_set(diag, DCD_ERR_HASH, "%s: its SHA-256 differs from the signed one", what);
	}
	if (!hashes->has_sha512) {
		return 0;
	}
	dcd_sha512(bytes->data, bytes->len, sha512);
	if (memcmp(sha512, hashes->sha512, sizeof sha512) != 0) {
		return dcd_diag_set(diag, DCD_ERR_HASH, "%s: its SHA-512 differs from the signed one", what);
	}
	return 0;
}

int tuf_file_entry_check(const struct tuf_file_entry *entry, const struct tuf_bytes *bytes, const char *what,
			 struct dcd_diag *diag)
{
	if (entry->has_length && entry->length != bytes->len) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: %zu bytes, where the signed metadata says %llu", what, bytes->len,
				    (unsigned long long)entry->length);
	}
	return check_hashes(&entry->hashes, bytes, what, diag);
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
	if (own.text[0] == '\0' && err == DCD_ERR_SIZE) {
		return dcd_diag_set(diag, err, "%s: larger than the %llu bytes that it may have", path, (unsigned long long)max);
	}
	if (own.text[0] == '\0') {
		return dcd_diag_set(diag, err, "%s: could not be fetched (%s)", path, dcd_err_name(err));
	}
	bool named = strstr(own.text, path) != NULL;
	return dcd_diag_set(diag, err, "%s%s%s", named ? "" : path, named ? "" : ": ", own.text);
}

struct tuf_signed_file tuf_top_level_file(const struct dcd_tuf *tuf, enum tuf_role_index role)
{
	static const char *const names[TUF_ROLE_COUNT] = { "root.json", "timestamp.json", "snapshot.json", "targets.json" };
	return (struct tuf_signed_file){ .name = names[role], .type = tuf_role_name(role), .role = &tuf->root->roles[role] };
}

int tuf_accept(const struct tuf_signed_file *file, const struct tuf_bytes *bytes, const char *what, struct tuf_metadata **ret,
	       struct dcd_diag *diag)
{
	TUF_AUTO_METADATA struct tuf_metadata *metadata = NULL;
	int err = tuf_metadata_parse(bytes, file->type, what, &metadata, diag);
	if (err == 0) {
		err = tuf_role_verify(file->role, metadata, what, diag);
	}
	if (err == 0) {
		*ret = metadata;
		metadata = NULL;
	}
	return err;
}

int tuf_fetch_entry(struct dcd_tuf *tuf, const struct tuf_signed_file *file, const struct tuf_file_entry *entry, uint64_t max,
		    struct tuf_path *ret_path, struct tuf_bytes *ret_bytes, struct tuf_metadata **ret, struct dcd_diag *diag)
{
	struct tuf_path path;
	int err = tuf_path_make(tuf->options.metadata_prefix, tuf->root->consistent_snapshot ? entry->version : 0, file->name,
				&path, diag);
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *metadata = NULL;
	if (err == 0) {
		err = tuf_fetch(tuf, path.text, entry->has_length ? dcd_min_u64(entry->length, max) : max, &bytes, diag);
	}
	if (err == 0) {
		err = tuf_file_entry_check(entry, &bytes, path.text, diag);
	}
	if (err == 0) {
		err = tuf_accept(file, &bytes, path.text, &metadata, diag);
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
