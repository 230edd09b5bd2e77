/* How the engine's operations begin and end: journal and boot state read together, reconciled, stored in a stated order. */
#ifndef DCD_UPDATER_ENGINE_ENGINE_STATE_H
#define DCD_UPDATER_ENGINE_ENGINE_STATE_H

#include "updater/engine/engine.h"

struct dcd_session {
	struct dcd_engine *engine;
	struct dcd_device_state state;
	struct dcd_boot_state boot;
	struct dcd_boot_state stored_boot; /* what the loader has */
	int64_t now;                       /* never below the floors */
};

/* The device's clock, no earlier than the program. */
int64_t dcd_session_clock(const struct dcd_engine *engine);

/* Loads and reconciles; what changed by that is stored when `persist`. */
DCD_NODISCARD int dcd_session_open(struct dcd_engine *engine, bool persist, struct dcd_session *ret, struct dcd_diag *diag);

DCD_NODISCARD int dcd_session_store_journal(struct dcd_session *session, struct dcd_diag *diag);

/* One atomic store, and none when the loader has it already: its medium wears, and an untouched file can't be torn. */
DCD_NODISCARD int dcd_session_store_boot(struct dcd_session *session, struct dcd_diag *diag);

#endif
