/*
 * Opens the adapter of a boot loader by its name in the configuration. Each loader is one source file and one row of the table in
 * boot.c.
 */
#ifndef DCD_UPDATER_BOOT_BOOT_H
#define DCD_UPDATER_BOOT_BOOT_H

#include "base/diag.h"
#include "base/dir.h"
#include "updater/engine/boot_control.h"

#define DCD_BOOTNAME_MAX 32 /* bytes */

struct dcd_boot_options {
	/* The loader's own names of the slots, by slot index: 1..DCD_BOOTNAME_MAX of [A-Za-z0-9._-], different. Copied. */
	const char *bootname[DCD_SLOT_COUNT];
	/* Where the loader `file` keeps its state; not needed by others. The caller's; must outlive the control. */
	struct dcd_dir *state_dir;
};

/* DCD_ERR_CONFIG: an unknown loader, one that is not built in, or bootnames that it can't use. */
DCD_NODISCARD int dcd_boot_open(const char *loader, const struct dcd_boot_options *options, struct dcd_boot_control **ret,
				struct dcd_diag *diag);

/* What every adapter asks of its bootnames. */
DCD_NODISCARD int dcd_boot_check_names(const struct dcd_boot_options *options, struct dcd_diag *diag);

#endif
