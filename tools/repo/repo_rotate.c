#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_key_change.h"
#include "tools/repo/repo_publish.h"
#include "tools/repo/repo_resign.h"
#include "tools/repo/repo_signing.h"
#include "tools/repo/repo_supervise.h"
#include "tools/repo/repo_text.h"

struct rotate_work {
	struct repo_place *place;
	const struct repo_options *options;
	enum repo_role role;
	struct repo_signing signing;
	struct repo_publish publish;
	struct repo_view *view;
};

/* Only keys that some role still lists go on. */
static struct dcd_json *used_keys(const struct dcd_json *keys, const struct dcd_json *roles)
{
	struct dcd_json *used = dcd_json_new_object();
	int err = 0;
	for (void *it = dcd_json_iter(roles); it != NULL; it = dcd_json_iter_next(roles, it)) {
		const struct dcd_json *ids = dcd_json_member(dcd_json_iter_value(it), "keyids");
		for (size_t i = 0; i < dcd_json_count(ids); i++) {
			const char *id = dcd_json_string(dcd_json_item(ids, i));
			if (dcd_json_member(keys, id) != NULL) {
				err |= dcd_json_set(used, id, dcd_json_copy(dcd_json_member(keys, id)));
			}
		}
	}
	if (err != 0) {
		dcd_json_free(used);
		return NULL;
	}
	return used;
}

static int make_root(struct rotate_work *work, struct dcd_json **ret, struct dcd_diag *diag)
{
	const struct dcd_json *root = repo_view_signed(work->view, REPO_ROOT);
	const struct dcd_json *before = dcd_json_member(root, "roles");
	const char *name = repo_role_name(work->role);
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *keys = NULL;
	struct dcd_json *role = NULL;
	struct dcd_document_head head;
	repo_signing_keys(&work->signing, work->options);
	int err = repo_signing_head(&work->signing, REPO_ROOT, repo_view_version(work->view, REPO_ROOT) + 1, &head, diag);
	if (err == 0) {
		err = repo_key_change(&work->signing.keys, work->options, name, dcd_json_member(root, "keys"),
				      dcd_json_member(before, name), &keys, &role, diag);
	}
	if (err != 0) {
		return err;
	}
	struct dcd_json *roles = dcd_json_copy(before);
	if (dcd_json_set(roles, name, role) != 0) {
		dcd_json_free(roles);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for root metadata");
	}
	return dcd_document_root_of(&head, used_keys(keys, roles), roles, ret, diag);
}

/* The old root's keys vouch for the new root, and its own ones show that they are there (TUF §5.3.4). */
static int write_root(struct rotate_work *work, const struct dcd_json *document, struct dcd_diag *diag)
{
	struct dcd_document_file file;
	DCD_AUTO_FREE char *name = repo_text("%llu.root.json", (unsigned long long)repo_view_version(work->view, REPO_ROOT) + 1);
	int err = repo_signing_load(&work->signing, work->options, REPO_ROOT, work->view, diag);
	if (err == 0) {
		err = repo_signing_load_by(&work->signing, work->options, REPO_ROOT, document, diag);
	}
	return err == 0 ? repo_signing_write(&work->signing, &work->publish, REPO_ROOT, name, document, &file, diag) : err;
}

/* What the changed role signs, and all that names it, is signed anew: by the keys of the new root. */
static int write_below(struct rotate_work *work, const struct dcd_json *root, struct dcd_diag *diag)
{
	struct dcd_document_file file = { 0 };
	int err = 0;
	/* In the order of the enumeration: targets, snapshot, timestamp. */
	for (int role = (int)work->role; err == 0 && role < REPO_ROLES; role++) {
		err = repo_signing_load_by(&work->signing, work->options, (enum repo_role)role, root, diag);
	}
	if (err == 0 && work->role == REPO_TARGETS) {
		err = repo_resign_targets(&work->signing, &work->publish, work->view, work->options, &file, diag);
	} else if (err == 0) {
		err = repo_same_file(work->view, work->role == REPO_SNAPSHOT ? REPO_TARGETS : REPO_SNAPSHOT, &file, diag);
	}
	if (err == 0 && work->role != REPO_TIMESTAMP) {
		const struct dcd_document_file targets = file;
		err = repo_signing_write_snapshot(&work->signing, &work->publish, &targets,
						  repo_view_version(work->view, REPO_SNAPSHOT) + 1, &file, diag);
	}
	return err == 0 ? repo_signing_write_timestamp(&work->signing, &work->publish, &file,
						       repo_view_version(work->view, REPO_TIMESTAMP) + 1, diag)
			: err;
}

static int rotate(struct rotate_work *work, struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *root = NULL;
	int err = repo_clock_now(&work->signing.now, diag);
	if (err == 0) {
		err = repo_view_open(work->place, NULL, NULL, work->signing.now, &work->view, diag);
	}
	if (err == 0) {
		err = make_root(work, &root, diag);
	}
	if (err == 0) {
		err = repo_publish_begin(work->place, &work->publish, diag);
	}
	if (err == 0) {
		err = write_root(work, root, diag);
	}
	if (err == 0 && work->role != REPO_ROOT) {
		err = write_below(work, root, diag);
	}
	if (err == 0) {
		err = repo_publish_check(&work->publish, work->signing.now, diag);
	}
	if (err == 0) {
		err = repo_publish_commit(&work->publish, diag);
	}
	if (err == 0) {
		printf("signed  root %llu of %s: new keys or threshold for %s\n",
		       (unsigned long long)repo_view_version(work->view, REPO_ROOT) + 1, work->place->root,
		       repo_role_name(work->role));
	}
	return err;
}

static int rotate_work(void *context, struct dcd_diag *diag)
{
	struct rotate_work *work = context;
	work->signing.expires_days = work->options->expires_days;
	int err = rotate(work, diag);
	repo_publish_free(&work->publish);
	repo_signing_free(&work->signing);
	repo_view_close(work->view);
	return err;
}

int repo_rotate(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	int role = 0;
	while (role < REPO_ROLES && (options->role == NULL || strcmp(repo_role_name((enum repo_role)role), options->role) != 0)) {
		role++;
	}
	if (role == REPO_ROLES) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "rotate needs --role root, targets, snapshot or timestamp");
	}
	int err = repo_place_check_keys(place, options->keys, diag);
	struct rotate_work work = { .place = place, .options = options, .role = (enum repo_role)role };
	return err == 0 ? repo_supervise(place, rotate_work, &work, diag) : err;
}
