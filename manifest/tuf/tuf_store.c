#include "manifest/tuf/tuf_store.h"

#include <stdio.h>

struct store_name {
	char text[64];
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

int tuf_store_load_role(struct dcd_tuf *tuf, enum tuf_role_index role, size_t max, struct tuf_bytes *ret_bytes,
			struct tuf_metadata **ret, struct dcd_diag *diag)
{
	char name[32];
	(void)snprintf(name, sizeof name, "%s.json", tuf_role_name(role));
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	int err = tuf_store_load(tuf, 0, name, max, &bytes, diag);
	*ret = NULL;
	if (err != 0 || bytes.data == NULL) {
		return err;
	}
	err = tuf_accept(tuf, role, &bytes, name, ret, NULL);
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
	int err = store->ops->remove(store, "timestamp.json");
	if (err == 0) {
		err = store->ops->remove(store, "snapshot.json");
	}
	if (err == 0) {
		err = store->ops->sync_dir(store);
	}
	return err == 0 ? 0 : dcd_diag_set(diag, err, "%s: old metadata can't be removed (%s)", store->name, dcd_err_name(err));
}
