/* The boot loader `efi`: a UEFI firmware that boots the slots' kernels itself; libefivar reads and writes its variables. */
#ifndef DCD_UPDATER_BOOT_BOOT_EFI_H
#define DCD_UPDATER_BOOT_BOOT_EFI_H

#include "updater/boot/boot.h"

DCD_NODISCARD int dcd_boot_efi_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret, struct dcd_diag *diag);

#endif
