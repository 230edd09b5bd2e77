/* Check and install: from "is there anything?" to a verified, activated slot. */
#include "updater/engine/engine_run.h"

static int stage(struct dcd_run *run, bool full, struct dcd_diag *diag)
{
	const struct dcd_device_state *state = &run->session.state;
	const struct dcd_slot_record *other = &state->slot[run->slot];
	if (!run->policy.again && state->phase == DCD_PHASE_STAGED &&
	    dcd_hash_equal(&other->manifest_hash, &run->target.sha256)) {
		return 0; /* an earlier install with --no-activate, or one cut before the flip */
	}
	uint64_t todo = 0;
	int err = dcd_run_open_jobs(run, full, diag);
	if (err == 0) {
		err = dcd_run_scan(run, &todo, diag);
	}
	if (err == 0) {
		err = dcd_run_write_slot(run, diag);
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

static int activate(struct dcd_run *run, struct dcd_diag *diag)
{
	struct dcd_session *session = &run->session;
	int err = dcd_life_activate(&session->state, &session->boot, run->engine->tries, session->now, diag);
	if (err == 0) {
		err = dcd_session_store_journal(session, diag);
	}
	return err != 0 ? err : dcd_session_store_boot(session, diag);
}

static int check(struct dcd_run *run, const void *options, struct dcd_diag *diag)
{
	(void)options;
	int err = dcd_run_select(run, diag);
	if (err == 0) {
		err = dcd_run_check_images(run, diag);
	}
	if (err == 0) {
		dcd_run_estimate(run, false);
	}
	return err;
}

int dcd_engine_check(struct dcd_engine *engine, struct dcd_report *ret, struct dcd_diag *diag)
{
	return dcd_run_do(engine, false, check, NULL, ret, diag);
}

static int install(struct dcd_run *run, const void *context, struct dcd_diag *diag)
{
	const struct dcd_install_options *options = context;
	int err = dcd_life_may_write_other(&run->session.boot, diag);
	if (err == 0) {
		err = dcd_run_select(run, diag);
	}
	if (err == 0) {
		dcd_run_estimate(run, options->full);
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
	return dcd_run_do(engine, options->again, install, options, ret, diag);
}
