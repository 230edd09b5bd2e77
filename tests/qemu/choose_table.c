/*
 * dcd_boot_choose() as a filter, for the tests that compare loaders' scripts with it.
 *
 * A line of input: the primary slot (0 or 1), then for both slots bootable, good, tries. A line of output: the slot that boots,
 * then the tries that both have left.
 */
#include <stdio.h>

#include "updater/engine/boot_control.h"

int main(void)
{
	unsigned primary = 0;
	unsigned f[2][3] = { { 0 } };
	while (scanf("%u %u %u %u %u %u %u", &primary, &f[0][0], &f[0][1], &f[0][2], &f[1][0], &f[1][1], &f[1][2]) == 7) {
		struct dcd_boot_state state = { .order = { (uint8_t)(primary & 1), (uint8_t) !(primary & 1) }, .booted = 0 };
		for (int i = 0; i < DCD_SLOT_COUNT; i++) {
			state.slot[i] = (struct dcd_boot_slot){ f[i][0] != 0, f[i][1] != 0, (uint8_t)f[i][2] };
		}
		struct dcd_boot_state after;
		int chosen = dcd_boot_choose(&state, &after);
		printf("%d %u %u\n", chosen, after.slot[0].tries_left, after.slot[1].tries_left);
	}
	return 0;
}
