#include "manifest/tuf/tuf_store.h"

#include <stdio.h>
#include <string.h>

struct store_name {
	char text[DCD_DIR_NAME_MAX + 1];
};

static struct store_name store_name_make(uint64_t version, const char *name)
{
	struct store_name made;
	if (version == 0) {
		(void)snprintf(made.text, sizeof made.text, "%s", name);
	} else {
		(void)snprintf(made.text, sizeof made.text, "%llu.%s", (unsigned long long)version, name);
	}
	return made;
}

int tuf_store_load(struct dcd_tuf *tuf, uint64_t version, const char *name, size_t max, struct tuf_bytes *ret,
		   struct dcd_diag *diag)
{
	struct store_name file = store_name_make(version, name);
	struct tuf_bytes bytes = { 0 };
	int err = dcd_dir_load(tuf->options.store, file.text, max, &bytes.data, &bytes.len, NULL);
	if (err == DCD_ERR_NO_MEMORY) {
		return dcd_diag_set(diag, err, "no memory to read the stored %s", file.text);
	}
	*ret = err == 0 ? bytes : (struct tuf_bytes){ 0 };
	return 0;
}

/* Timestamp and snapshot are forgotten before their keys are; targets stay, so that for those another key is no damage. */
static bool is_damage(enum tuf_role_index role, const struct tuf_bytes *bytes, const char *type)
{
	TUF_AUTO_METADATA struct tuf_metadata *metadata = NULL;
	return role != TUF_ROLE_TARGETS || tuf_metadata_parse(bytes, type, "", &metadata, NULL) == DCD_ERR_MALFORMED;
}

static int note_damage(struct dcd_tuf *tuf, enum tuf_role_index role, const struct tuf_signed_file *file, size_t max,
		       struct dcd_diag *diag)
{
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	int err = tuf_store_load(tuf, 0, file->name, max, &bytes, diag);
	if (err == 0 && bytes.data != NULL && strstr(tuf->damaged, file->name) == NULL && is_damage(role, &bytes, file->type)) {
		size_t used = strlen(tuf->damaged);
		(void)snprintf(tuf->damaged + used, sizeof tuf->damaged - used, "%s%s", used > 0 ? ", " : "", file->name);
	}
	return err;
}

int tuf_store_load_role(struct dcd_tuf *tuf, enum tuf_role_index role, size_t max, struct tuf_bytes *ret_bytes,
			struct tuf_metadata **ret, struct dcd_diag *diag)
{
	const struct tuf_signed_file file = tuf_top_level_file(tuf, role);
	int err = tuf_store_load_signed(tuf, &file, file.name, max, ret_bytes, ret, diag);
	return err == 0 && *ret == NULL ? note_damage(tuf, role, &file, max, diag) : err;
}

int tuf_store_load_signed(struct dcd_tuf *tuf, const struct tuf_signed_file *file, const char *name, size_t max,
			  struct tuf_bytes *ret_bytes, struct tuf_metadata **ret, struct dcd_diag *diag)
{
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	int err = tuf_store_load(tuf, 0, name, max, &bytes, diag);
	*ret = NULL;
	if (err != 0 || bytes.data == NULL) {
		return err;
	}
	err = tuf_accept(file, &bytes, name, ret, NULL);
	if (err == 0) {
		*ret_bytes = bytes;
		bytes = (struct tuf_bytes){ 0 };
	}
	return err == DCD_ERR_NO_MEMORY ? dcd_diag_set(diag, err, "no memory to read the stored %s", name) : 0;
}

int tuf_store_keep(struct dcd_tuf *tuf, uint64_t version, const char *name, const struct tuf_bytes *bytes, struct dcd_diag *diag)
{
	struct store_name file = store_name_make(version, name);
	return dcd_dir_replace(tuf->options.store, file.text, bytes->data, bytes->len, diag);
}

int tuf_store_forget(struct dcd_tuf *tuf, struct dcd_diag *diag)
{
	struct dcd_dir *store = tuf->options.store;
	static const char *const names[] = { "timestamp.json", "snapshot.json", "targets.json" };
	int err = 0;
	for (size_t i = 0; err == 0 && i < sizeof names / sizeof names[0]; i++) {
		err = store->ops->remove(store, names[i]);
	}
	if (err == 0) {
		err = store->ops->sync_dir(store);
	}
	return err == 0 ? 0 : dcd_diag_set(diag, err, "%s: old metadata can't be removed (%s)", store->name, dcd_err_name(err));
}
