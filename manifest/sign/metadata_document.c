#include "manifest/sign/metadata_document.h"

#include <stdbool.h>
#include <string.h>

#include "manifest/sign/utc_time.h"

static int no_memory(struct dcd_diag *diag, const char *type)
{
	return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for %s metadata", type);
}

/* The members that every document has. */
static int document_begin(const char *type, const struct dcd_document_head *head, struct dcd_json **ret, struct dcd_diag *diag)
{
	char expires[DCD_UTC_TIME_SIZE];
	if (head->version == 0 || head->version > INT64_MAX || dcd_utc_time_format(head->expires, expires) != 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s metadata can't have version %llu and expire at %lld", type,
				    (unsigned long long)head->version, (long long)head->expires);
	}
	struct dcd_json *document = dcd_json_new_object();
	int err = dcd_json_set_string(document, "_type", type);
	err |= dcd_json_set_string(document, "spec_version", DCD_TUF_SPEC_VERSION);
	err |= dcd_json_set_u64(document, "version", head->version);
	err |= dcd_json_set_string(document, "expires", expires);
	err |= dcd_json_set_bool(document, "x-decade-canonical", true);
	if (err != 0) {
		dcd_json_free(document);
		return no_memory(diag, type);
	}
	*ret = document;
	return 0;
}

static int root_add_role(const struct dcd_document_role *role, struct dcd_json *keys, struct dcd_json *roles)
{
	struct dcd_json *ids = dcd_json_new_array();
	int err = 0;
	for (size_t i = 0; i < role->signer_count; i++) {
		err |= dcd_json_append_string(ids, role->signers[i]->keyid);
		err |= dcd_json_set(keys, role->signers[i]->keyid, dcd_json_copy(role->signers[i]->key));
	}
	struct dcd_json *entry = dcd_json_new_object();
	err |= dcd_json_set_u64(entry, "threshold", role->threshold);
	err |= dcd_json_set(entry, "keyids", ids);
	err |= dcd_json_set(roles, role->name, entry);
	return err;
}

int dcd_document_root(const struct dcd_document_head *head, const struct dcd_document_role *roles, size_t role_count,
		      struct dcd_json **ret, struct dcd_diag *diag)
{
	for (size_t i = 0; i < role_count; i++) {
		if (roles[i].threshold == 0 || roles[i].threshold > roles[i].signer_count) {
			return dcd_diag_set(diag, DCD_ERR_USAGE, "role %s can't have a threshold of %llu with %zu keys",
					    roles[i].name, (unsigned long long)roles[i].threshold, roles[i].signer_count);
		}
	}
	struct dcd_json *keys = dcd_json_new_object();
	struct dcd_json *role_map = dcd_json_new_object();
	int err = 0;
	for (size_t i = 0; i < role_count; i++) {
		err |= root_add_role(&roles[i], keys, role_map);
	}
	if (err != 0) {
		dcd_json_free(keys);
		dcd_json_free(role_map);
		return no_memory(diag, "root");
	}
	return dcd_document_root_of(head, keys, role_map, ret, diag);
}

int dcd_document_root_of(const struct dcd_document_head *head, struct dcd_json *keys, struct dcd_json *roles,
			 struct dcd_json **ret, struct dcd_diag *diag)
{
	struct dcd_json *document = NULL;
	int err = document_begin("root", head, &document, diag);
	if (err != 0) {
		dcd_json_free(keys);
		dcd_json_free(roles);
		return err;
	}
	err |= dcd_json_set_bool(document, "consistent_snapshot", true);
	err |= dcd_json_set(document, "keys", keys);
	err |= dcd_json_set(document, "roles", roles);
	if (err != 0) {
		dcd_json_free(document);
		return no_memory(diag, "root");
	}
	*ret = document;
	return 0;
}

/* Members that document_begin() writes anew. */
static bool is_head_member(const char *key)
{
	static const char *const head[] = { "_type", "spec_version", "version", "expires", "x-decade-canonical" };
	for (size_t i = 0; i < sizeof head / sizeof head[0]; i++) {
		if (strcmp(key, head[i]) == 0) {
			return true;
		}
	}
	return false;
}

int dcd_document_targets(const struct dcd_document_head *head, const struct dcd_json *previous, struct dcd_json **ret,
			 struct dcd_diag *diag)
{
	struct dcd_json *document = NULL;
	int err = document_begin("targets", head, &document, diag);
	if (err != 0) {
		return err;
	}
	for (void *it = dcd_json_iter(previous); it != NULL; it = dcd_json_iter_next(previous, it)) {
		if (!is_head_member(dcd_json_iter_key(it))) {
			err |= dcd_json_set(document, dcd_json_iter_key(it), dcd_json_copy(dcd_json_iter_value(it)));
		}
	}
	if (dcd_json_member(document, "targets") == NULL) {
		err |= dcd_json_set(document, "targets", dcd_json_new_object());
	}
	if (err != 0) {
		dcd_json_free(document);
		return no_memory(diag, "targets");
	}
	*ret = document;
	return 0;
}

/* Length and hashes, as targets and meta files both have them. */
static struct dcd_json *file_entry(const struct dcd_document_file *file)
{
	struct dcd_json *hashes = dcd_json_new_object();
	struct dcd_json *entry = dcd_json_new_object();
	int err = dcd_json_set_hash(hashes, "sha256", &file->sha256);
	err |= dcd_json_set_u64(entry, "length", file->length);
	err |= dcd_json_set(entry, "hashes", hashes);
	if (err != 0) {
		dcd_json_free(entry);
		return NULL;
	}
	return entry;
}

struct dcd_json *dcd_document_meta_entry(const struct dcd_document_file *file)
{
	struct dcd_json *entry = file_entry(file);
	if (dcd_json_set_u64(entry, "version", file->version) != 0) {
		dcd_json_free(entry);
		return NULL;
	}
	return entry;
}

static int document_meta(const char *type, const struct dcd_document_head *head, const char *name,
			 const struct dcd_document_file *file, struct dcd_json **ret, struct dcd_diag *diag)
{
	struct dcd_json *document = NULL;
	int err = document_begin(type, head, &document, diag);
	if (err != 0) {
		return err;
	}
	struct dcd_json *meta = dcd_json_new_object();
	err |= dcd_json_set(meta, name, dcd_document_meta_entry(file));
	err |= dcd_json_set(document, "meta", meta);
	if (err != 0) {
		dcd_json_free(document);
		return no_memory(diag, type);
	}
	*ret = document;
	return 0;
}

int dcd_document_snapshot(const struct dcd_document_head *head, const struct dcd_document_file *targets, struct dcd_json **ret,
			  struct dcd_diag *diag)
{
	return document_meta("snapshot", head, "targets.json", targets, ret, diag);
}

int dcd_document_timestamp(const struct dcd_document_head *head, const struct dcd_document_file *snapshot, struct dcd_json **ret,
			   struct dcd_diag *diag)
{
	return document_meta("timestamp", head, "snapshot.json", snapshot, ret, diag);
}

int dcd_document_snapshot_keep(struct dcd_json *document, const struct dcd_json *before, const struct dcd_json *changed,
			       struct dcd_diag *diag)
{
	struct dcd_json *meta = dcd_json_copy(dcd_json_member(document, "meta"));
	const struct dcd_json *const sources[] = { before, changed };
	int err = meta == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		for (void *it = dcd_json_iter(sources[i]); err == 0 && it != NULL; it = dcd_json_iter_next(sources[i], it)) {
			if (strcmp(dcd_json_iter_key(it), "targets.json") != 0) {
				err = dcd_json_set(meta, dcd_json_iter_key(it), dcd_json_copy(dcd_json_iter_value(it)));
			}
		}
	}
	if (err != 0) {
		dcd_json_free(meta);
		return no_memory(diag, "snapshot");
	}
	return dcd_json_set(document, "meta", meta) == 0 ? 0 : no_memory(diag, "snapshot");
}

int dcd_document_set_delegations(struct dcd_json *document, struct dcd_json *delegations, struct dcd_diag *diag)
{
	return dcd_json_set(document, "delegations", delegations) == 0 ? 0 : no_memory(diag, "targets");
}

int dcd_document_set_signing_time(struct dcd_json *document, int64_t now, struct dcd_diag *diag)
{
	char text[DCD_UTC_TIME_SIZE];
	if (dcd_utc_time_format(now, text) != 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "the clock says what no date can");
	}
	return dcd_json_set_string(document, "x-decade-signed", text) == 0 ? 0 : no_memory(diag, "timestamp");
}

int dcd_document_target_entry(const struct dcd_document_file *file, struct dcd_json *custom, struct dcd_json **ret,
			      struct dcd_diag *diag)
{
	struct dcd_json *entry = file_entry(file);
	int err = entry == NULL ? DCD_ERR_NO_MEMORY : 0;
	if (custom != NULL) {
		err |= dcd_json_set(entry, "custom", custom);
	}
	if (err != 0) {
		dcd_json_free(entry);
		return no_memory(diag, "targets");
	}
	*ret = entry;
	return 0;
}

int dcd_document_add_target(struct dcd_json *document, const char *path, struct dcd_json *entry, struct dcd_json **ret,
			    struct dcd_diag *diag)
{
	struct dcd_json *targets = dcd_json_copy(dcd_json_member(document, "targets"));
	int err = dcd_json_set(targets, path, entry);
	err |= dcd_json_set(document, "targets", targets);
	if (err != 0) {
		dcd_json_free(document);
		return no_memory(diag, "targets");
	}
	*ret = document;
	return 0;
}
