/* Repair: the other slot becomes what its record says. */
#include "updater/engine/engine_run.h"

static int select_recorded(struct dcd_run *run, struct dcd_diag *diag)
{
	const struct dcd_slot_record *record = &run->session.state.slot[run->slot];
	if (record->content == DCD_CONTENT_UNKNOWN || dcd_hash_is_zero(&record->manifest_hash)) {
		return dcd_diag_set(diag, DCD_ERR_UNKNOWN_CONTENT,
				    "nobody knows what the other slot should hold; 'decade install' puts a release there");
	}
	struct dcd_release_summary summary;
	int err = dcd_run_refresh(run, diag);
	if (err == 0) {
		err = dcd_policy_find_version(run->tuf, record->version, &run->target, &summary, diag);
	}
	if (err == 0 && !dcd_hash_equal(&run->target.sha256, &record->manifest_hash)) {
		err = dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "the repository's release %s is not the one that the other slot held",
				   record->version);
	}
	return err != 0 ? err : dcd_run_load_release(run, diag);
}

/* A fallback that was whole before is a fallback again; a cut install of something newer is now staged, unless it was tried and
 * left. */
static int end_repair(struct dcd_run *run, struct dcd_boot_slot before, struct dcd_diag *diag)
{
	struct dcd_session *session = &run->session;
	struct dcd_device_state *state = &session->state;
	bool newer = state->slot[run->slot].sequence_number > dcd_run_running_record(run)->sequence_number;
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

static int repair(struct dcd_run *run, const void *options, struct dcd_diag *diag)
{
	(void)options;
	const struct dcd_boot_slot before = run->session.boot.slot[run->slot];
	bool was_whole = run->session.state.slot[run->slot].content == DCD_CONTENT_VERIFIED;
	uint64_t todo = 0;
	int err = dcd_life_may_write_other(&run->session.boot, diag);
	if (err == 0) {
		err = select_recorded(run, diag);
	}
	if (err == 0) {
		dcd_run_estimate(run, false);
		err = dcd_run_open_jobs(run, false, diag);
	}
	if (err == 0) {
		err = dcd_run_scan(run, &todo, diag);
	}
	/* A cut before the last store of a repair leaves a whole slot that the loader doesn't know of. */
	bool known_to_loader = before.bootable || !dcd_life_may_fall_back(&run->session.state, &run->session.boot);
	if (err == 0 && todo == 0 && was_whole && known_to_loader) {
		return dcd_diag_set(diag, DCD_ERR_UP_TO_DATE, "nothing to repair: every segment of the other slot is right");
	}
	if (err == 0) {
		err = dcd_run_write_slot(run, diag);
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
	return dcd_run_do(engine, true, repair, NULL, ret, diag);
}
