/* Which slot runs, as the loader told the kernel: decade.slot=BOOTNAME on its command line (docs/boot.md). */
#ifndef DCD_UPDATER_BOOT_BOOT_CMDLINE_H
#define DCD_UPDATER_BOOT_BOOT_CMDLINE_H

#include <stddef.h>

#include "updater/boot/boot.h"

#define DCD_CMDLINE_MAX 65536U /* bytes; Linux allows 2 to 4 KiB on most machines */

/*
 * The slot that a command line names. DCD_ERR_BOOT_STATE, with a sentence that begins with `what`: it names none, one that
 * isn't ours, or two different ones. A quoted word counts as the kernel counts it: blanks inside don't end it. Pure.
 */
DCD_NODISCARD int dcd_boot_cmdline_parse(const char *text, size_t len, const char *const bootname[DCD_SLOT_COUNT],
					 const char *what, int *ret_slot, struct dcd_diag *diag);

/* The same from a file; null for the kernel's own, /proc/cmdline. */
DCD_NODISCARD int dcd_boot_cmdline_read(const char *path, const char *const bootname[DCD_SLOT_COUNT], int *ret_slot,
					struct dcd_diag *diag);

#endif
