/* Check, install, repair: from "is there anything?" to a verified, activated slot. */
#include <stdlib.h>
#include <string.h>

#include "updater/engine/engine_state.h"
#include "updater/engine/policy.h"
#include "updater/engine/slot_identity.h"

#define TARGETS_PREFIX "targets/"

/* One run of check, install or repair. */
struct run {
	struct dcd_engine *engine;
	struct dcd_session session;
	struct dcd_policy policy;
	struct dcd_tuf *tuf;
	struct dcd_tuf_target target;
	struct dcd_release *release;
	int slot; /* the one to be written */
	struct dcd_slot_record bases; /* images that the running slot was found to hold, where it has no record */
	struct dcd_image_ports image_ports;
	struct dcd_image_job jobs[DCD_RELEASE_IMAGES_MAX];
	struct dcd_progress progress;
	struct dcd_report *report;
};

static void set_text(char *to, size_t size, const char *from)
{
	size_t len = from == NULL ? 0 : strnlen(from, size - 1);
	memcpy(to, from == NULL ? "" : from, len);
	to[len] = '\0';
}

static struct dcd_slot_record *running_record(struct run *run)
{
	return &run->session.state.slot[run->session.boot.booted];
}

/* ---- finding out what there is ---- */

/*
 * The newest verified signing time, for the clock that status and reports are dated by. It follows the timestamp downwards too:
 * after a stolen timestamp key has been replaced, what that key said of the time is gone. Expiry has its own floor, in the
 * metadata store.
 */
static int keep_time_floor(struct run *run, struct dcd_diag *diag)
{
	int64_t signed_at = dcd_tuf_signing_time(run->tuf);
	if (signed_at <= 0 || signed_at == run->session.state.time_floor) {
		return 0;
	}
	run->session.state.time_floor = signed_at;
	return dcd_session_store_journal(&run->session, diag);
}

static int refresh(struct run *run, struct dcd_diag *diag)
{
	struct dcd_engine *engine = run->engine;
	const struct dcd_tuf_options options = {
		.source = engine->source,
		.store = engine->metadata,
		.metadata_prefix = "metadata/",
		.targets_prefix = TARGETS_PREFIX,
		.factory_root = engine->factory_root,
		.factory_root_len = engine->factory_root_len,
		.start_time = dcd_session_clock(engine),
		.expiry = engine->expiry,
	};
	run->progress.stage = DCD_STAGE_CHECKING;
	if (engine->progress.report != NULL && engine->progress.report(engine->progress.context, &run->progress) != 0) {
		return dcd_diag_set(diag, DCD_ERR_CANCELLED, "cancelled");
	}
	int err = dcd_tuf_new(&options, &run->tuf, diag);
	if (err == 0) {
		err = dcd_tuf_refresh(run->tuf, diag);
	}
	if (err == 0) {
		err = dcd_tuf_load_delegations(run->tuf, DCD_RELEASE_FOLDER, diag);
	}
	if (err == 0) {
		set_text(run->report->stale, sizeof run->report->stale, dcd_tuf_stale(run->tuf));
		err = keep_time_floor(run, diag);
	}
	return err;
}

static int check_classes(const struct run *run, struct dcd_diag *diag)
{
	const struct dcd_slot_port *slots = &run->engine->slots;
	for (size_t i = 0; i < slots->class_count; i++) {
		if (dcd_release_image_find(run->release, slots->classes[i]) == NULL) {
			return dcd_diag_set(diag, DCD_ERR_WRONG_CLASSES, "release %s has no image for '%s', which this device's slots have",
					    run->release->version, slots->classes[i]);
		}
	}
	for (size_t i = 0; i < run->release->image_count; i++) {
		bool found = false;
		for (size_t j = 0; j < slots->class_count && !found; j++) {
			found = strcmp(run->release->images[i].class_name, slots->classes[j]) == 0;
		}
		if (!found) {
			return dcd_diag_set(diag, DCD_ERR_WRONG_CLASSES, "release %s has an image '%s', which this device's slots lack",
					    run->release->version, run->release->images[i].class_name);
		}
	}
	return 0;
}

/* The manifest is fetched once: a stream doesn't bring it twice. */
static int load_release(struct run *run, struct dcd_diag *diag)
{
	int err = 0;
	if (run->release == NULL || !dcd_hash_equal(&run->release->manifest_hash, &run->target.sha256)) {
		/* When this fails, the first one must not be freed again. */
		dcd_release_free(run->release);
		run->release = NULL;
		err = dcd_release_load(run->tuf, &run->target, &run->release, diag);
	}
	if (err == 0) {
		set_text(run->report->version, sizeof run->report->version, run->release->version);
		err = dcd_policy_check_release(&run->policy, run->release, diag);
	}
	if (err == 0) {
		err = check_classes(run, diag);
	}
	return err;
}

/* Who doesn't know what runs can't take a delta, nor tell "newer": so find out, once, and remember it. */
static int identify_running(struct run *run, bool *ret_found, struct dcd_diag *diag)
{
	struct dcd_diag why = { 0 };
	int err = dcd_slot_identify(run->engine, run->tuf, run->release, run->session.boot.booted, &run->bases, &why);
	*ret_found = err == 0;
	if (err == DCD_ERR_UNKNOWN_CONTENT || err == DCD_ERR_IO) {
		return 0; /* a full install needs no base */
	}
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s", why.text);
	}
	*running_record(run) = run->bases;
	return dcd_session_store_journal(&run->session, diag);
}

static int already_waiting(const struct run *run, struct dcd_diag *diag)
{
	const struct dcd_device_state *state = &run->session.state;
	if (run->policy.again || state->phase != DCD_PHASE_PENDING || run->session.boot.booted == state->target ||
	    !dcd_hash_equal(&state->slot[state->target].manifest_hash, &run->target.sha256)) {
		return 0;
	}
	return dcd_diag_set(diag, DCD_ERR_UP_TO_DATE, "release %s is installed already; reboot to try it",
			    state->slot[state->target].version);
}

static int select_release(struct run *run, struct dcd_diag *diag)
{
	int err = refresh(run, diag);
	if (err == 0) {
		err = dcd_policy_choose(&run->policy, run->tuf, &run->target, diag);
	}
	if (err == 0) {
		err = load_release(run, diag);
	}
	if (err == 0 && running_record(run)->content != DCD_CONTENT_VERIFIED) {
		bool found = false;
		err = identify_running(run, &found, diag);
		if (err == 0 && found) {
			err = dcd_policy_choose(&run->policy, run->tuf, &run->target, diag);
		}
		if (err == 0 && found) {
			err = load_release(run, diag);
		}
	}
	if (running_record(run)->content == DCD_CONTENT_VERIFIED) {
		set_text(run->report->from_version, sizeof run->report->from_version, running_record(run)->version);
	}
	return err != 0 ? err : already_waiting(run, diag);
}

/* The image that the running slot is known to hold in that class, or null. */
static const struct dcd_hash *running_image_id(struct run *run, const char *class_name)
{
	const struct dcd_slot_record *record = running_record(run);
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

static void estimate(struct run *run, bool no_delta)
{
	for (size_t i = 0; i < run->release->image_count; i++) {
		const struct dcd_release_image *image = &run->release->images[i];
		const struct dcd_release_payload *full = dcd_release_payload_find(image, NULL);
		const struct dcd_hash *base_id = no_delta ? NULL : running_image_id(run, image->class_name);
		const struct dcd_release_payload *best = base_id == NULL ? NULL : dcd_release_payload_find(image, base_id);
		if (best != NULL && !dcd_payload_is_offered(run->engine->source, TARGETS_PREFIX, best)) {
			best = NULL;
		}
		run->report->delta = run->report->delta || best != NULL;
		run->report->bytes_full += full->length;
		run->report->bytes_best += best != NULL ? best->length : full->length;
	}
}

/* ---- making ready, with nothing written ---- */

static int too_small(const struct run *run, const struct dcd_release_image *image, const struct dcd_blockdev *target, struct dcd_diag *diag)
{
	return dcd_diag_set(diag, DCD_ERR_SLOT_TOO_SMALL, "%s has %llu bytes, but the image '%s' of release %s needs %llu", target->name,
			    (unsigned long long)target->size, image->class_name, run->release->version,
			    (unsigned long long)image->size);
}

/* What an install would find out before it writes: that each image fits, and that the source has a payload for it. Nothing is fetched. */
static int check_images(struct run *run, struct dcd_diag *diag)
{
	struct dcd_slot_port *slots = &run->engine->slots;
	for (size_t i = 0; i < run->release->image_count; i++) {
		const struct dcd_release_image *image = &run->release->images[i];
		struct dcd_blockdev *target = NULL;
		int err = slots->open(slots->context, run->slot, image->class_name, false, &target, diag);
		if (err == 0) {
			err = image->size > target->size ? too_small(run, image, target, diag) : 0;
			target->ops->close(target);
		}
		if (err == 0) {
			err = dcd_image_check_offered(run->engine->source, TARGETS_PREFIX, image,
						      running_image_id(run, image->class_name), diag);
		}
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

static int open_devices(struct run *run, struct dcd_image_job *job, bool full, struct dcd_diag *diag)
{
	struct dcd_slot_port *slots = &run->engine->slots;
	int err = slots->open(slots->context, run->slot, job->image->class_name, true, &job->target, diag);
	if (err != 0) {
		return err;
	}
	if (job->image->size > job->target->size) {
		return too_small(run, job->image, job->target, diag);
	}
	job->base_id = full ? NULL : running_image_id(run, job->image->class_name);
	if (job->base_id == NULL) {
		return 0;
	}
	/* A running slot that can't be opened costs the delta, not the update. */
	if (slots->open(slots->context, run->session.boot.booted, job->image->class_name, false, &job->base, NULL) != 0) {
		job->base = NULL;
	}
	return 0;
}

static int open_jobs(struct run *run, bool full, struct dcd_diag *diag)
{
	struct dcd_engine *engine = run->engine;
	run->image_ports = (struct dcd_image_ports){
		.source = engine->source, .targets_prefix = TARGETS_PREFIX, .stream = engine->stream, .new_writer = engine->new_writer,
		.alg = engine->alg, .zstd = engine->zstd, .progress = &engine->progress,
	};
	int err = 0;
	for (size_t i = 0; err == 0 && i < run->release->image_count; i++) {
		struct dcd_image_job *job = &run->jobs[i];
		job->ports = &run->image_ports;
		job->image = &run->release->images[i];
		job->stats = &run->report->stats;
		job->shared = &run->progress;
		err = open_devices(run, job, full, diag);
	}
	for (size_t i = 0; err == 0 && i < run->release->image_count; i++) {
		err = dcd_image_job_open(&run->jobs[i], diag);
	}
	return err;
}

static uint64_t image_bytes(const struct run *run)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < run->release->image_count; i++) {
		sum += run->release->images[i].size;
	}
	return sum;
}

/* *ret_todo: segments that are not right yet, in all images. */
static int scan(struct run *run, uint64_t *ret_todo, struct dcd_diag *diag)
{
	uint64_t todo = 0, todo_bytes = 0;
	run->progress.done = 0;
	run->progress.total = image_bytes(run);
	for (size_t i = 0; i < run->release->image_count; i++) {
		struct dcd_image_job *job = &run->jobs[i];
		int err = dcd_image_job_scan(job, diag);
		if (err != 0) {
			return err;
		}
		todo += job->todo;
		todo_bytes += job->todo * job->image->segment_size;
	}
	run->progress.done = 0;
	run->progress.total = todo_bytes < image_bytes(run) ? todo_bytes : image_bytes(run);
	*ret_todo = todo;
	return 0;
}

/* ---- writing ---- */

/* The loader forgets the slot before its first byte changes; the journal says what it is becoming. */
static int begin_writing(struct run *run, struct dcd_diag *diag)
{
	const struct dcd_device_state before = run->session.state;
	dcd_life_begin_writing(&run->session.state, &run->session.boot, run->slot, run->release);
	int err = dcd_session_store_boot(&run->session, diag);
	if (err != 0) {
		run->session.state = before; /* the reason of the failure goes to the journal; what didn't begin must not */
		return err;
	}
	return dcd_session_store_journal(&run->session, diag);
}

static int write_images(struct run *run, struct dcd_diag *diag)
{
	for (size_t i = 0; i < run->release->image_count; i++) {
		int err = dcd_image_job_run(&run->jobs[i], diag);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

static int stage(struct run *run, bool full, struct dcd_diag *diag)
{
	const struct dcd_device_state *state = &run->session.state;
	const struct dcd_slot_record *other = &state->slot[run->slot];
	if (!run->policy.again && state->phase == DCD_PHASE_STAGED &&
	    dcd_hash_equal(&other->manifest_hash, &run->target.sha256)) {
		return 0; /* an earlier install with --no-activate, or one cut before the flip */
	}
	uint64_t todo = 0;
	int err = open_jobs(run, full, diag);
	if (err == 0) {
		err = scan(run, &todo, diag);
	}
	if (err == 0) {
		err = begin_writing(run, diag);
	}
	if (err == 0) {
		err = write_images(run, diag);
	}
	if (err == 0) {
		err = dcd_source_finish(run->engine->source, diag);
	}
	if (err != 0) {
		return err;
	}
	if (run->policy.again) {
		dcd_life_forget_bad(&run->session.state, &run->release->manifest_hash);
	}
	dcd_life_staged(&run->session.state, run->session.now);
	return dcd_session_store_journal(&run->session, diag);
}

static int activate(struct run *run, struct dcd_diag *diag)
{
	struct dcd_session *session = &run->session;
	int err = dcd_life_activate(&session->state, &session->boot, run->engine->tries, session->now, diag);
	if (err == 0) {
		err = dcd_session_store_journal(session, diag);
	}
	return err != 0 ? err : dcd_session_store_boot(session, diag);
}

/* ---- how a run begins and ends ---- */

static bool release_is_offered(void *context, const struct dcd_tuf_target *target)
{
	const struct run *run = context;
	char path[DCD_TUF_PATH_SIZE];
	/* A path that no source can have is not refused here, where it would be in silence. */
	return dcd_tuf_target_path(run->tuf, target, path, NULL) != 0 || dcd_source_has(run->engine->source, path);
}

static int run_open(struct run *run, struct dcd_engine *engine, bool again, struct dcd_report *report, struct dcd_diag *diag)
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
		.product = engine->product, .board = engine->board, .channel = engine->channel,
		.state = &run->session.state, .booted = run->session.boot.booted, .again = again,
		.offered = engine->source != NULL && engine->source->ops->has != NULL ? release_is_offered : NULL,
		.offered_context = run,
	};
	return 0;
}

static void run_close(struct run *run)
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

static bool worth_noting(const struct run *run, int err)
{
	if (err == DCD_ERR_UP_TO_DATE || err == DCD_ERR_CANCELLED || err == DCD_ERR_JOURNAL || err == DCD_ERR_NOT_CONFIRMED) {
		return false;
	}
	/* Why a release was rolled back is worth more than that it isn't tried again, or that a server was away since. */
	bool rolled_back = run->session.state.last.kind == DCD_OUTCOME_ROLLED_BACK;
	return !(rolled_back && (err == DCD_ERR_KNOWN_BAD || dcd_err_exit_code(err) == 6));
}

/*
 * What a stream lacks by its index, it may also have under a name that somebody changed: its headers, further on, tell. So it is read to its end
 * before anybody is told to try again later.
 */
static int doubt_stream(struct run *run, int err, struct dcd_diag *diag)
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
static int run_failed(struct run *run, int err, struct dcd_diag *diag)
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

static int run_new(struct run **ret, struct dcd_diag *diag)
{
	*ret = calloc(1, sizeof **ret);
	return *ret != NULL ? 0 : dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to begin");
}

int dcd_engine_check(struct dcd_engine *engine, struct dcd_report *ret, struct dcd_diag *diag)
{
	struct run *run = NULL;
	int err = run_new(&run, diag);
	if (err != 0) {
		return err;
	}
	err = run_open(run, engine, false, ret, diag);
	if (err == 0) {
		err = select_release(run, diag);
		if (err == 0) {
			err = check_images(run, diag);
		}
		if (err == 0) {
			estimate(run, false);
		} else {
			err = run_failed(run, err, diag);
		}
	}
	run_close(run);
	return err;
}

static int install(struct run *run, const struct dcd_install_options *options, struct dcd_diag *diag)
{
	int err = dcd_life_may_write_other(&run->session.boot, diag);
	if (err == 0) {
		err = select_release(run, diag);
	}
	if (err == 0) {
		estimate(run, options->full);
		err = stage(run, options->full, diag);
	}
	if (err == 0) {
		run->report->outcome = DCD_OUTCOME_STAGED;
		err = options->no_activate ? 0 : activate(run, diag);
	}
	if (err == 0 && !options->no_activate) {
		run->report->outcome = DCD_OUTCOME_ACTIVATED;
	}
	return err;
}

int dcd_engine_install(struct dcd_engine *engine, const struct dcd_install_options *options, struct dcd_report *ret,
		       struct dcd_diag *diag)
{
	struct run *run = NULL;
	int err = run_new(&run, diag);
	if (err != 0) {
		return err;
	}
	err = run_open(run, engine, options->again, ret, diag);
	if (err == 0) {
		err = install(run, options, diag);
		if (err != 0) {
			err = run_failed(run, err, diag);
		}
	}
	run_close(run);
	return err;
}

/* ---- repair ---- */

static int select_recorded(struct run *run, struct dcd_diag *diag)
{
	const struct dcd_slot_record *record = &run->session.state.slot[run->slot];
	if (record->content == DCD_CONTENT_UNKNOWN || dcd_hash_is_zero(&record->manifest_hash)) {
		return dcd_diag_set(diag, DCD_ERR_UNKNOWN_CONTENT,
				    "nobody knows what the other slot should hold; 'decade install' puts a release there");
	}
	struct dcd_release_summary summary;
	int err = refresh(run, diag);
	if (err == 0) {
		err = dcd_policy_find_version(run->tuf, record->version, &run->target, &summary, diag);
	}
	if (err == 0 && !dcd_hash_equal(&run->target.sha256, &record->manifest_hash)) {
		err = dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "the repository's release %s is not the one that the other slot held",
				   record->version);
	}
	return err != 0 ? err : load_release(run, diag);
}

/* A fallback that was whole before is a fallback again; a cut install of something newer is now staged, unless it was tried and
 * left. */
static int end_repair(struct run *run, struct dcd_boot_slot before, struct dcd_diag *diag)
{
	struct dcd_session *session = &run->session;
	struct dcd_device_state *state = &session->state;
	bool newer = state->slot[run->slot].sequence_number > running_record(run)->sequence_number;
	bool bad = dcd_life_is_known_bad(state, &run->release->manifest_hash);
	dcd_life_staged(state, session->now);
	(void)dcd_life_note(state, DCD_OUTCOME_REPAIRED, DCD_OK, run->release->version, "the other slot was repaired",
			    session->now);
	if (!newer || bad) {
		state->phase = DCD_PHASE_IDLE;
		state->target = 0;
	}
	if (dcd_life_may_fall_back(state, &session->boot)) {
		const struct dcd_boot_slot again = { .bootable = true, .good = false, .tries_left = run->engine->tries };
		session->boot.slot[run->slot] = before.bootable ? before : again;
	}
	int err = dcd_session_store_journal(session, diag);
	return err != 0 ? err : dcd_session_store_boot(session, diag);
}

static int repair(struct run *run, struct dcd_diag *diag)
{
	const struct dcd_boot_slot before = run->session.boot.slot[run->slot];
	bool was_whole = run->session.state.slot[run->slot].content == DCD_CONTENT_VERIFIED;
	uint64_t todo = 0;
	int err = dcd_life_may_write_other(&run->session.boot, diag);
	if (err == 0) {
		err = select_recorded(run, diag);
	}
	if (err == 0) {
		estimate(run, false);
		err = open_jobs(run, false, diag);
	}
	if (err == 0) {
		err = scan(run, &todo, diag);
	}
	/* A cut before the last store of a repair leaves a whole slot that the loader doesn't know of. */
	bool known_to_loader = before.bootable || !dcd_life_may_fall_back(&run->session.state, &run->session.boot);
	if (err == 0 && todo == 0 && was_whole && known_to_loader) {
		return dcd_diag_set(diag, DCD_ERR_UP_TO_DATE, "nothing to repair: every segment of the other slot is right");
	}
	if (err == 0) {
		err = begin_writing(run, diag);
	}
	if (err == 0) {
		err = write_images(run, diag);
	}
	if (err == 0) {
		err = dcd_source_finish(run->engine->source, diag);
	}
	if (err == 0) {
		err = end_repair(run, before, diag);
	}
	if (err == 0) {
		run->report->outcome = DCD_OUTCOME_REPAIRED;
	}
	return err;
}

int dcd_engine_repair(struct dcd_engine *engine, struct dcd_report *ret, struct dcd_diag *diag)
{
	struct run *run = NULL;
	int err = run_new(&run, diag);
	if (err != 0) {
		return err;
	}
	err = run_open(run, engine, true, ret, diag);
	if (err == 0) {
		err = repair(run, diag);
		if (err != 0) {
			err = run_failed(run, err, diag);
		}
	}
	run_close(run);
	return err;
}
