#include "manifest/tuf/tuf_snapshot.h"
#include "manifest/tuf/tuf_store.h"
#include "manifest/tuf/tuf_time.h"

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

/* A time that somebody signed is no earlier than when they did, unless it says what can't be: then it says nothing. */
static int64_t signing_time(const struct tuf_metadata *timestamp)
{
	int64_t seconds = 0;
	const char *text = dcd_json_string(dcd_json_member(timestamp->body, "x-decade-signed"));
	return text != NULL && tuf_time_parse(text, &seconds) && seconds < timestamp->expires ? seconds : 0;
}

int64_t dcd_tuf_signing_time(const struct dcd_tuf *tuf)
{
	return tuf->timestamp == NULL ? 0 : signing_time(tuf->timestamp);
}

/*
 * The floor lives in the stored timestamp and nowhere else. So it is always authenticated by the keys that count now, and a
 * stolen timestamp key that signed a time far ahead locks nobody out for longer than the key is trusted: the root that replaces
 * it takes the floor along (see root_keep()).
 */
int tuf_clock_floor(struct dcd_tuf *tuf, struct dcd_diag *diag)
{
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *stored = NULL;
	int err = tuf_store_load_role(tuf, TUF_ROLE_TIMESTAMP, DCD_TUF_TIMESTAMP_MAX, &bytes, &stored, diag);
	if (err == 0 && stored != NULL && signing_time(stored) > tuf->start_time) {
		tuf->start_time = signing_time(stored);
	}
	return err;
}

/*
 * A stored timestamp that was damaged can't say any more what it had seen. The stored snapshot can, if it verifies: its version
 * is the lowest that a timestamp may name.
 */
static int check_floor(struct dcd_tuf *tuf, const struct tuf_file_entry *entry, const char *what, struct dcd_diag *diag)
{
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *stored = NULL;
	int err = tuf_store_load_role(tuf, TUF_ROLE_SNAPSHOT, DCD_TUF_SNAPSHOT_MAX, &bytes, &stored, diag);
	if (err == 0 && stored != NULL && entry->version < stored->version) {
		err = dcd_diag_set(diag, DCD_ERR_METADATA_ROLLBACK,
				   "%s: it names snapshot version %llu, older than version %llu in the store", what,
				   (unsigned long long)entry->version, (unsigned long long)stored->version);
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
	const struct tuf_signed_file file = tuf_top_level_file(tuf, TUF_ROLE_TIMESTAMP);
	int err = tuf_store_load_role(tuf, TUF_ROLE_TIMESTAMP, DCD_TUF_TIMESTAMP_MAX, &old_bytes, &trusted, diag);
	if (err == 0) {
		err = tuf_path_make(tuf->options.metadata_prefix, 0, name, &path, diag);
	}
	if (err == 0) {
		err = tuf_fetch(tuf, path.text, DCD_TUF_TIMESTAMP_MAX, &bytes, diag);
	}
	if (err == 0) {
		err = tuf_accept(&file, &bytes, path.text, &fresh, diag);
	}
	if (err == 0) {
		err = tuf_timestamp_snapshot_entry(fresh, path.text, &entry, diag);
	}
	if (err == 0 && trusted != NULL) {
		err = check_rollback(trusted, fresh, path.text, diag);
	} else if (err == 0) {
		err = check_floor(tuf, &entry, path.text, diag);
	}
	/* The same version again: nothing has changed, and one version must not have two contents, so the first one stays. */
	bool unchanged = err == 0 && trusted != NULL && trusted->version == fresh->version;
	struct tuf_metadata **chosen = unchanged ? &trusted : &fresh;
	if (err == 0) {
		err = tuf_check_expiry(tuf, tuf_role_name(TUF_ROLE_TIMESTAMP), *chosen, path.text, diag);
	}
	if (err == 0 && !unchanged) {
		err = tuf_store_keep(tuf, 0, name, &bytes, diag);
	}
	if (err == 0) {
		tuf->timestamp = *chosen;
		*chosen = NULL;
	}
	return err;
}
