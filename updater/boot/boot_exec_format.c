#include "updater/boot/boot_exec_format.h"

#include <assert.h>
#include <stdio.h>

#include "updater/boot/boot_cursor.h"

#define HEADLINE "decade-boot 1\n"

size_t dcd_boot_exec_encode(const struct dcd_boot_state *state, const char *const bootname[DCD_SLOT_COUNT],
			    char buf[DCD_BOOT_EXEC_MAX])
{
	/* The bounds of bootnames and tries keep this far below DCD_BOOT_EXEC_MAX. */
	int len =
		snprintf(buf, DCD_BOOT_EXEC_MAX, HEADLINE "order %s %s\n", bootname[state->order[0]], bootname[state->order[1]]);
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const struct dcd_boot_slot *slot = &state->slot[i];
		len += snprintf(buf + len, DCD_BOOT_EXEC_MAX - (size_t)len, "slot %s bootable=%d good=%d tries=%u\n", bootname[i],
				slot->bootable, slot->good, slot->tries_left);
	}
	len += snprintf(buf + len, DCD_BOOT_EXEC_MAX - (size_t)len, "end\n");
	assert(len < DCD_BOOT_EXEC_MAX);
	return (size_t)len;
}

int dcd_boot_exec_decode(const char *text, size_t len, const char *const bootname[DCD_SLOT_COUNT], const char *what,
			 struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct dcd_boot_state state = { 0 };
	struct dcd_cursor c = { text, len, true };
	dcd_cursor_expect(&c, HEADLINE "booted ");
	state.booted = dcd_cursor_slot(&c, bootname, "\n");
	dcd_cursor_expect(&c, "order ");
	state.order[0] = dcd_cursor_slot(&c, bootname, " ");
	state.order[1] = dcd_cursor_slot(&c, bootname, "\n");
	for (uint8_t i = 0; i < DCD_SLOT_COUNT; i++) {
		dcd_cursor_expect(&c, "slot ");
		c.ok = dcd_cursor_slot(&c, bootname, " bootable=") == i && c.ok;
		state.slot[i].bootable = dcd_cursor_number(&c, 1) == 1;
		dcd_cursor_expect(&c, " good=");
		state.slot[i].good = dcd_cursor_number(&c, 1) == 1;
		dcd_cursor_expect(&c, " tries=");
		state.slot[i].tries_left = (uint8_t)dcd_cursor_number(&c, DCD_TRIES_MAX);
		dcd_cursor_expect(&c, "\n");
	}
	dcd_cursor_expect(&c, "end\n");
	if (!c.ok || c.left != 0 || state.order[0] == state.order[1]) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
				    "%s printed what is no boot state of the slots %s and %s; see docs/boot.md", what,
				    bootname[0], bootname[1]);
	}
	*ret = state;
	return 0;
}
