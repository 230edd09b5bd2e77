/*
 * The boot state as variables of a loader's own environment, as the loaders `uboot` and `grub` keep it (docs/boot.md):
 * BOOT_ORDER, and BOOT_<bootname>_LEFT and BOOT_<bootname>_GOOD of each slot. Pure: no I/O.
 */
#ifndef DCD_UPDATER_BOOT_BOOT_VARS_H
#define DCD_UPDATER_BOOT_BOOT_VARS_H

#include "updater/boot/boot.h"

/* The variables by number: 0 is the order, then LEFT of each slot, then GOOD of each. */
#define DCD_BOOT_VARS (1 + 2 * DCD_SLOT_COUNT)
#define DCD_BOOT_VAR_NAME_SIZE (sizeof "BOOT__LEFT" + DCD_BOOTNAME_MAX)
#define DCD_BOOT_VAR_VALUE_SIZE (DCD_SLOT_COUNT * (DCD_BOOTNAME_MAX + 1))
#define DCD_BOOT_VAR_TRIES_MAX 9 /* one digit, which any script can count down */

struct dcd_boot_vars {
	const char *bootname[DCD_SLOT_COUNT]; /* the caller's */
	char name[DCD_BOOT_VARS][DCD_BOOT_VAR_NAME_SIZE];
};

struct dcd_boot_var_values {
	char text[DCD_BOOT_VARS][DCD_BOOT_VAR_VALUE_SIZE];
};

/* Names the variables. DCD_ERR_CONFIG for a bootname that a script could not spell: letters, digits and '_' only. */
DCD_NODISCARD int dcd_boot_vars_init(struct dcd_boot_vars *vars, const char *const bootname[DCD_SLOT_COUNT],
				     struct dcd_diag *diag);

/* DCD_ERR_USAGE for a state that must not be stored: one in which no slot is bootable, or that makes no sense. */
DCD_NODISCARD int dcd_boot_vars_encode(const struct dcd_boot_vars *vars, const struct dcd_boot_state *state,
				       struct dcd_boot_var_values *ret, struct dcd_diag *diag);

/*
 * The reverse; `value` holds a null for a variable that isn't there. Fills everything but `booted`. DCD_ERR_BOOT_STATE, with a
 * sentence that begins with `what`, for anything that neither Decade nor a loader's script would have written.
 */
DCD_NODISCARD int dcd_boot_vars_decode(const struct dcd_boot_vars *vars, const char *const value[DCD_BOOT_VARS], const char *what,
				       struct dcd_boot_state *ret, struct dcd_diag *diag);

#endif
