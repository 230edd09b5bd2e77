/* Reads a text of ours from front to back; exactly what would have been written is taken. Pure: no I/O. */
#ifndef DCD_UPDATER_BOOT_BOOT_CURSOR_H
#define DCD_UPDATER_BOOT_BOOT_CURSOR_H

#include "updater/boot/boot.h"

/* What is left to read; a step that doesn't match leaves `ok` false for good, so that a chain needs one check at its end. */
struct dcd_cursor {
	const char *at;
	size_t left;
	bool ok;
};

/* Steps over `literal` if it is there; `ok` stays as it is. */
bool dcd_cursor_skip(struct dcd_cursor *c, const char *literal);
void dcd_cursor_expect(struct dcd_cursor *c, const char *literal);
/* A decimal number of 0..max without leading zeros. */
unsigned dcd_cursor_number(struct dcd_cursor *c, unsigned max);
/* The bootname followed by `end`: without it, "A" would match the beginning of "AB". */
uint8_t dcd_cursor_slot(struct dcd_cursor *c, const char *const bootname[DCD_SLOT_COUNT], const char *end);

#endif
