/*
 * Opens the adapter of a boot loader by its name in the configuration. Each loader is one source file and one row of the table in
 * boot.c.
 */
#ifndef DCD_UPDATER_BOOT_BOOT_H
#define DCD_UPDATER_BOOT_BOOT_H

#include "base/blockdev.h"
#include "base/diag.h"
#include "base/dir.h"
#include "updater/engine/boot_control.h"

#define DCD_BOOTNAME_MAX 32 /* bytes */

/*
 * How an adapter reaches the medium that its loader reads: the two interfaces that everything durable goes through
 * (docs/architecture.md). Opened for each load and store, and closed after it. Errors have a sentence.
 */
struct dcd_boot_media {
	int (*open_block)(void *context, const char *path, bool writable, struct dcd_blockdev **ret, struct dcd_diag *diag);
	/* A folder that exists; it is never made. */
	int (*open_dir)(void *context, const char *path, struct dcd_dir **ret, struct dcd_diag *diag);
	void *context;
};

/* What a loader doesn't need may be null; of a path that is null the loader's default is taken. Strings are copied. */
struct dcd_boot_options {
	/* The loader's own names of the slots, by slot index: 1..DCD_BOOTNAME_MAX of [A-Za-z0-9._-], different. */
	const char *bootname[DCD_SLOT_COUNT];
	/* `file`: where it keeps its state. The caller's; must outlive the control. */
	struct dcd_dir *state_dir;
	const struct dcd_boot_media *media; /* uboot, grub, systemd-boot. The caller's; must outlive the control */
	const char *cmdline;        /* uboot, grub, systemd-boot: the file with the kernel's command line; /proc/cmdline */
	const char *uboot_config;   /* uboot: where the environment is; /etc/fw_env.config */
	const char *grubenv;        /* grub: the environment block; /boot/grub/grubenv */
	const char *entries;        /* systemd-boot: the folder of the entries; /boot/loader/entries */
	const char *program;        /* exec: the maker's program; required */
	uint32_t program_timeout_s; /* exec: for one call of it; 0: 10 */
};

/* DCD_ERR_CONFIG: an unknown loader, one that is not built in, or bootnames that it can't use. */
DCD_NODISCARD int dcd_boot_open(const char *loader, const struct dcd_boot_options *options, struct dcd_boot_control **ret,
				struct dcd_diag *diag);

/* What every adapter asks of its bootnames. */
DCD_NODISCARD int dcd_boot_check_names(const struct dcd_boot_options *options, struct dcd_diag *diag);

/* What an adapter keeps of its options: copies of its own. Stays where it is, because `bootname` points into it. */
struct dcd_boot_kept {
	const char *bootname[DCD_SLOT_COUNT];
	char names[DCD_SLOT_COUNT][DCD_BOOTNAME_MAX + 1];
	char *place;   /* of the loader's state; null where there is none */
	char *cmdline; /* or null */
};

/* Checks the bootnames, and copies. `place` is null for none. To be freed whether this fails or not, if it was zeros before. */
DCD_NODISCARD int dcd_boot_keep(struct dcd_boot_kept *kept, const struct dcd_boot_options *options, const char *place,
				struct dcd_diag *diag);
void dcd_boot_kept_free(struct dcd_boot_kept *kept);

#endif
