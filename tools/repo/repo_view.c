#include "tools/repo/repo_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"

const char *repo_role_name(enum repo_role role)
{
	static const char *const names[REPO_ROLES] = { "root", "targets", "snapshot", "timestamp" };
	return names[role];
}

int repo_view_missing(int err, struct dcd_diag *diag)
{
	if (err == DCD_ERR_NOT_FOUND || err == DCD_ERR_BROKEN_OFF) {
		err = DCD_ERR_UNLISTED;
		if (diag != NULL) {
			diag->err = err;
		}
	}
	return err;
}

const struct dcd_json *repo_view_signed(const struct repo_view *view, enum repo_role role)
{
	return dcd_json_member(view->documents[role], "signed");
}

uint64_t repo_view_version(const struct repo_view *view, enum repo_role role)
{
	return (uint64_t)dcd_json_integer(dcd_json_member(repo_view_signed(view, role), "version"));
}

const char *repo_view_expires(const struct repo_view *view, enum repo_role role)
{
	const char *text = dcd_json_string(dcd_json_member(repo_view_signed(view, role), "expires"));
	return text == NULL ? "" : text;
}

static int parse_document(struct repo_view *view, enum repo_role role, const void *data, size_t len, struct dcd_diag *diag)
{
	return dcd_json_parse(data, len, repo_role_name(role), &view->documents[role], diag);
}

/* The verified documents, as the client has put them into its store. The root that it started from is not in there. */
static int view_load_documents(struct repo_view *view, size_t anchor_len, struct dcd_diag *diag)
{
	struct dcd_tuf_versions versions;
	dcd_tuf_versions(view->tuf, &versions);
	DCD_AUTO_FREE char *root = repo_text("%llu.root.json", (unsigned long long)versions.root);
	const struct repo_store_file *file = repo_store_find(&view->store, root);
	int err = file != NULL ? parse_document(view, REPO_ROOT, file->data, file->len, diag)
			       : parse_document(view, REPO_ROOT, view->anchor, anchor_len, diag);
	for (int role = REPO_TARGETS; err == 0 && role < REPO_ROLES; role++) {
		DCD_AUTO_FREE char *name = repo_text("%s.json", repo_role_name((enum repo_role)role));
		file = repo_store_find(&view->store, name);
		err = file == NULL ? dcd_diag_set(diag, DCD_ERR_BUG, "the verified %s was not kept", name)
				   : parse_document(view, (enum repo_role)role, file->data, file->len, diag);
	}
	if (err != 0) {
		return err;
	}
	view->product = dcd_json_string(dcd_json_member(repo_view_signed(view, REPO_TARGETS), "x-decade-product"));
	if (view->product == NULL) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED,
				    "the targets metadata has no x-decade-product: not a repository of decade-repo");
	}
	return 0;
}

static int view_add_release(void *context, const struct dcd_tuf_target *target)
{
	struct repo_view *view = context;
	struct dcd_release_summary summary;
	/* A target of another kind is none of ours; `check` still hashes it. */
	if (dcd_release_summarize(target, &summary, NULL) != 0) {
		return 0;
	}
	view->releases = repo_grow(view->releases, view->release_count + 1, sizeof *view->releases);
	view->releases[view->release_count++] = (struct repo_view_release){ .target = *target, .summary = summary };
	return 0;
}

static int newest_first(const void *a, const void *b)
{
	uint64_t x = ((const struct repo_view_release *)a)->summary.sequence_number;
	uint64_t y = ((const struct repo_view_release *)b)->summary.sequence_number;
	return x < y ? 1 : x > y ? -1 : 0;
}

static int view_refresh(struct repo_view *view, const char *anchor, int64_t now, struct dcd_diag *diag)
{
	size_t anchor_len = 0;
	int err = repo_file_load(anchor, DCD_TUF_ROOT_MAX, &view->anchor, &anchor_len, diag);
	if (err != 0) {
		return repo_view_missing(err, diag);
	}
	struct dcd_tuf_options options = {
		.source = &view->source.base,
		.store = &view->store.base,
		.metadata_prefix = "metadata/",
		.targets_prefix = "targets/",
		.factory_root = (const uint8_t *)view->anchor,
		.factory_root_len = anchor_len,
		.start_time = now,
		.expiry = DCD_EXPIRY_REPORT,
	};
	err = dcd_tuf_new(&options, &view->tuf, diag);
	if (err == 0) {
		err = dcd_tuf_refresh(view->tuf, diag);
	}
	if (err == 0) {
		err = dcd_tuf_load_delegations(view->tuf, "", diag);
	}
	if (err == 0) {
		err = view_load_documents(view, anchor_len, diag);
	}
	if (err == 0) {
		err = dcd_tuf_each_target(view->tuf, view_add_release, view);
	}
	return repo_view_missing(err, diag);
}

int repo_view_open(const struct repo_place *place, const char *over, const char *anchor, int64_t now, struct repo_view **ret,
		   struct dcd_diag *diag)
{
	if (over == NULL && !repo_file_exists(place->root)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: no such folder; make a repository with `decade-repo init`",
				    place->root);
	}
	struct repo_view *view = repo_alloc(1, sizeof *view);
	repo_source_init(&view->source, over, place->root);
	repo_store_init(&view->store);
	DCD_AUTO_FREE char *own = repo_text("%s/metadata/1.root.json", place->root);
	DCD_AUTO_FREE char *prepared = repo_text("%s/metadata/1.root.json", over == NULL ? "" : over);
	const char *first = over != NULL && repo_file_exists(prepared) ? prepared : own;
	int err = view_refresh(view, anchor != NULL ? anchor : first, now, diag);
	if (err != 0) {
		repo_view_close(view);
		return err;
	}
	if (view->release_count > 1) {
		qsort(view->releases, view->release_count, sizeof *view->releases, newest_first);
	}
	*ret = view;
	return 0;
}

void repo_view_close(struct repo_view *view)
{
	if (view == NULL) {
		return;
	}
	for (size_t i = 0; i < view->release_count; i++) {
		dcd_release_free(view->releases[i].release);
	}
	free(view->releases);
	for (int role = 0; role < REPO_ROLES; role++) {
		dcd_json_free(view->documents[role]);
	}
	dcd_tuf_free(view->tuf);
	free(view->anchor);
	repo_store_free(&view->store);
	free(view);
}

void repo_view_closep(struct repo_view **view)
{
	repo_view_close(*view);
}

int repo_view_load_releases(struct repo_view *view, struct dcd_diag *diag)
{
	for (size_t i = 0; i < view->release_count; i++) {
		struct repo_view_release *entry = &view->releases[i];
		int err = entry->release == NULL ? dcd_release_load(view->tuf, &entry->target, &entry->release, diag) : 0;
		if (err != 0) {
			return repo_view_missing(err, diag);
		}
	}
	return 0;
}

const struct repo_view_release *repo_view_find(const struct repo_view *view, const char *version)
{
	for (size_t i = 0; i < view->release_count; i++) {
		if (strcmp(view->releases[i].summary.version, version) == 0) {
			return &view->releases[i];
		}
	}
	return NULL;
}

char *repo_view_target_file(const struct dcd_tuf_target *target)
{
	char hex[DCD_HASH_HEX_SIZE];
	dcd_hash_to_hex(&target->sha256, hex);
	const char *slash = strrchr(target->path, '/');
	const char *name = slash == NULL ? target->path : slash + 1;
	return repo_text("targets/%.*s%s.%s", (int)(name - target->path), target->path, hex, name);
}
