/* GRUB's environment block: what is accepted can be changed in one sector, and says afterwards what was stored. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "updater/boot/boot_grub_format.h"

static void store_and_compare(const uint8_t *block, const struct dcd_boot_vars *vars, const struct dcd_boot_state *state)
{
	uint8_t next[DCD_GRUB_ENV_SIZE];
	struct dcd_boot_state back = { .booted = state->booted };
	if (dcd_grub_env_encode(block, vars, state, "grubenv", next, NULL) != 0 ||
	    dcd_grub_env_decode(next, vars, "grubenv", &back, NULL) != 0) {
		abort();
	}
	bool same = memcmp(back.order, state->order, sizeof back.order) == 0 &&
		    memcmp(next + DCD_GRUB_ENV_SECTOR, block + DCD_GRUB_ENV_SECTOR, DCD_GRUB_ENV_SECTOR) == 0;
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		same = same && back.slot[i].bootable == state->slot[i].bootable && back.slot[i].good == state->slot[i].good &&
		       back.slot[i].tries_left == state->slot[i].tries_left;
	}
	if (!same) {
		abort();
	}
}

/* A corpus file may hold what is used alone; the rest is filled up as GRUB does. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const bootname[DCD_SLOT_COUNT] = { "A", "AB" };
	struct dcd_boot_vars vars;
	uint8_t block[DCD_GRUB_ENV_SIZE];
	struct dcd_boot_state state = { 0 };
	struct dcd_diag diag;
	memset(block, '#', sizeof block);
	memcpy(block, data, size < sizeof block ? size : sizeof block);
	if (dcd_boot_vars_init(&vars, bootname, NULL) != 0) {
		abort();
	}
	if (dcd_grub_env_decode(block, &vars, "grubenv", &state, &diag) != 0) {
		return 0;
	}
	store_and_compare(block, &vars, &state);
	const struct dcd_boot_state pending = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, false, 3 } } };
	const struct dcd_boot_state writing = { .order = { 0, 1 }, .slot = { { true, true, 9 }, { false, false, 0 } } };
	store_and_compare(block, &vars, &pending);
	store_and_compare(block, &vars, &writing);
	return 0;
}
