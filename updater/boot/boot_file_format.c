#include "updater/boot/boot_file_format.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

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

/* What is left to read; a step that doesn't match leaves `ok` false for good, so that a chain needs one check at its end. */
struct cursor {
	const char *at;
	size_t left;
	bool ok;
};

static bool cursor_skip(struct cursor *c, const char *literal)
{
	size_t len = strlen(literal);
	if (!c->ok || len > c->left || memcmp(c->at, literal, len) != 0) {
		return false;
	}
	c->at += len;
	c->left -= len;
	return true;
}

static void cursor_expect(struct cursor *c, const char *literal)
{
	c->ok = cursor_skip(c, literal);
}

/* A decimal number of 0..max without leading zeros. */
static unsigned cursor_number(struct cursor *c, unsigned max)
{
	unsigned value = 0;
	size_t digits = 0;
	while (c->ok && digits < c->left && digits < 3 && c->at[digits] >= '0' && c->at[digits] <= '9') {
		value = value * 10 + (unsigned)(c->at[digits] - '0');
		digits++;
	}
	c->ok = c->ok && digits > 0 && value <= max && (digits == 1 || c->at[0] != '0');
	if (!c->ok) {
		return 0;
	}
	c->at += digits;
	c->left -= digits;
	return value;
}

/* The bootname followed by `end`: without it, "A" would match the beginning of "AB". */
static uint8_t cursor_slot(struct cursor *c, const char *const bootname[DCD_SLOT_COUNT], const char *end)
{
	for (uint8_t i = 0; i < DCD_SLOT_COUNT; i++) {
		struct cursor ahead = *c;
		if (cursor_skip(&ahead, bootname[i]) && cursor_skip(&ahead, end)) {
			*c = ahead;
			return i;
		}
	}
	c->ok = false;
	return 0;
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
	struct cursor c = { (const char *)data, len - CHECK_LINE_SIZE, true };
	cursor_expect(&c, HEADLINE "order ");
	state.order[0] = cursor_slot(&c, bootname, " ");
	state.order[1] = cursor_slot(&c, bootname, "\n");
	for (uint8_t i = 0; i < DCD_SLOT_COUNT; i++) {
		cursor_expect(&c, "slot ");
		c.ok = cursor_slot(&c, bootname, " bootable=") == i && c.ok;
		state.slot[i].bootable = cursor_number(&c, 1) == 1;
		cursor_expect(&c, " good=");
		state.slot[i].good = cursor_number(&c, 1) == 1;
		cursor_expect(&c, " tries=");
		state.slot[i].tries_left = (uint8_t)cursor_number(&c, DCD_TRIES_MAX);
		cursor_expect(&c, "\n");
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
