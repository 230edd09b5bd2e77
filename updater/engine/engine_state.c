#include "updater/engine/engine_state.h"

int64_t dcd_session_clock(const struct dcd_engine *engine)
{
	int64_t now = engine->now(engine->now_context);
	return now < engine->build_time ? engine->build_time : now;
}

static int64_t believed_time(const struct dcd_engine *engine, const struct dcd_device_state *state)
{
	int64_t now = dcd_session_clock(engine);
	return now < state->time_floor ? state->time_floor : now;
}

int dcd_session_open(struct dcd_engine *engine, bool persist, struct dcd_session *ret, struct dcd_diag *diag)
{
	ret->engine = engine;
	int err = engine->journal->ops->load(engine->journal, &ret->state, diag);
	if (err == 0) {
		err = engine->boot->ops->load(engine->boot, &ret->boot, diag);
	}
	if (err != 0) {
		return err;
	}
	ret->stored_boot = ret->boot;
	ret->now = believed_time(engine, &ret->state);
	if (dcd_life_reconcile(&ret->state, &ret->boot, ret->now) && persist) {
		return dcd_session_store_journal(ret, diag);
	}
	return 0;
}

int dcd_session_store_journal(struct dcd_session *session, struct dcd_diag *diag)
{
	struct dcd_journal *journal = session->engine->journal;
	return journal->ops->store(journal, &session->state, diag);
}

static bool boot_slot_equal(const struct dcd_boot_slot *a, const struct dcd_boot_slot *b)
{
	return a->bootable == b->bootable && a->good == b->good && a->tries_left == b->tries_left;
}

int dcd_session_store_boot(struct dcd_session *session, struct dcd_diag *diag)
{
	bool equal = session->boot.order[0] == session->stored_boot.order[0];
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		equal = equal && boot_slot_equal(&session->boot.slot[i], &session->stored_boot.slot[i]);
	}
	if (equal) {
		return 0;
	}
	struct dcd_boot_control *control = session->engine->boot;
	int err = control->ops->store(control, &session->boot, diag);
	if (err == 0) {
		session->stored_boot = session->boot;
	}
	return err;
}
