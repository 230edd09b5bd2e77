#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_delegated.h"
#include "tools/repo/repo_key_change.h"
#include "tools/repo/repo_publish.h"
#include "tools/repo/repo_signing.h"
#include "tools/repo/repo_supervise.h"
#include "tools/repo/repo_text.h"

struct delegate_work {
	struct repo_place *place;
	const struct repo_options *options;
	struct repo_signing signing;
	struct repo_publish publish;
	struct repo_view *view;
};

/* Name, paths and termination: what the command line says, or what they were. */
static int describe_role(const struct repo_options *options, const struct dcd_json *before, struct dcd_json *role,
			 struct dcd_diag *diag)
{
	struct dcd_json *paths = dcd_json_new_array();
	int err = dcd_json_set_string(role, "name", options->name);
	for (size_t i = 0; i < options->path_count; i++) {
		err |= dcd_json_append_string(paths, options->paths[i]);
	}
	if (options->path_count == 0) {
		dcd_json_free(paths);
		paths = dcd_json_copy(dcd_json_member(before, "paths"));
	}
	bool terminating = options->terminating || dcd_json_bool(dcd_json_member(before, "terminating"));
	err |= dcd_json_set(role, "paths", paths);
	err |= dcd_json_set_bool(role, "terminating", terminating);
	return err == 0 ? 0 : dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a delegation");
}

/* All roles with this one changed where it stands, or last. Takes `role` over. */
static struct dcd_json *with_role(const struct dcd_json *roles, const char *name, struct dcd_json *role)
{
	struct dcd_json *all = dcd_json_new_array();
	int err = role == NULL ? DCD_ERR_NO_MEMORY : 0;
	bool placed = false;
	for (size_t i = 0; err == 0 && i < dcd_json_count(roles); i++) {
		const struct dcd_json *one = dcd_json_item(roles, i);
		bool same = strcmp(dcd_json_string(dcd_json_member(one, "name")), name) == 0;
		err = dcd_json_append(all, dcd_json_copy(same ? role : one));
		placed = placed || same;
	}
	if (err == 0 && !placed) {
		err = dcd_json_append(all, dcd_json_copy(role));
	}
	dcd_json_free(role);
	if (err != 0) {
		dcd_json_free(all);
		return NULL;
	}
	return all;
}

static int make_delegations(struct delegate_work *work, const struct dcd_json *targets, struct dcd_json **ret,
			    struct dcd_diag *diag)
{
	const struct dcd_json *before = repo_delegated_role(targets, work->options->name);
	const struct dcd_json *old = dcd_json_member(targets, "delegations");
	struct dcd_json *keys = NULL, *role = NULL;
	repo_signing_keys(&work->signing, work->options);
	if (before != NULL && !repo_key_change_asked(work->options)) {
		keys = dcd_json_copy(dcd_json_member(old, "keys"));
		role = dcd_json_copy(before);
	} else {
		int err = repo_key_change(&work->signing.keys, work->options, work->options->name, dcd_json_member(old, "keys"),
					  before, &keys, &role, diag);
		if (err != 0) {
			return err;
		}
	}
	int err = describe_role(work->options, before, role, diag);
	struct dcd_json *fresh = dcd_json_new_object();
	int full = dcd_json_set(fresh, "keys", keys);
	full |= dcd_json_set(fresh, "roles", with_role(dcd_json_member(old, "roles"), work->options->name, role));
	if (err == 0 && full != 0) {
		err = dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for delegations");
	}
	if (err != 0) {
		dcd_json_free(fresh);
		return err;
	}
	*ret = fresh;
	return 0;
}

/* The delegated role's own metadata: its first version, or the next one by its new keys. */
static int write_role(struct delegate_work *work, const struct dcd_json *targets, struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *envelope = NULL;
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
	struct dcd_document_head head;
	int err = repo_delegated_load(work->view, work->options->name, &envelope, diag);
	const struct dcd_json *before = dcd_json_member(envelope, "signed");
	uint64_t version = (uint64_t)dcd_json_integer(dcd_json_member(before, "version")) + 1;
	if (err == 0) {
		err = repo_signing_head(&work->signing, REPO_TARGETS, version, &head, diag);
	}
	if (err == 0) {
		err = dcd_document_targets(&head, before, &document, diag);
	}
	return err == 0 ? repo_delegated_write(&work->signing, &work->publish, work->options, targets, work->options->name,
					       document, diag)
			: err;
}

static int write_all(struct delegate_work *work, struct dcd_diag *diag)
{
	const struct dcd_json *before = repo_view_signed(work->view, REPO_TARGETS);
	uint64_t version = repo_view_version(work->view, REPO_TARGETS) + 1;
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
	DCD_AUTO_FREE char *name = repo_text("%llu.targets.json", (unsigned long long)version);
	struct dcd_json *delegations = NULL;
	struct dcd_document_head head;
	struct dcd_document_file file;
	int err = make_delegations(work, before, &delegations, diag);
	if (err == 0) {
		err = repo_signing_head(&work->signing, REPO_TARGETS, version, &head, diag);
	}
	if (err == 0) {
		err = dcd_document_targets(&head, before, &document, diag);
	}
	if (err != 0) {
		dcd_json_free(delegations);
		return err;
	}
	err = dcd_document_set_delegations(document, delegations, diag);
	if (err == 0) {
		err = write_role(work, document, diag);
	}
	if (err == 0) {
		err = repo_signing_write(&work->signing, &work->publish, REPO_TARGETS, name, document, &file, diag);
	}
	return err == 0 ? repo_signing_write_upper(&work->signing, &work->publish, &file,
						   repo_view_version(work->view, REPO_SNAPSHOT) + 1,
						   repo_view_version(work->view, REPO_TIMESTAMP) + 1, diag)
			: err;
}

static int delegate(struct delegate_work *work, struct dcd_diag *diag)
{
	int err = repo_clock_now(&work->signing.now, diag);
	if (err == 0) {
		err = repo_view_open(work->place, NULL, NULL, work->signing.now, &work->view, diag);
	}
	for (int role = REPO_TARGETS; err == 0 && role < REPO_ROLES; role++) {
		err = repo_signing_load(&work->signing, work->options, (enum repo_role)role, work->view, diag);
	}
	if (err == 0) {
		err = repo_publish_begin(work->place, &work->publish, diag);
	}
	if (err == 0) {
		err = write_all(work, diag);
	}
	if (err == 0) {
		err = repo_publish_check(&work->publish, work->signing.now, diag);
	}
	if (err == 0) {
		err = repo_publish_commit(&work->publish, diag);
	}
	if (err == 0) {
		printf("delegated to %s in %s\n", work->options->name, work->place->root);
	}
	return err;
}

static int delegate_work(void *context, struct dcd_diag *diag)
{
	struct delegate_work *work = context;
	work->signing.expires_days = work->options->expires_days;
	int err = delegate(work, diag);
	repo_publish_free(&work->publish);
	repo_signing_free(&work->signing);
	repo_view_close(work->view);
	return err;
}

int repo_delegate(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	if (options->name == NULL) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "delegate needs --name NAME and, for a new role, --path PATTERN");
	}
	int err = repo_place_check_keys(place, options->keys, diag);
	struct delegate_work work = { .place = place, .options = options };
	return err == 0 ? repo_supervise(place, delegate_work, &work, diag) : err;
}
