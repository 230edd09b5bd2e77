/*
 * GRUB's environment block: exactly 1,024 bytes, a first line that says so, NAME=VALUE lines ('\' before a '\' or a line feed in
 * a value), and '#' up to the end. GRUB reads all of it and writes it back in place. Pure: no I/O.
 *
 * A drive writes a sector of 512 bytes whole or not at all; two of them it may tear apart. So our variables have to lie in the
 * first sector, and a new state must not change a byte of the second: BOOT_PAD takes up what BOOT_ORDER gives or needs.
 */
#ifndef DCD_UPDATER_BOOT_BOOT_GRUB_FORMAT_H
#define DCD_UPDATER_BOOT_BOOT_GRUB_FORMAT_H

#include <stdint.h>

#include "updater/boot/boot_vars.h"

#define DCD_GRUB_ENV_SIZE 1024U
#define DCD_GRUB_ENV_SECTOR 512U

/*
 * Fills everything but `booted`. DCD_ERR_BOOT_STATE, with a sentence that begins with `what`: no environment block, a damaged
 * one, one without our variables, with one of them twice or with a value that isn't ours, or one that could not be changed in
 * one sector.
 */
DCD_NODISCARD int dcd_grub_env_decode(const uint8_t block[DCD_GRUB_ENV_SIZE], const struct dcd_boot_vars *vars, const char *what,
				      struct dcd_boot_state *ret, struct dcd_diag *diag);

/*
 * The block `old` with the variables of `state`; all other lines as they were, and the second sector byte for byte. The errors
 * of decode for `old`, and those of dcd_boot_vars_encode().
 */
DCD_NODISCARD int dcd_grub_env_encode(const uint8_t old[DCD_GRUB_ENV_SIZE], const struct dcd_boot_vars *vars,
				      const struct dcd_boot_state *state, const char *what, uint8_t ret[DCD_GRUB_ENV_SIZE],
				      struct dcd_diag *diag);

#endif
