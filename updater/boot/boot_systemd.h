/* The boot loader `systemd-boot`: the state is in the names of its entries (docs/boot.md). */
#ifndef DCD_UPDATER_BOOT_BOOT_SYSTEMD_H
#define DCD_UPDATER_BOOT_BOOT_SYSTEMD_H

#include "updater/boot/boot.h"

/* Needs options->media. DCD_ERR_CONFIG for bootnames that differ only in case, which the boot partition can't keep apart. */
DCD_NODISCARD int dcd_boot_systemd_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret,
					struct dcd_diag *diag);

#endif
