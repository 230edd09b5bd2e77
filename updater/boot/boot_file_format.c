#include "updater/boot/boot_file_format.h"

#include <stdio.h>
#include <string.h>

#include "updater/boot/boot_state_text.h"
#include "updater/boot/crc32.h"

#define HEADLINE "decade-boot-state 1\n"
#define CHECK_LINE_SIZE (sizeof "crc32 00000000\n" - 1)

size_t dcd_boot_file_encode(const struct dcd_boot_state *state, const char *const bootname[DCD_SLOT_COUNT],
			    char buf[DCD_BOOT_FILE_MAX])
{
	size_t len = dcd_boot_text_write(HEADLINE, state, bootname, buf, DCD_BOOT_FILE_MAX - CHECK_LINE_SIZE);
	int used = snprintf(buf + len, DCD_BOOT_FILE_MAX - len, "crc32 %08x\n", (unsigned)dcd_crc32(buf, len));
	return len + (size_t)used;
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
	dcd_cursor_expect(&c, HEADLINE);
	dcd_cursor_state(&c, bootname, &state);
	if (!c.ok || c.left != 0) {
		return dcd_diag_set(
			diag, DCD_ERR_BOOT_STATE,
			"%s is not a boot state of the slots %s and %s; compare the bootnames in the configuration with it", what,
			bootname[0], bootname[1]);
	}
	*ret = state;
	return 0;
}
