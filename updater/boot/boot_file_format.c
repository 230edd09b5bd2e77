#include "updater/boot/boot_file_format.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "updater/boot/boot_cursor.h"
#include "updater/boot/crc32.h"

#define HEADLINE "decade-boot-state 1\n"
#define CHECK_LINE_SIZE (sizeof "crc32 00000000\n" - 1)

size_t dcd_boot_file_encode(const struct dcd_boot_state *state, const char *const bootname[DCD_SLOT_COUNT],
			    char buf[DCD_BOOT_FILE_MAX])
{
	/* The bounds of bootnames and tries keep this far below DCD_BOOT_FILE_MAX. */
	int used =
		snprintf(buf, DCD_BOOT_FILE_MAX, HEADLINE "order %s %s\n", bootname[state->order[0]], bootname[state->order[1]]);
	size_t len = (size_t)used;
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const struct dcd_boot_slot *slot = &state->slot[i];
		used = snprintf(buf + len, DCD_BOOT_FILE_MAX - len, "slot %s bootable=%d good=%d tries=%u\n", bootname[i],
				slot->bootable, slot->good, slot->tries_left);
		len += (size_t)used;
	}
	used = snprintf(buf + len, DCD_BOOT_FILE_MAX - len, "crc32 %08x\n", (unsigned)dcd_crc32(buf, len));
	len += (size_t)used;
	assert(len < DCD_BOOT_FILE_MAX);
	return len;
}

/* The last line holds the CRC of everything before it. */
static bool checksum_ok(const uint8_t *data, size_t len)
{
	if (len < CHECK_LINE_SIZE || len > DCD_BOOT_FILE_MAX) {
		return false;
	}
	char line[CHECK_LINE_SIZE + 1];
	(void)snprintf(line, sizeof line, "crc32 %08x\n", (unsigned)dcd_crc32(data, len - CHECK_LINE_SIZE));
	return memcmp(data + len - CHECK_LINE_SIZE, line, CHECK_LINE_SIZE) == 0;
}

int dcd_boot_file_decode(const uint8_t *data, size_t len, const char *const bootname[DCD_SLOT_COUNT], const char *what,
			 struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	if (!checksum_ok(data, len)) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
				    "%s is damaged (its checksum does not match); see docs/boot.md for how to restore it", what);
	}
	struct dcd_boot_state state = { 0 };
	struct dcd_cursor c = { (const char *)data, len - CHECK_LINE_SIZE, true };
	dcd_cursor_expect(&c, HEADLINE "order ");
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
	if (!c.ok || c.left != 0 || state.order[0] == state.order[1]) {
		return dcd_diag_set(
			diag, DCD_ERR_BOOT_STATE,
			"%s is not a boot state of the slots %s and %s; compare the bootnames in the configuration with it", what,
			bootname[0], bootname[1]);
	}
	*ret = state;
	return 0;
}
