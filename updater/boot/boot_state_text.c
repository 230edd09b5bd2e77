#include "updater/boot/boot_state_text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

size_t dcd_boot_text_write(const char *headline, const struct dcd_boot_state *state, const char *const bootname[DCD_SLOT_COUNT],
			   char *buf, size_t size)
{
	int used = snprintf(buf, size, "%sorder %s %s\n", headline, bootname[state->order[0]], bootname[state->order[1]]);
	size_t len = (size_t)used;
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const struct dcd_boot_slot *slot = &state->slot[i];
		assert(len < size);
		used = snprintf(buf + len, size - len, "slot %s bootable=%d good=%d tries=%u\n", bootname[i], slot->bootable,
				slot->good, slot->tries_left);
		len += (size_t)used;
	}
	assert(len < size);
	return len;
}

/* Steps over `literal` if it is there; `ok` stays as it is. */
static bool skip(struct dcd_cursor *c, const char *literal)
{
	size_t len = strlen(literal);
	if (!c->ok || len > c->left || memcmp(c->at, literal, len) != 0) {
		return false;
	}
	c->at += len;
	c->left -= len;
	return true;
}

void dcd_cursor_expect(struct dcd_cursor *c, const char *literal)
{
	c->ok = skip(c, literal);
}

/* A decimal number of 0..max without leading zeros. */
static unsigned number(struct dcd_cursor *c, unsigned max)
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

uint8_t dcd_cursor_slot(struct dcd_cursor *c, const char *const bootname[DCD_SLOT_COUNT], const char *end)
{
	for (uint8_t i = 0; i < DCD_SLOT_COUNT; i++) {
		struct dcd_cursor ahead = *c;
		if (skip(&ahead, bootname[i]) && skip(&ahead, end)) {
			*c = ahead;
			return i;
		}
	}
	c->ok = false;
	return 0;
}

void dcd_cursor_state(struct dcd_cursor *c, const char *const bootname[DCD_SLOT_COUNT], struct dcd_boot_state *state)
{
	dcd_cursor_expect(c, "order ");
	state->order[0] = dcd_cursor_slot(c, bootname, " ");
	state->order[1] = dcd_cursor_slot(c, bootname, "\n");
	c->ok = c->ok && state->order[0] != state->order[1];
	for (uint8_t i = 0; i < DCD_SLOT_COUNT; i++) {
		dcd_cursor_expect(c, "slot ");
		c->ok = dcd_cursor_slot(c, bootname, " bootable=") == i && c->ok;
		state->slot[i].bootable = number(c, 1) == 1;
		dcd_cursor_expect(c, " good=");
		state->slot[i].good = number(c, 1) == 1;
		dcd_cursor_expect(c, " tries=");
		state->slot[i].tries_left = (uint8_t)number(c, DCD_TRIES_MAX);
		dcd_cursor_expect(c, "\n");
	}
}
