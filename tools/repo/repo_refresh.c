#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/sign/utc_time.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_publish.h"
#include "tools/repo/repo_resign.h"
#include "tools/repo/repo_signing.h"
#include "tools/repo/repo_supervise.h"
#include "tools/repo/repo_text.h"

struct refresh_work {
	struct repo_place *place;
	const struct repo_options *options;
};

/* Targets that would expire before the new snapshot are signed anew too: a refreshed repository is good for all its snapshot's
 * life. */
static bool targets_end_too_early(const struct repo_signing *signing, const struct repo_view *view)
{
	struct dcd_document_head head;
	char until[DCD_UTC_TIME_SIZE];
	if (repo_signing_head(signing, REPO_SNAPSHOT, 1, &head, NULL) != 0 || dcd_utc_time_format(head.expires, until) != 0) {
		return false;
	}
	/* Times in this form compare as text. */
	return strcmp(repo_view_expires(view, REPO_TARGETS), until) < 0;
}

static int refresh_write(struct repo_signing *signing, struct repo_publish *publish, const struct repo_view *view,
			 const struct refresh_work *work, struct dcd_diag *diag)
{
	const struct repo_options *options = work->options;
	struct dcd_document_file targets;
	int err = repo_signing_load(signing, options, REPO_SNAPSHOT, view, diag);
	if (err == 0) {
		err = repo_signing_load(signing, options, REPO_TIMESTAMP, view, diag);
	}
	if (err == 0) {
		err = targets_end_too_early(signing, view) ? repo_resign_targets(signing, publish, view, options, &targets, diag)
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
