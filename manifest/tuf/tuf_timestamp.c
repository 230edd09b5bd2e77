#include "manifest/tuf/tuf_snapshot.h"
#include "manifest/tuf/tuf_store.h"

int tuf_timestamp_snapshot_entry(const struct tuf_metadata *timestamp, const char *what, struct tuf_file_entry *ret,
				 struct dcd_diag *diag)
{
	const struct dcd_json *meta = NULL;
	int err = dcd_json_get_object(timestamp->body, "meta", what, &meta, diag);
	return err != 0 ? err : tuf_file_entry_read(dcd_json_member(meta, "snapshot.json"), "snapshot.json", what, ret, diag);
}

/* §5.4.3: neither the timestamp's version nor the snapshot's in it may fall. */
static int check_rollback(const struct tuf_metadata *trusted, const struct tuf_metadata *fresh, const char *what,
			  struct dcd_diag *diag)
{
	if (fresh->version < trusted->version) {
		return dcd_diag_set(diag, DCD_ERR_METADATA_ROLLBACK, "%s: version %llu, older than version %llu seen before",
				    what, (unsigned long long)fresh->version, (unsigned long long)trusted->version);
	}
	struct tuf_file_entry before, after;
	if (tuf_timestamp_snapshot_entry(trusted, "the stored timestamp", &before, NULL) != 0) {
		return 0;
	}
	int err = tuf_timestamp_snapshot_entry(fresh, what, &after, diag);
	if (err == 0 && after.version < before.version) {
		err = dcd_diag_set(diag, DCD_ERR_METADATA_ROLLBACK,
				   "%s: it names snapshot version %llu, older than version %llu seen before", what,
				   (unsigned long long)after.version, (unsigned long long)before.version);
	}
	return err;
}

int tuf_timestamp_update(struct dcd_tuf *tuf, struct dcd_diag *diag)
{
	static const char name[] = "timestamp.json";
	struct tuf_path path;
	TUF_AUTO_BYTES struct tuf_bytes old_bytes = { 0 };
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *trusted = NULL;
	TUF_AUTO_METADATA struct tuf_metadata *fresh = NULL;
	struct tuf_file_entry entry;
	int err = tuf_store_load_role(tuf, TUF_ROLE_TIMESTAMP, DCD_TUF_TIMESTAMP_MAX, &old_bytes, &trusted, diag);
	if (err == 0) {
		err = tuf_path_make(tuf->options.metadata_prefix, 0, name, &path, diag);
	}
	if (err == 0) {
		err = tuf_fetch(tuf, path.text, DCD_TUF_TIMESTAMP_MAX, &bytes, diag);
	}
	if (err == 0) {
		err = tuf_accept(tuf, TUF_ROLE_TIMESTAMP, &bytes, path.text, &fresh, diag);
	}
	if (err == 0) {
		err = tuf_timestamp_snapshot_entry(fresh, path.text, &entry, diag);
	}
	if (err == 0 && trusted != NULL) {
		err = check_rollback(trusted, fresh, path.text, diag);
	}
	if (err == 0) {
		err = tuf_check_expiry(tuf, TUF_ROLE_TIMESTAMP, fresh, path.text, diag);
	}
	/* The same version again: nothing has changed, and one version must not have two contents, so the first one stays. */
	bool unchanged = err == 0 && trusted != NULL && trusted->version == fresh->version;
	if (err == 0 && !unchanged) {
		err = tuf_store_keep(tuf, 0, name, &bytes, diag);
	}
	if (err == 0) {
		struct tuf_metadata **chosen = unchanged ? &trusted : &fresh;
		tuf->timestamp = *chosen;
		*chosen = NULL;
	}
	return err;
}
