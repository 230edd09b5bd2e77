/* What Decade and a maker's program say to each other about the boot state (docs/boot.md). Pure: no I/O. */
#ifndef DCD_UPDATER_BOOT_BOOT_EXEC_FORMAT_H
#define DCD_UPDATER_BOOT_BOOT_EXEC_FORMAT_H

#include <stdint.h>

#include "updater/boot/boot.h"

#define DCD_BOOT_EXEC_MAX 1024 /* bytes of a text; two longest bootnames still fit */

/* The text for `set`: everything but `booted`. Returns its length; there is no NUL. */
size_t dcd_boot_exec_encode(const struct dcd_boot_state *state, const char *const bootname[DCD_SLOT_COUNT],
			    char buf[DCD_BOOT_EXEC_MAX]);

/* What `get` has printed; exactly that. DCD_ERR_BOOT_STATE, with a sentence that begins with `what`. */
DCD_NODISCARD int dcd_boot_exec_decode(const char *text, size_t len, const char *const bootname[DCD_SLOT_COUNT], const char *what,
				       struct dcd_boot_state *ret, struct dcd_diag *diag);

#endif
