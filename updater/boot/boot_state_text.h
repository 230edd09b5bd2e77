/*
 * The lines that the texts of `file` and `exec` share: the order, then each slot's. Read from front to back, and exactly what
 * would have been written is taken. Pure: no I/O.
 */
#ifndef DCD_UPDATER_BOOT_BOOT_STATE_TEXT_H
#define DCD_UPDATER_BOOT_BOOT_STATE_TEXT_H

#include "updater/boot/boot.h"

/* `headline`, then the lines, and how long they are: the bounds of bootnames and tries keep that below 384 bytes. */
size_t dcd_boot_text_write(const char *headline, const struct dcd_boot_state *state, const char *const bootname[DCD_SLOT_COUNT],
			   char *buf, size_t size);

/* What is left to read; a step that doesn't match leaves `ok` false for good, so that a chain needs one check at its end. */
struct dcd_cursor {
	const char *at;
	size_t left;
	bool ok;
};

void dcd_cursor_expect(struct dcd_cursor *c, const char *literal);
/* The bootname followed by `end`: without it, "A" would match the beginning of "AB". */
uint8_t dcd_cursor_slot(struct dcd_cursor *c, const char *const bootname[DCD_SLOT_COUNT], const char *end);
/* The lines into `state`, which keeps its `booted`; a slot that stands twice in the order is none of ours. */
void dcd_cursor_state(struct dcd_cursor *c, const char *const bootname[DCD_SLOT_COUNT], struct dcd_boot_state *state);

#endif
