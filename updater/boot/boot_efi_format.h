/*
 * The boot state as a UEFI firmware's own variables (UEFI specification, chapter 3; docs/boot.md has what means what and why):
 *
 *	Boot####     one load option for each slot, with the label "decade-BOOTNAME"; made by the maker, never written here
 *	BootOrder    the slots that are good, most wanted first, and a way back
 *	BootNext     the slot on trial: one boot, and the firmware deletes it before it loads anything
 *	DecadeTrial  ours: which slot that was, as the firmware forgets it
 *
 * Pure: no I/O.
 */
#ifndef DCD_UPDATER_BOOT_BOOT_EFI_FORMAT_H
#define DCD_UPDATER_BOOT_BOOT_EFI_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "updater/boot/boot.h"

#define DCD_EFI_ORDER_MAX 128 /* entries of BootOrder */
#define DCD_EFI_NONE (-1)

struct dcd_efi_vars {
	int number[DCD_SLOT_COUNT]; /* of the slots' load options */
	uint16_t order[DCD_EFI_ORDER_MAX];
	size_t order_count;
	int next;  /* a load option's number, or DCD_EFI_NONE */
	int trial; /* a slot, or DCD_EFI_NONE */
};

enum dcd_efi_option { DCD_EFI_OTHER, DCD_EFI_OURS, DCD_EFI_INACTIVE, DCD_EFI_DAMAGED };

/* What a load option is: ours and active, ours but one that the firmware skips, somebody else's, or too short for its own fields.
 */
enum dcd_efi_option dcd_efi_option_kind(const uint8_t *data, size_t len, const char *label);

/* The number of a variable "Boot####", or DCD_EFI_NONE for another name. */
int dcd_efi_option_number(const char *name);

/* False for a length that is no list of numbers, or more than DCD_EFI_ORDER_MAX of them. */
bool dcd_efi_order_parse(const uint8_t *data, size_t len, struct dcd_efi_vars *vars);

/* The state that the variables hold while slot `booted` runs. */
void dcd_efi_decode(const struct dcd_efi_vars *vars, int booted, struct dcd_boot_state *ret);

/*
 * What the variables have to become. Numbers in BootOrder that aren't ours keep their order. DCD_ERR_USAGE for a state without
 * any good slot: the firmware would find nothing of ours to boot.
 */
DCD_NODISCARD int dcd_efi_plan(const struct dcd_efi_vars *now, const struct dcd_boot_state *state, struct dcd_efi_vars *ret,
			       struct dcd_diag *diag);

#endif
