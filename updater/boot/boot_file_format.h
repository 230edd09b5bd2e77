/* The text of the file "boot-state" of the loader `file` (docs/boot.md). Pure: no I/O. */
#ifndef DCD_UPDATER_BOOT_BOOT_FILE_FORMAT_H
#define DCD_UPDATER_BOOT_BOOT_FILE_FORMAT_H

#include <stdint.h>

#include "updater/boot/boot.h"

#define DCD_BOOT_FILE_MAX 512 /* bytes; two longest bootnames still fit */

/* Writes the text of `state` (its `booted` is not part of it) to `buf` and returns its length; there is no NUL. */
size_t dcd_boot_file_encode(const struct dcd_boot_state *state, const char *const bootname[DCD_SLOT_COUNT],
			    char buf[DCD_BOOT_FILE_MAX]);

/*
 * The reverse; exactly the bytes that encode would have written are accepted. Fills everything but `booted`. DCD_ERR_BOOT_STATE,
 * with a sentence that begins with `what`.
 */
DCD_NODISCARD int dcd_boot_file_decode(const uint8_t *data, size_t len, const char *const bootname[DCD_SLOT_COUNT],
				       const char *what, struct dcd_boot_state *ret, struct dcd_diag *diag);

#endif
