/*
 * Which release, if any: pure decisions over what verified metadata lists and what the device is.
 */
#ifndef DCD_UPDATER_ENGINE_POLICY_H
#define DCD_UPDATER_ENGINE_POLICY_H

#include <stdbool.h>

#include "manifest/release/release.h"
#include "manifest/tuf/tuf.h"
#include "updater/engine/device_state.h"

struct dcd_policy {
	const char *product;
	const char *board;
	const char *channel;
	const struct dcd_device_state *state;
	int booted;
	bool again; /* asked for: the running release or a known-bad one may be chosen too */
	/* Null, or: whether the source holds that release. Those that it doesn't hold are not considered. */
	bool (*offered)(void *context, const struct dcd_tuf_target *target);
	void *offered_context;
};

/*
 * The newest release that this device may go to. A release whose stepping stone the device hasn't reached gives way to the newest
 * one that it can take now. 0; DCD_ERR_UP_TO_DATE (also when the channel has no release at all); DCD_ERR_WRONG_CHANNEL (all that
 * a bundle holds is for another channel); DCD_ERR_NOT_FOUND (it holds none of the releases that are listed); or why the newest
 * one is refused: DCD_ERR_WRONG_BOARD, DCD_ERR_DOWNGRADE, DCD_ERR_KNOWN_BAD, DCD_ERR_STEPPING_STONE.
 */
DCD_NODISCARD int dcd_policy_choose(const struct dcd_policy *policy, const struct dcd_tuf *tuf, struct dcd_tuf_target *ret,
				    struct dcd_diag *diag);

/* The release of that version, whatever its merits (DCD_ERR_NOT_FOUND). */
DCD_NODISCARD int dcd_policy_find_version(const struct dcd_tuf *tuf, const char *version, struct dcd_tuf_target *ret,
					  struct dcd_release_summary *ret_summary, struct dcd_diag *diag);

/* What only the manifest says: product and board. */
DCD_NODISCARD int dcd_policy_check_release(const struct dcd_policy *policy, const struct dcd_release *release,
					   struct dcd_diag *diag);

#endif
