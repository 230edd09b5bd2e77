/* The boot loader `grub`: the state is in GRUB's environment block, which grub.cfg reads and writes back (docs/boot.md). */
#ifndef DCD_UPDATER_BOOT_BOOT_GRUB_H
#define DCD_UPDATER_BOOT_BOOT_GRUB_H

#include "updater/boot/boot.h"

/* Needs options->media. DCD_ERR_CONFIG for bootnames that can't be used; the block itself is looked at by load and store. */
DCD_NODISCARD int dcd_boot_grub_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret,
				     struct dcd_diag *diag);

#endif
