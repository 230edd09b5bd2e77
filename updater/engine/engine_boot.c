/* The operations that change what boots, and the one that only looks. */
#include "updater/engine/engine_state.h"

int dcd_engine_status(struct dcd_engine *engine, struct dcd_device_state *ret_state, struct dcd_boot_state *ret_boot,
		      struct dcd_diag *diag)
{
	struct dcd_session session;
	int err = dcd_session_open(engine, false, &session, diag);
	if (err == 0) {
		*ret_state = session.state;
		*ret_boot = session.boot;
	}
	return err;
}

static int store_journal_then_boot(struct dcd_session *session, struct dcd_diag *diag)
{
	int err = dcd_session_store_journal(session, diag);
	return err != 0 ? err : dcd_session_store_boot(session, diag);
}

static int store_boot_then_journal(struct dcd_session *session, struct dcd_diag *diag)
{
	int err = dcd_session_store_boot(session, diag);
	return err != 0 ? err : dcd_session_store_journal(session, diag);
}

int dcd_engine_activate(struct dcd_engine *engine, struct dcd_diag *diag)
{
	struct dcd_session session;
	int err = dcd_session_open(engine, true, &session, diag);
	if (err != 0 || session.state.phase == DCD_PHASE_PENDING) {
		return err;
	}
	err = dcd_life_activate(&session.state, &session.boot, engine->tries, session.now, diag);
	return err != 0 ? err : store_journal_then_boot(&session, diag);
}

/*
 * A journal that can't be read must not cost a healthy release its confirmation: the loader's word is what boots. What the journal would have
 * remembered is lost with it.
 */
static int confirm_without_journal(struct dcd_engine *engine, struct dcd_diag *diag)
{
	struct dcd_session session = { .engine = engine };
	int err = engine->boot->ops->load(engine->boot, &session.boot, diag);
	if (err != 0) {
		return err;
	}
	session.stored_boot = session.boot;
	(void)dcd_life_confirm(&session.state, &session.boot, engine->tries, 0);
	return dcd_session_store_boot(&session, diag);
}

int dcd_engine_mark_good(struct dcd_engine *engine, struct dcd_diag *diag)
{
	struct dcd_session session;
	int err = dcd_session_open(engine, true, &session, diag);
	if (err == DCD_ERR_JOURNAL) {
		return confirm_without_journal(engine, diag);
	}
	if (err != 0 || !dcd_life_confirm(&session.state, &session.boot, engine->tries, session.now)) {
		return err;
	}
	return store_boot_then_journal(&session, diag);
}

/*
 * A slot that is given up is left even when the journal can't be stored, as on a disk that the bad release has filled: only the
 * memory that the release was bad is lost then.
 */
static int store_giving_up(struct dcd_session *session, struct dcd_diag *diag)
{
	int err = dcd_session_store_journal(session, diag);
	int boot_err = dcd_session_store_boot(session, err == 0 ? diag : NULL);
	return err != 0 ? err : boot_err;
}

int dcd_engine_mark_bad(struct dcd_engine *engine, const char *reason, struct dcd_diag *diag)
{
	struct dcd_session session;
	int err = dcd_session_open(engine, true, &session, diag);
	if (err == 0) {
		err = dcd_life_mark_bad(&session.state, &session.boot, reason, session.now, diag);
	}
	return err != 0 ? err : store_giving_up(&session, diag);
}

int dcd_engine_rollback(struct dcd_engine *engine, struct dcd_diag *diag)
{
	struct dcd_session session;
	int err = dcd_session_open(engine, true, &session, diag);
	if (err != 0) {
		return err;
	}
	bool gives_up = !session.boot.slot[session.boot.booted].good;
	bool withdraws = !gives_up && session.state.phase == DCD_PHASE_PENDING;
	err = dcd_life_rollback(&session.state, &session.boot, engine->tries, session.now, diag);
	if (err != 0) {
		return err;
	}
	if (gives_up) {
		return store_giving_up(&session, diag);
	}
	return withdraws ? store_boot_then_journal(&session, diag) : store_journal_then_boot(&session, diag);
}
