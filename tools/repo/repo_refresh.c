#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/sign/utc_time.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_delegated.h"
#include "tools/repo/repo_publish.h"
#include "tools/repo/repo_resign.h"
#include "tools/repo/repo_signing.h"
#include "tools/repo/repo_supervise.h"
#include "tools/repo/repo_text.h"

struct refresh_work {
	struct repo_place *place;
	const struct repo_options *options;
};

struct refreshing {
	struct repo_signing *signing;
	struct repo_publish *publish;
	const struct repo_view *view;
	const struct repo_options *options;
};

/* Targets that would expire before the new snapshot are signed anew too: a refreshed repository is good for all its snapshot's
 * life. */
static bool ends_too_early(const struct repo_signing *signing, const char *expires)
{
	struct dcd_document_head head;
	char until[DCD_UTC_TIME_SIZE];
	if (repo_signing_head(signing, REPO_SNAPSHOT, 1, &head, NULL) != 0 || dcd_utc_time_format(head.expires, until) != 0) {
		return false;
	}
	/* Times in this form compare as text. */
	return strcmp(expires, until) < 0;
}

static int resign_delegated(const struct refreshing *r, const char *name, const struct dcd_json *before, struct dcd_diag *diag)
{
	struct dcd_document_head head;
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
	uint64_t version = (uint64_t)dcd_json_integer(dcd_json_member(before, "version")) + 1;
	int err = repo_signing_head(r->signing, REPO_TARGETS, version, &head, diag);
	if (err == 0) {
		err = dcd_document_targets(&head, before, &document, diag);
	}
	return err == 0 ? repo_delegated_write(r->signing, r->publish, r->options, repo_view_signed(r->view, REPO_TARGETS), name,
					       document, diag)
			: err;
}

/* A team's keys are most likely not here: then it is told, and everybody else's metadata is refreshed all the same. */
static int refresh_delegated(void *context, const char *name, const struct dcd_json *role_signed, struct dcd_diag *diag)
{
	const struct refreshing *r = context;
	const char *expires = dcd_json_string(dcd_json_member(role_signed, "expires"));
	struct dcd_diag why = { 0 };
	if (!ends_too_early(r->signing, expires) || repo_delegated_role(repo_view_signed(r->view, REPO_TARGETS), name) == NULL) {
		return 0;
	}
	int err = resign_delegated(r, name, role_signed, &why);
	if (err == DCD_ERR_SIGNATURE) {
		fprintf(stderr, "decade-repo: warning: the delegated role %s expires %s and can't be signed anew here: %s\n",
			name, expires, why.text);
		return 0;
	}
	return err == 0 ? 0 : dcd_diag_set(diag, err, "%s", why.text);
}

static int refresh_write(struct repo_signing *signing, struct repo_publish *publish, const struct repo_view *view,
			 const struct refresh_work *work, struct dcd_diag *diag)
{
	const struct repo_options *options = work->options;
	struct dcd_document_file targets;
	struct refreshing refreshing = { signing, publish, view, options };
	int err = repo_signing_load(signing, options, REPO_SNAPSHOT, view, diag);
	if (err == 0) {
		err = repo_signing_load(signing, options, REPO_TIMESTAMP, view, diag);
	}
	if (err == 0) {
		err = repo_delegated_each(view, refresh_delegated, &refreshing, diag);
	}
	if (err == 0) {
		bool resign = repo_resign_asked(options) || ends_too_early(signing, repo_view_expires(view, REPO_TARGETS));
		err = resign ? repo_resign_targets(signing, publish, view, options, &targets, diag)
			     : repo_same_file(view, REPO_TARGETS, &targets, diag);
	}
	if (err == 0) {
		err = repo_signing_write_upper(signing, publish, &targets, repo_view_version(view, REPO_SNAPSHOT) + 1,
					       repo_view_version(view, REPO_TIMESTAMP) + 1, diag);
	}
	if (err == 0) {
		err = repo_publish_check(publish, signing->now, diag);
	}
	return err == 0 ? repo_publish_commit(publish, diag) : err;
}

static int refresh_work(void *context, struct dcd_diag *diag)
{
	const struct refresh_work *work = context;
	struct repo_signing signing = { .expires_days = work->options->expires_days };
	struct repo_publish publish = { 0 };
	DCD_CLEANUP(repo_view_closep) struct repo_view *view = NULL;
	int err = repo_clock_now(&signing.now, diag);
	if (err == 0) {
		err = repo_view_open(work->place, NULL, NULL, signing.now, &view, diag);
	}
	if (err == 0) {
		err = repo_publish_begin(work->place, &publish, diag);
	}
	if (err == 0) {
		err = refresh_write(&signing, &publish, view, work, diag);
	}
	if (err == 0) {
		printf("signed timestamp %llu and snapshot %llu of %s\n",
		       (unsigned long long)repo_view_version(view, REPO_TIMESTAMP) + 1,
		       (unsigned long long)repo_view_version(view, REPO_SNAPSHOT) + 1, work->place->root);
	}
	repo_publish_free(&publish);
	repo_signing_free(&signing);
	return err;
}

int repo_refresh(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	int err = repo_place_check_keys(place, options->keys, diag);
	struct refresh_work work = { place, options };
	return err == 0 ? repo_supervise(place, refresh_work, &work, diag) : err;
}
