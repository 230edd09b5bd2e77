#include "manifest/tuf/tuf_delegated.h"

#include <stdio.h>
#include <string.h>

#include "manifest/tuf/tuf_snapshot.h"
#include "manifest/tuf/tuf_store.h"
#include "manifest/tuf/tuf_targets.h"

#define FILE_NAME_SIZE (TUF_ROLE_NAME_MAX + sizeof ".json")
#define STORE_SUFFIX ".new" /* dcd_dir_replace()'s */

void tuf_delegated_free(struct dcd_tuf *tuf)
{
	while (tuf->delegated != NULL) {
		struct tuf_delegated *first = tuf->delegated;
		tuf->delegated = first->next;
		tuf_metadata_free(first->metadata);
		free(first);
	}
}

const struct tuf_delegated *tuf_delegated_find(const struct dcd_tuf *tuf, const struct tuf_metadata *delegator, const char *name)
{
	for (const struct tuf_delegated *one = tuf->delegated; one != NULL; one = one->next) {
		if (one->delegator == delegator && strcmp(one->name, name) == 0) {
			return one;
		}
	}
	return NULL;
}

/* ---- names ---- */

/* A role may be called anything: its '/' is part of the name, and must not become a folder anywhere. */
static void request_name(const char *name, char ret[FILE_NAME_SIZE])
{
	(void)snprintf(ret, FILE_NAME_SIZE, "%s.json", name);
	for (char *c = ret; *c != '\0'; c++) {
		*c = *c == '/' ? DCD_SOURCE_SLASH : *c;
	}
}

/* "1.root" would be stored over a link of the chain of roots. */
static bool is_a_roots_name(const char *name)
{
	size_t digits = strspn(name, "0123456789");
	return digits > 0 && strcmp(name + digits, ".root") == 0;
}

/* Percent-encoded (RFC 3986), as others name such files. False where the name can't be stored: it is fetched each time then. */
static bool store_name(const char *name, char ret[DCD_DIR_NAME_MAX + 1])
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~";
	const size_t room = DCD_DIR_NAME_MAX + 1 - sizeof STORE_SUFFIX - (sizeof ".json" - 1);
	size_t used = 0;
	for (const char *c = name; *c != '\0'; c++) {
		bool as_is = strchr(plain, *c) != NULL;
		if (used + 3 > room) {
			return false;
		}
		used += (size_t)snprintf(ret + used, 4, as_is ? "%c" : "%%%02X", as_is ? *c : (unsigned char)*c);
	}
	memcpy(ret + used, ".json", sizeof ".json");
	return !is_a_roots_name(name);
}

/* ---- one role ---- */

/* One role's file on its way to being trusted. */
struct loading {
	struct tuf_signed_file file;
	struct tuf_file_entry entry;
	bool storable;
	char request[FILE_NAME_SIZE];
	char stored[DCD_DIR_NAME_MAX + 1];
};

static int load_stored(struct dcd_tuf *tuf, const struct loading *loading, struct tuf_metadata **ret, struct dcd_diag *diag)
{
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *metadata = NULL;
	*ret = NULL;
	if (!loading->storable) {
		return 0;
	}
	int err = tuf_store_load_signed(tuf, &loading->file, loading->stored, DCD_TUF_TARGETS_MAX, &bytes, &metadata, diag);
	if (err == 0 && metadata != NULL && metadata->version == loading->entry.version &&
	    tuf_file_entry_check(&loading->entry, &bytes, "", NULL) == 0 && tuf_targets_check(metadata, "", NULL) == 0) {
		*ret = metadata;
		metadata = NULL;
	}
	return err;
}

/* ---- what nobody delegates to any more ---- */

static const struct dcd_json *roles_of(const struct tuf_metadata *metadata)
{
	return dcd_json_member(dcd_json_member(metadata->body, "delegations"), "roles");
}

static bool delegates_to(const struct tuf_metadata *metadata, const char *name)
{
	const struct dcd_json *roles = roles_of(metadata);
	for (size_t i = 0; i < dcd_json_count(roles); i++) {
		const char *own = dcd_json_string(dcd_json_member(dcd_json_item(roles, i), "name"));
		if (own != NULL && strcmp(own, name) == 0) {
			return true;
		}
	}
	return false;
}

static int forget_roles(struct dcd_tuf *tuf, const struct tuf_metadata *old, const struct tuf_metadata *next)
{
	const struct dcd_json *roles = roles_of(old);
	struct dcd_dir *store = tuf->options.store;
	int err = 0;
	for (size_t i = 0; err == 0 && i < dcd_json_count(roles); i++) {
		char stored[DCD_DIR_NAME_MAX + 1];
		const char *name = dcd_json_string(dcd_json_member(dcd_json_item(roles, i), "name"));
		if (name != NULL && tuf_delegation_name_ok(name) && !delegates_to(next, name) && store_name(name, stored)) {
			err = store->ops->remove(store, stored);
		}
	}
	return err;
}

int tuf_delegated_forget(struct dcd_tuf *tuf, const char *stored_name, const struct tuf_metadata *next, struct dcd_diag *diag)
{
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *old = NULL;
	int err = tuf_store_load(tuf, 0, stored_name, DCD_TUF_TARGETS_MAX, &bytes, diag);
	if (err != 0 || bytes.data == NULL || tuf_metadata_parse(&bytes, "targets", stored_name, &old, NULL) != 0) {
		return err;
	}
	/* Before the new file is stored, which makes it durable: a cut in between costs a fetch, and leaves nothing behind for
	 * ever. */
	err = forget_roles(tuf, old, next);
	return err == 0 ? 0
			: dcd_diag_set(diag, err, "%s: old metadata can't be removed (%s)", tuf->options.store->name,
				       dcd_err_name(err));
}

/* ---- one role, fresh ---- */

static int load_fresh(struct dcd_tuf *tuf, const struct loading *loading, const char *name, struct tuf_metadata **ret,
		      struct dcd_diag *diag)
{
	struct tuf_path path;
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	TUF_AUTO_METADATA struct tuf_metadata *fresh = NULL;
	int err = tuf_fetch_entry(tuf, &loading->file, &loading->entry, DCD_TUF_TARGETS_MAX, &path, &bytes, &fresh, diag);
	if (err == 0) {
		err = tuf_targets_check(fresh, path.text, diag);
	}
	if (err == 0) {
		err = tuf_check_expiry(tuf, name, fresh, path.text, diag);
	}
	if (err == 0 && loading->storable) {
		err = tuf_delegated_forget(tuf, loading->stored, fresh, diag);
	}
	if (err == 0 && loading->storable) {
		err = tuf_store_keep(tuf, 0, loading->stored, &bytes, diag);
	}
	if (err == 0) {
		*ret = fresh;
		fresh = NULL;
	}
	return err;
}

static int load_verified(struct dcd_tuf *tuf, const struct tuf_delegation *delegation, const struct tuf_role *role,
			 struct tuf_metadata **ret, struct dcd_diag *diag)
{
	struct loading loading = { .file = { .type = "targets", .role = role } };
	char listed[FILE_NAME_SIZE];
	TUF_AUTO_METADATA struct tuf_metadata *metadata = NULL;
	request_name(delegation->name, loading.request);
	loading.file.name = loading.request;
	loading.storable = store_name(delegation->name, loading.stored);
	(void)snprintf(listed, sizeof listed, "%s.json", delegation->name);
	int err = tuf_snapshot_entry(tuf->snapshot, listed, "snapshot.json", &loading.entry, diag);
	if (err == 0) {
		err = load_stored(tuf, &loading, &metadata, diag);
	}
	if (err == 0 && metadata != NULL) {
		err = tuf_check_expiry(tuf, delegation->name, metadata, loading.stored, diag);
	} else if (err == 0) {
		err = load_fresh(tuf, &loading, delegation->name, &metadata, diag);
	}
	if (err == 0) {
		*ret = metadata;
		metadata = NULL;
	}
	return err;
}

int tuf_delegated_load(struct dcd_tuf *tuf, const struct tuf_metadata *delegator, const struct tuf_delegation *delegation,
		       const struct tuf_delegated **ret, struct dcd_diag *diag)
{
	const struct tuf_delegated *known = tuf_delegated_find(tuf, delegator, delegation->name);
	if (known != NULL) {
		*ret = known;
		return 0;
	}
	struct tuf_role role = { 0 };
	struct tuf_delegated *one = calloc(1, sizeof *one);
	int err = one == NULL ? dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for role %.64s", delegation->name) : 0;
	if (err == 0) {
		err = tuf_role_read(delegation->keys, delegation->role, delegation->name, "its delegator", &role, diag);
	}
	if (err == 0) {
		err = load_verified(tuf, delegation, &role, &one->metadata, diag);
		tuf_role_clear(&role);
	}
	if (err != 0) {
		free(one);
		return err;
	}
	memcpy(one->name, delegation->name, sizeof one->name);
	one->delegator = delegator;
	one->next = tuf->delegated;
	tuf->delegated = one;
	*ret = one;
	return 0;
}
