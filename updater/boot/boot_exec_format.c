#include "updater/boot/boot_exec_format.h"

#include <string.h>

#include "updater/boot/boot_state_text.h"

#define HEADLINE "decade-boot 1\n"
#define END "end\n"

size_t dcd_boot_exec_encode(const struct dcd_boot_state *state, const char *const bootname[DCD_SLOT_COUNT],
			    char buf[DCD_BOOT_EXEC_MAX])
{
	size_t len = dcd_boot_text_write(HEADLINE, state, bootname, buf, DCD_BOOT_EXEC_MAX - strlen(END));
	memcpy(buf + len, END, strlen(END));
	return len + strlen(END);
}

int dcd_boot_exec_decode(const char *text, size_t len, const char *const bootname[DCD_SLOT_COUNT], const char *what,
			 struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct dcd_boot_state state = { 0 };
	struct dcd_cursor c = { text, len, true };
	dcd_cursor_expect(&c, HEADLINE "booted ");
	state.booted = dcd_cursor_slot(&c, bootname, "\n");
	dcd_cursor_state(&c, bootname, &state);
	dcd_cursor_expect(&c, END);
	if (!c.ok || c.left != 0) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
				    "%s printed what is no boot state of the slots %s and %s; see docs/boot.md", what,
				    bootname[0], bootname[1]);
	}
	*ret = state;
	return 0;
}
