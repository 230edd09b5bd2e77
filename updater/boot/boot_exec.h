/* The boot loader `exec`: a maker's own program reads and stores the boot state (docs/boot.md). */
#ifndef DCD_UPDATER_BOOT_BOOT_EXEC_H
#define DCD_UPDATER_BOOT_BOOT_EXEC_H

#include "updater/boot/boot.h"

/* DCD_ERR_CONFIG without options->program. */
DCD_NODISCARD int dcd_boot_exec_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret,
				     struct dcd_diag *diag);

#endif
