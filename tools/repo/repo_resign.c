#include "tools/repo/repo_resign.h"

#include "base/cleanup.h"
#include "manifest/crypto/sha256.h"
#include "tools/repo/repo_text.h"

bool repo_resign_asked(const struct repo_options *options)
{
	return options->mirror_count > 0 || options->no_mirrors;
}

/* --mirror, --no-mirrors: the list as a whole is replaced; without them it stays what it was. */
static int set_mirrors(struct dcd_json *document, const struct repo_options *options, struct dcd_diag *diag)
{
	struct dcd_json *list = dcd_json_new_array();
	int err = 0;
	for (size_t i = 0; i < options->mirror_count; i++) {
		err |= dcd_json_append_string(list, options->mirrors[i]);
	}
	err |= dcd_json_set(document, "x-decade-mirrors", list);
	return err == 0 ? 0 : dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the mirror list");
}

int repo_resign_targets(struct repo_signing *signing, struct repo_publish *publish, const struct repo_view *view,
			const struct repo_options *options, struct dcd_document_file *ret, struct dcd_diag *diag)
{
	int err = repo_signing_load(signing, options, REPO_TARGETS, view, diag);
	struct dcd_document_head head;
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
	uint64_t version = repo_view_version(view, REPO_TARGETS) + 1;
	if (err == 0) {
		err = repo_signing_head(signing, REPO_TARGETS, version, &head, diag);
	}
	if (err == 0) {
		err = dcd_document_targets(&head, repo_view_signed(view, REPO_TARGETS), &document, diag);
	}
	if (err == 0 && repo_resign_asked(options)) {
		err = set_mirrors(document, options, diag);
	}
	DCD_AUTO_FREE char *name = repo_text("%llu.targets.json", (unsigned long long)version);
	return err == 0 ? repo_signing_write(signing, publish, REPO_TARGETS, name, document, ret, diag) : err;
}

int repo_same_file(const struct repo_view *view, enum repo_role role, struct dcd_document_file *ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *name = repo_text("%s.json", repo_role_name(role));
	const struct repo_store_file *file = repo_store_find(&view->store, name);
	if (file == NULL) {
		return dcd_diag_set(diag, DCD_ERR_BUG, "the verified %s was not kept", name);
	}
	*ret = (struct dcd_document_file){ .version = repo_view_version(view, role), .length = file->len };
	dcd_hash_once(&dcd_sha256, file->data, file->len, &ret->sha256);
	return 0;
}
