#include "tools/repo/repo_delegated.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/tuf/tuf_glob.h"
#include "tools/repo/repo_text.h"

const struct dcd_json *repo_delegated_role(const struct dcd_json *targets, const char *name)
{
	const struct dcd_json *roles = dcd_json_member(dcd_json_member(targets, "delegations"), "roles");
	for (size_t i = 0; i < dcd_json_count(roles); i++) {
		const struct dcd_json *role = dcd_json_item(roles, i);
		const char *own = dcd_json_string(dcd_json_member(role, "name"));
		if (own != NULL && strcmp(own, name) == 0) {
			return role;
		}
	}
	return NULL;
}

bool repo_delegated_covers(const struct dcd_json *role, const char *path)
{
	const struct dcd_json *paths = dcd_json_member(role, "paths");
	for (size_t i = 0; i < dcd_json_count(paths); i++) {
		if (tuf_glob_match(dcd_json_string(dcd_json_item(paths, i)), path)) {
			return true;
		}
	}
	return false;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *at = c == '\0' ? NULL : strchr(digits, c);
	return at == NULL ? -1 : (int)(at - digits);
}

/* "team%3Aa.json" is team:a.json: the client stores roles under percent-encoded names. */
static char *listed_name(const char *stored)
{
	char *name = repo_text("%s", stored);
	char *to = name;
	for (const char *c = stored; *c != '\0'; c++) {
		int high = *c == '%' ? hex_digit(c[1]) : -1;
		int low = high >= 0 ? hex_digit(c[2]) : -1;
		*to++ = (char)(low >= 0 ? high << 4 | low : *c);
		c += low >= 0 ? 2 : 0;
	}
	*to = '\0';
	return name;
}

char *repo_delegated_path(const struct dcd_json *snapshot, const char *stored)
{
	DCD_AUTO_FREE char *listed = listed_name(stored);
	const struct dcd_json *entry = dcd_json_member(dcd_json_member(snapshot, "meta"), listed);
	if (entry == NULL || strcmp(listed, "targets.json") == 0) {
		return NULL;
	}
	return repo_text("metadata/%lld.%s", (long long)dcd_json_integer(dcd_json_member(entry, "version")), listed);
}

int repo_delegated_each(const struct repo_view *view,
			int (*each)(void *context, const char *name, const struct dcd_json *role_signed, struct dcd_diag *diag),
			void *context, struct dcd_diag *diag)
{
	const struct dcd_json *meta = dcd_json_member(repo_view_signed(view, REPO_SNAPSHOT), "meta");
	int err = 0;
	for (void *it = dcd_json_iter(meta); err == 0 && it != NULL; it = dcd_json_iter_next(meta, it)) {
		const char *listed = dcd_json_iter_key(it);
		size_t len = strlen(listed);
		if (len <= 5 || strcmp(listed + len - 5, ".json") != 0 || strcmp(listed, "targets.json") == 0) {
			continue;
		}
		DCD_AUTO_FREE char *name = repo_text("%.*s", (int)(len - 5), listed);
		DCD_CLEANUP(dcd_json_freep) struct dcd_json *envelope = NULL;
		err = repo_delegated_load(view, name, &envelope, diag);
		/* Listed by an old snapshot, delegated to by nobody any more: nothing that counts. */
		if (err == 0 && envelope != NULL) {
			err = each(context, name, dcd_json_member(envelope, "signed"), diag);
		}
	}
	return err;
}

int repo_delegated_load(const struct repo_view *view, const char *name, struct dcd_json **ret_envelope, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *wanted = repo_text("%s.json", name);
	*ret_envelope = NULL;
	for (size_t i = 0; i < view->store.count; i++) {
		const struct repo_store_file *file = &view->store.files[i];
		DCD_AUTO_FREE char *listed = listed_name(file->name);
		if (strcmp(listed, wanted) == 0) {
			return dcd_json_parse(file->data, file->len, wanted, ret_envelope, diag);
		}
	}
	return 0;
}

int repo_delegated_write(struct repo_signing *signing, struct repo_publish *publish, const struct repo_options *options,
			 const struct dcd_json *targets, const char *name, const struct dcd_json *document, struct dcd_diag *diag)
{
	struct repo_signers signers = { .count = 0 };
	struct dcd_document_file file;
	repo_signing_keys(signing, options);
	int err = repo_keys_for_role(&signing->keys, dcd_json_member(dcd_json_member(targets, "delegations"), "keys"),
				     repo_delegated_role(targets, name), name, &signers, diag);
	DCD_AUTO_FREE char *versioned =
		repo_text("%lld.%s.json", (long long)dcd_json_integer(dcd_json_member(document, "version")), name);
	if (err == 0) {
		err = repo_signing_write_as(&signers, publish, DCD_TUF_TARGETS_MAX, versioned, document, &file, diag);
	}
	if (err != 0) {
		return err;
	}
	DCD_AUTO_FREE char *listed = repo_text("%s.json", name);
	signing->meta_changed = signing->meta_changed == NULL ? dcd_json_new_object() : signing->meta_changed;
	err = dcd_json_set(signing->meta_changed, listed, dcd_document_meta_entry(&file));
	return err == 0 ? 0 : dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the snapshot");
}
