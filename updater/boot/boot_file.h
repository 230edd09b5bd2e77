/*
 * The boot loader `file`: the boot state is two small files in a folder, and decade-bootsim plays the loader. For demos, tests,
 *and as the model that the other adapters are compared with (docs/boot.md).
 *
 *	boot-state  order, bootable, good, tries; missing: a factory device, slot 0 primary and good, slot 1 not bootable
 *	booted      the bootname that the loader chose last; missing: slot 0, as long as boot-state is missing too
 */
#ifndef DCD_UPDATER_BOOT_BOOT_FILE_H
#define DCD_UPDATER_BOOT_BOOT_FILE_H

#include "updater/boot/boot.h"

/* The control keeps options->state_dir, which stays the caller's. DCD_ERR_CONFIG for bootnames that can't be used. */
DCD_NODISCARD int dcd_boot_file_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret,
				     struct dcd_diag *diag);

/* What a real loader does by jumping into the kernel: makes `slot` the running one. For decade-bootsim alone. */
DCD_NODISCARD int dcd_boot_file_set_booted(struct dcd_boot_control *control, int slot, struct dcd_diag *diag);

#endif
