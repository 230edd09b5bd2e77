#include "manifest/tuf/tuf_snapshot.h"

#include "manifest/tuf/tuf_store.h"

int tuf_snapshot_entry(const struct tuf_metadata *snapshot, const char *name, const char *what, struct tuf_file_entry *ret,
		       struct dcd_diag *diag)
{
	const struct dcd_json *meta = NULL;
	int err = dcd_json_get_object(snapshot->body, "meta", what, &meta, diag);
	return err != 0 ? err : tuf_file_entry_read(dcd_json_member(meta, name), name, what, ret, diag);
}

/* §5.5.5: what the trusted snapshot lists must still be there, at no lower version. */
static int check_rollback(const struct tuf_metadata *trusted, const struct tuf_metadata *fresh, const char *what,
			  struct dcd_diag *diag)
{
	const struct dcd_json *before = dcd_json_member(trusted->body, "meta");
	const struct dcd_json *after = dcd_json_member(fresh->body, "meta");
	for (void *it = dcd_json_iter(before); it != NULL; it = dcd_json_iter_next(before, it)) {
		const char *name = dcd_json_iter_key(it);
		int64_t seen = dcd_json_integer(dcd_json_member(dcd_json_iter_value(it), "version"));
		struct tuf_file_entry entry;
		if (dcd_json_member(after, name) == NULL) {
			return dcd_diag_set(diag, DCD_ERR_METADATA_ROLLBACK, "%s: %.128s has vanished from it", what, name);
		}
		int err = tuf_file_entry_read(dcd_json_member(after, name), name, what, &entry, diag);
		if (err != 0) {
			return err;
		}
		if (seen > 0 && entry.version < (uint64_t)seen) {
			return dcd_diag_set(diag, DCD_ERR_METADATA_ROLLBACK,
					    "%s: it names version %llu of %.128s, older than version %lld seen before", what,
					    (unsigned long long)entry.version, name, (long long)seen);
		}
	}
	return 0;
}

static bool is_current(const struct tuf_file_entry *entry, const struct tuf_metadata *stored, const struct tuf_bytes *bytes)
{
	return stored != NULL && stored->version == entry->version && tuf_file_entry_check(entry, bytes, "", NULL) == 0;
}

/* §5.5.1 to §5.5.7 for a snapshot that is not in the store. */
static int snapshot_fetch(struct dcd_tuf *tuf, const struct tuf_file_entry *entry, const struct tuf_metadata *trusted,
			  struct tuf_metadata **ret, struct dcd_diag *diag)
{
	struct tuf_path path;
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *fresh = NULL;
	struct tuf_file_entry targets;
	const struct tuf_signed_file file = tuf_top_level_file(tuf, TUF_ROLE_SNAPSHOT);
	int err = tuf_fetch_entry(tuf, &file, entry, DCD_TUF_SNAPSHOT_MAX, &path, &bytes, &fresh, diag);
	if (err == 0) {
		err = tuf_snapshot_entry(fresh, "targets.json", path.text, &targets, diag);
	}
	if (err == 0 && trusted != NULL) {
		err = check_rollback(trusted, fresh, path.text, diag);
	}
	if (err == 0) {
		err = tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_SNAPSHOT), fresh, path.text, diag);
	}
	if (err == 0) {
		err = tuf_store_keep(tuf, 0, "snapshot.json", &bytes, diag);
	}
	if (err == 0) {
		*ret = fresh;
		fresh = NULL;
	}
	return err;
}

int tuf_snapshot_update(struct dcd_tuf *tuf, struct dcd_diag *diag)
{
	struct tuf_file_entry entry;
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *trusted = NULL;
	int err = tuf_timestamp_snapshot_entry(tuf->timestamp, "timestamp.json", &entry, diag);
	if (err == 0) {
		err = tuf_store_load_role(tuf, TUF_ROLE_SNAPSHOT, DCD_TUF_SNAPSHOT_MAX, &bytes, &trusted, diag);
	}
	if (err != 0) {
		return err;
	}
	if (!is_current(&entry, trusted, &bytes)) {
		return snapshot_fetch(tuf, &entry, trusted, &tuf->snapshot, diag);
	}
	err = tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_SNAPSHOT), trusted, "the stored snapshot", diag);
	if (err == 0) {
		tuf->snapshot = trusted;
		trusted = NULL;
	}
	return err;
}
