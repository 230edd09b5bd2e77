/* Which release, if any: what the source offers, what runs, and what the policy says. */
#include <string.h>

#include "updater/engine/engine_run.h"
#include "updater/engine/slot_identity.h"

/*
 * The newest verified signing time, for the clock that status and reports are dated by. It follows the timestamp downwards too:
 * after a stolen timestamp key has been replaced, what that key said of the time is gone. Expiry has its own floor, in the
 * metadata store.
 */
static int keep_time_floor(struct dcd_run *run, struct dcd_diag *diag)
{
	int64_t signed_at = dcd_tuf_signing_time(run->tuf);
	if (signed_at <= 0 || signed_at == run->session.state.time_floor) {
		return 0;
	}
	run->session.state.time_floor = signed_at;
	return dcd_session_store_journal(&run->session, diag);
}

static int refresh_once(struct dcd_run *run, struct dcd_diag *diag)
{
	int err = dcd_tuf_refresh(run->tuf, diag);
	return err == 0 ? dcd_tuf_load_delegations(run->tuf, DCD_RELEASE_FOLDER, diag) : err;
}

/*
 * A place can answer well and be no good: frozen, half copied, or in a stranger's hands after ten years. Then the others are
 * asked; and when none is better, what was wrong with the first one is what counts.
 */
static int refresh_anywhere(struct dcd_run *run, struct dcd_diag *diag)
{
	int err = refresh_once(run, diag);
	bool good = err == 0;
	while (!good && (dcd_err_exit_code(err) == 5 || err == DCD_ERR_NOT_FOUND || err == DCD_ERR_FORBIDDEN) && dcd_source_next(run->engine->source)) {
		good = refresh_once(run, NULL) == 0;
	}
	return good ? 0 : err;
}

int dcd_run_refresh(struct dcd_run *run, struct dcd_diag *diag)
{
	struct dcd_engine *engine = run->engine;
	const struct dcd_tuf_options options = {
		.source = engine->source,
		.store = engine->metadata,
		.metadata_prefix = "metadata/",
		.targets_prefix = DCD_TARGETS_PREFIX,
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
		err = refresh_anywhere(run, diag);
	}
	if (err == 0) {
		dcd_run_set_text(run->report->stale, sizeof run->report->stale, dcd_tuf_stale(run->tuf));
		dcd_run_set_text(run->report->damaged, sizeof run->report->damaged, dcd_tuf_damaged(run->tuf));
		err = keep_time_floor(run, diag);
	}
	return err;
}

static int check_classes(const struct dcd_run *run, struct dcd_diag *diag)
{
	const struct dcd_slot_port *slots = &run->engine->slots;
	for (size_t i = 0; i < slots->class_count; i++) {
		if (dcd_release_image_find(run->release, slots->classes[i]) == NULL) {
			return dcd_diag_set(diag, DCD_ERR_WRONG_CLASSES,
					    "release %s has no image for '%s', which this device's slots have",
					    run->release->version, slots->classes[i]);
		}
	}
	for (size_t i = 0; i < run->release->image_count; i++) {
		bool found = false;
		for (size_t j = 0; j < slots->class_count && !found; j++) {
			found = strcmp(run->release->images[i].class_name, slots->classes[j]) == 0;
		}
		if (!found) {
			return dcd_diag_set(diag, DCD_ERR_WRONG_CLASSES,
					    "release %s has an image '%s', which this device's slots lack", run->release->version,
					    run->release->images[i].class_name);
		}
	}
	return 0;
}

/* The manifest is fetched once: a stream doesn't bring it twice. */
int dcd_run_load_release(struct dcd_run *run, struct dcd_diag *diag)
{
	int err = 0;
	if (run->release == NULL || !dcd_hash_equal(&run->release->manifest_hash, &run->target.sha256)) {
		/* When this fails, the first one must not be freed again. */
		dcd_release_free(run->release);
		run->release = NULL;
		err = dcd_release_load(run->tuf, &run->target, &run->release, diag);
	}
	if (err == 0) {
		dcd_run_set_text(run->report->version, sizeof run->report->version, run->release->version);
		err = dcd_policy_check_release(&run->policy, run->release, diag);
	}
	if (err == 0) {
		err = check_classes(run, diag);
	}
	return err;
}

/* Who doesn't know what runs can't take a delta, nor tell "newer": so find out, once, and remember it. */
static int identify_running(struct dcd_run *run, bool *ret_found, struct dcd_diag *diag)
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
	dcd_life_identified(&run->session.state, &run->session.boot, &run->bases);
	return dcd_session_store_journal(&run->session, diag);
}

static int already_waiting(const struct dcd_run *run, struct dcd_diag *diag)
{
	const struct dcd_device_state *state = &run->session.state;
	if (run->policy.again || state->phase != DCD_PHASE_PENDING || run->session.boot.booted == state->target ||
	    !dcd_hash_equal(&state->slot[state->target].manifest_hash, &run->target.sha256)) {
		return 0;
	}
	return dcd_diag_set(diag, DCD_ERR_UP_TO_DATE, "release %s is installed already; reboot to try it",
			    state->slot[state->target].version);
}

int dcd_run_select(struct dcd_run *run, struct dcd_diag *diag)
{
	int err = dcd_run_refresh(run, diag);
	if (err == 0) {
		err = dcd_policy_choose(&run->policy, run->tuf, &run->target, diag);
	}
	if (err == 0) {
		err = dcd_run_load_release(run, diag);
	}
	if (err == 0 && dcd_run_running_record(run)->content != DCD_CONTENT_VERIFIED) {
		bool found = false;
		err = identify_running(run, &found, diag);
		if (err == 0 && found) {
			err = dcd_policy_choose(&run->policy, run->tuf, &run->target, diag);
		}
		if (err == 0 && found) {
			err = dcd_run_load_release(run, diag);
		}
	}
	if (dcd_run_running_record(run)->content == DCD_CONTENT_VERIFIED) {
		dcd_run_set_text(run->report->from_version, sizeof run->report->from_version,
				 dcd_run_running_record(run)->version);
	}
	return err != 0 ? err : already_waiting(run, diag);
}

void dcd_run_estimate(struct dcd_run *run, bool no_delta)
{
	for (size_t i = 0; i < run->release->image_count; i++) {
		const struct dcd_release_image *image = &run->release->images[i];
		const struct dcd_release_payload *full = dcd_release_payload_find(image, NULL);
		const struct dcd_hash *base_id = no_delta ? NULL : dcd_run_running_image_id(run, image->class_name);
		const struct dcd_release_payload *best = base_id == NULL ? NULL : dcd_release_payload_find(image, base_id);
		if (best != NULL && !dcd_payload_is_offered(run->engine->source, DCD_TARGETS_PREFIX, best)) {
			best = NULL;
		}
		run->report->delta = run->report->delta || best != NULL;
		run->report->bytes_full += full->length;
		if (dcd_run_twin(run, i) < i) {
			continue; /* copied from the first one */
		}
		run->report->bytes_best += best != NULL ? best->length : full->length;
	}
}
