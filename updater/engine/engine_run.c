/* How a run begins and ends. */
#include "updater/engine/engine_run.h"

#include <stdlib.h>
#include <string.h>

void dcd_run_set_text(char *to, size_t size, const char *from)
{
	size_t len = from == NULL ? 0 : strnlen(from, size - 1);
	memcpy(to, from == NULL ? "" : from, len);
	to[len] = '\0';
}

struct dcd_slot_record *dcd_run_running_record(struct dcd_run *run)
{
	return &run->session.state.slot[run->session.boot.booted];
}

/* The image that the running slot is known to hold in that class, or null. */
const struct dcd_hash *dcd_run_running_image_id(struct dcd_run *run, const char *class_name)
{
	const struct dcd_slot_record *record = dcd_run_running_record(run);
	if (record->content != DCD_CONTENT_VERIFIED) {
		record = &run->bases;
	}
	for (size_t i = 0; i < record->image_count; i++) {
		if (strcmp(record->images[i].class_name, class_name) == 0) {
			return &record->images[i].image_id;
		}
	}
	return NULL;
}

static bool release_is_offered(void *context, const struct dcd_tuf_target *target)
{
	const struct dcd_run *run = context;
	char path[DCD_TUF_PATH_SIZE];
	/* A path that no source can have is not refused here, where it would be in silence. */
	return dcd_tuf_target_path(run->tuf, target, path, NULL) != 0 || dcd_source_has(run->engine->source, path);
}

static int run_open(struct dcd_run *run, struct dcd_engine *engine, bool again, struct dcd_report *report, struct dcd_diag *diag)
{
	memset(report, 0, sizeof *report);
	run->engine = engine;
	run->report = report;
	int err = dcd_session_open(engine, true, &run->session, diag);
	if (err != 0) {
		return err;
	}
	run->slot = dcd_slot_other(run->session.boot.booted);
	run->policy = (struct dcd_policy){
		.product = engine->product,
		.board = engine->board,
		.channel = engine->channel,
		.state = &run->session.state,
		.booted = run->session.boot.booted,
		.again = again,
		.offered = engine->source != NULL && engine->source->ops->has != NULL ? release_is_offered : NULL,
		.offered_context = run,
	};
	return 0;
}

/* Closes what the run opened, fills in the report's last numbers, and frees the run. */
static void run_close(struct dcd_run *run)
{
	for (size_t i = 0; i < DCD_RELEASE_IMAGES_MAX; i++) {
		struct dcd_image_job *job = &run->jobs[i];
		dcd_image_job_close(job);
		if (job->target != NULL) {
			job->target->ops->close(job->target);
		}
		if (job->base != NULL) {
			job->base->ops->close(job->base);
		}
	}
	if (run->engine->source != NULL) {
		run->report->source = run->engine->source->stats;
	}
	dcd_release_free(run->release);
	dcd_tuf_free(run->tuf);
	free(run);
}

static bool worth_noting(const struct dcd_run *run, int err)
{
	if (err == DCD_ERR_UP_TO_DATE || err == DCD_ERR_CANCELLED || err == DCD_ERR_JOURNAL || err == DCD_ERR_NOT_CONFIRMED) {
		return false;
	}
	/* Why a release was rolled back is worth more than that it isn't tried again, or that a server was away since. */
	bool rolled_back = run->session.state.last.kind == DCD_OUTCOME_ROLLED_BACK;
	return !(rolled_back && (err == DCD_ERR_KNOWN_BAD || dcd_err_exit_code(err) == 6));
}

/*
 * What a stream lacks by its index, it may also have under a name that somebody changed: its headers, further on, tell. So it is
 * read to its end before anybody is told to try again later.
 */
static int doubt_stream(struct dcd_run *run, int err, struct dcd_diag *diag)
{
	struct dcd_source *source = run->engine->source;
	struct dcd_diag why = { 0 };
	if (err != DCD_ERR_NOT_FOUND || source == NULL || !source->sequential) {
		return err;
	}
	int finish_err = dcd_source_finish(source, &why);
	return dcd_err_exit_code(finish_err) != 5 ? err : dcd_diag_set(diag, finish_err, "%s", why.text);
}

/* The reason stays: in the journal, for status and for the report. The run's own error is the one that is returned. */
static int run_failed(struct dcd_run *run, int err, struct dcd_diag *diag)
{
	err = doubt_stream(run, err, diag);
	int code = dcd_err_exit_code(err);
	enum dcd_outcome_kind kind = code == 4 || code == 5 ? DCD_OUTCOME_REFUSED : DCD_OUTCOME_FAILED;
	const char *reason = diag != NULL ? diag->text : dcd_err_name(err);
	if (worth_noting(run, err) &&
	    dcd_life_note(&run->session.state, kind, err, run->report->version, reason, run->session.now) &&
	    dcd_session_store_journal(&run->session, NULL) != 0) {
		return err; /* the medium that can't keep the reason is most likely the reason */
	}
	return err;
}

int dcd_run_do(struct dcd_engine *engine, bool again, dcd_run_step *step, const void *options, struct dcd_report *report,
	       struct dcd_diag *diag)
{
	struct dcd_run *run = calloc(1, sizeof *run);
	if (run == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to begin");
	}
	int err = run_open(run, engine, again, report, diag);
	if (err == 0) {
		err = step(run, options, diag);
		if (err != 0) {
			err = run_failed(run, err, diag);
		}
	}
	run_close(run);
	return err;
}
