#include "updater/boot/boot_cursor.h"

#include <string.h>

bool dcd_cursor_skip(struct dcd_cursor *c, const char *literal)
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
	c->ok = dcd_cursor_skip(c, literal);
}

unsigned dcd_cursor_number(struct dcd_cursor *c, unsigned max)
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
		if (dcd_cursor_skip(&ahead, bootname[i]) && dcd_cursor_skip(&ahead, end)) {
			*c = ahead;
			return i;
		}
	}
	c->ok = false;
	return 0;
}
