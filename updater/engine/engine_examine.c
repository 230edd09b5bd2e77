/* What a source holds, before anything is decided. */
#include <stdio.h>

#include "updater/engine/engine_state.h"

struct search {
	const struct dcd_engine *engine;
	const struct dcd_tuf *tuf;
	bool found;
	uint64_t sequence;
	struct dcd_tuf_target target;
};

static int consider(void *context, const struct dcd_tuf_target *target)
{
	struct search *search = context;
	struct dcd_release_summary summary;
	char path[DCD_TUF_PATH_SIZE];
	if (dcd_release_summarize(target, &summary, NULL) != 0 ||
	    (search->found && summary.sequence_number <= search->sequence) ||
	    dcd_tuf_target_path(search->tuf, target, path, NULL) != 0 || !dcd_source_has(search->engine->source, path)) {
		return 0;
	}
	search->found = true;
	search->sequence = summary.sequence_number;
	search->target = *target;
	return 0;
}

static int examine(struct dcd_engine *engine, struct dcd_tuf *tuf, struct dcd_examination *ret, struct dcd_diag *diag)
{
	struct search search = { .engine = engine, .tuf = tuf };
	int err = dcd_tuf_refresh(tuf, diag);
	if (err == 0) {
		err = dcd_tuf_each_target(tuf, consider, &search);
	}
	if (err == 0 && !search.found) {
		err = dcd_diag_set(diag, DCD_ERR_UNLISTED, "%s: holds no release that its metadata lists", engine->source->name);
	}
	if (err == 0) {
		err = dcd_release_load(tuf, &search.target, &ret->release, diag);
	}
	if (err == 0) {
		const char *stale = dcd_tuf_stale(tuf);
		(void)snprintf(ret->stale, sizeof ret->stale, "%s", stale == NULL ? "" : stale);
		dcd_tuf_versions(tuf, &ret->versions);
	}
	return err;
}

int dcd_engine_examine(struct dcd_engine *engine, struct dcd_examination *ret, struct dcd_diag *diag)
{
	struct dcd_session session;
	struct dcd_tuf *tuf = NULL;
	int err = dcd_session_open(engine, false, &session, diag);
	if (err != 0) {
		return err;
	}
	const struct dcd_tuf_options options = {
		.source = engine->source,
		.store = engine->metadata,
		.metadata_prefix = "metadata/",
		.targets_prefix = "targets/",
		.factory_root = engine->factory_root,
		.factory_root_len = engine->factory_root_len,
		.start_time = session.now,
		.expiry = DCD_EXPIRY_REPORT,
	};
	err = dcd_tuf_new(&options, &tuf, diag);
	if (err == 0) {
		err = examine(engine, tuf, ret, diag);
	}
	dcd_tuf_free(tuf);
	return err;
}
