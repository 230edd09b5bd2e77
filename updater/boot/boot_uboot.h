/* The boot loader `uboot`: the state is in U-Boot's environment, which libubootenv reads and writes (docs/boot.md). */
#ifndef DCD_UPDATER_BOOT_BOOT_UBOOT_H
#define DCD_UPDATER_BOOT_BOOT_UBOOT_H

#include "updater/boot/boot.h"

/* Needs options->media. DCD_ERR_CONFIG for bootnames that can't be used; the environment is looked at by load and store. */
DCD_NODISCARD int dcd_boot_uboot_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret,
				      struct dcd_diag *diag);

#endif
