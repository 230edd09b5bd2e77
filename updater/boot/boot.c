#include "updater/boot/boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "updater/boot/boot_efi.h"
#include "updater/boot/boot_exec.h"
#include "updater/boot/boot_file.h"
#include "updater/boot/boot_grub.h"
#include "updater/boot/boot_systemd.h"
#include "updater/boot/boot_uboot.h"

#ifndef DCD_BOOT_UBOOT
#define dcd_boot_uboot_open NULL
#endif
#ifndef DCD_BOOT_EFI
#define dcd_boot_efi_open NULL
#endif

struct loader {
	const char *name;
	/* Null: its library wasn't there when this program was built. */
	int (*open)(const struct dcd_boot_options *options, struct dcd_boot_control **ret, struct dcd_diag *diag);
	const char *package; /* that has it */
};

static const struct loader loaders[] = {
	{ "file", dcd_boot_file_open, NULL },          { "uboot", dcd_boot_uboot_open, "libubootenv-dev" },
	{ "grub", dcd_boot_grub_open, NULL },          { "systemd-boot", dcd_boot_systemd_open, NULL },
	{ "efi", dcd_boot_efi_open, "libefivar-dev" }, { "exec", dcd_boot_exec_open, NULL },
};

static bool bootname_ok(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = name == NULL ? 0 : strlen(name);
	return len > 0 && len <= DCD_BOOTNAME_MAX && strspn(name, allowed) == len;
}

int dcd_boot_check_names(const struct dcd_boot_options *options, struct dcd_diag *diag)
{
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const char *name = options->bootname[i];
		if (!bootname_ok(name)) {
			return dcd_diag_set(diag, DCD_ERR_CONFIG, "bootname '%s' is not 1 to %d letters, digits, '.', '_' or '-'",
					    name == NULL ? "" : name, DCD_BOOTNAME_MAX);
		}
	}
	if (strcmp(options->bootname[0], options->bootname[1]) == 0) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "both slots have the bootname '%s'; the boot loader needs two names",
				    options->bootname[0]);
	}
	return 0;
}

int dcd_boot_keep(struct dcd_boot_kept *kept, const struct dcd_boot_options *options, const char *place, struct dcd_diag *diag)
{
	int err = dcd_boot_check_names(options, diag);
	if (err != 0) {
		return err;
	}
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		(void)snprintf(kept->names[i], sizeof kept->names[i], "%s", options->bootname[i]);
		kept->bootname[i] = kept->names[i];
	}
	kept->place = place == NULL ? NULL : strdup(place);
	kept->cmdline = options->cmdline == NULL ? NULL : strdup(options->cmdline);
	if ((place != NULL && kept->place == NULL) || (options->cmdline != NULL && kept->cmdline == NULL)) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the boot state");
	}
	return 0;
}

void dcd_boot_kept_free(struct dcd_boot_kept *kept)
{
	free(kept->place);
	free(kept->cmdline);
}

int dcd_boot_open(const char *loader, const struct dcd_boot_options *options, struct dcd_boot_control **ret,
		  struct dcd_diag *diag)
{
	for (size_t i = 0; i < sizeof loaders / sizeof loaders[0]; i++) {
		if (strcmp(loaders[i].name, loader) != 0) {
			continue;
		}
		if (loaders[i].open == NULL) {
			return dcd_diag_set(diag, DCD_ERR_CONFIG,
					    "the boot loader '%s' is not built in: install %s and build again", loader,
					    loaders[i].package);
		}
		return loaders[i].open(options, ret, diag);
	}
	return dcd_diag_set(diag, DCD_ERR_CONFIG,
			    "unknown boot loader '%s' in [boot]; known are file, uboot, grub, systemd-boot, efi and exec",
			    loader);
}
