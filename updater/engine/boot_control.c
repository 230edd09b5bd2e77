#include "updater/engine/boot_control.h"

static int first_with_tries(const struct dcd_boot_state *state)
{
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const struct dcd_boot_slot *slot = &state->slot[state->order[i]];
		if (slot->bootable && (slot->good || slot->tries_left > 0)) {
			return state->order[i];
		}
	}
	return -1;
}

/* No slot qualifies: a dead end would be the end of the device, so take the best that is left. */
static int last_resort(const struct dcd_boot_state *state)
{
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		if (state->slot[state->order[i]].good) {
			return state->order[i];
		}
	}
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		if (state->slot[state->order[i]].bootable) {
			return state->order[i];
		}
	}
	return state->order[0];
}

int dcd_boot_choose(const struct dcd_boot_state *state, struct dcd_boot_state *ret_after)
{
	int chosen = first_with_tries(state);
	*ret_after = *state;
	if (chosen < 0) {
		chosen = last_resort(state);
	} else if (!state->slot[chosen].good) {
		ret_after->slot[chosen].tries_left--;
	}
	ret_after->booted = chosen;
	return chosen;
}
