#include "updater/boot/boot_efi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efivar/efivar.h>

#include "base/cleanup.h"
#include "updater/boot/boot_cmdline.h"
#include "updater/boot/boot_efi_format.h"

#define ATTRIBUTES (EFI_VARIABLE_NON_VOLATILE | EFI_VARIABLE_BOOTSERVICE_ACCESS | EFI_VARIABLE_RUNTIME_ACCESS)
#define MODE 0644
#define LABEL_PREFIX "decade-"
/* 6a1a1b0e-52d2-4c6c-9d2f-0f3f8b7c5d11: the namespace of our one variable. */
#define DECADE_GUID EFI_GUID(0x6a1a1b0e, 0x52d2, 0x4c6c, 0x9d2f, 0x0f, 0x3f, 0x8b, 0x7c, 0x5d, 0x11)
#define TRIAL "DecadeTrial"

struct boot_efi {
	struct dcd_boot_control base;
	struct dcd_boot_kept kept;
};

static struct boot_efi *of(struct dcd_boot_control *control)
{
	return (struct boot_efi *)control;
}

/* ---- reading ---- */

/* A variable's bytes; null and 0 for one that isn't there. DCD_ERR_BOOT_STATE otherwise. */
static int get(efi_guid_t guid, const char *name, uint8_t **ret, size_t *ret_len, struct dcd_diag *diag)
{
	uint32_t attributes;
	uint8_t *data = NULL;
	size_t len = 0;
	if (efi_get_variable(guid, name, &data, &len, &attributes) == 0) {
		*ret = data;
		*ret_len = len;
		return 0;
	}
	int error = errno;
	efi_error_clear();
	if (error != ENOENT) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "the firmware's variable %s can't be read: %s", name,
				    strerror(error));
	}
	*ret = NULL;
	*ret_len = 0;
	return 0;
}

/* Which slot a load option is for, if any: noted in `vars`. Two of one label would be a guess. */
static int note_option(struct boot_efi *efi, const char *name, struct dcd_efi_vars *vars, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len;
	int err = get(EFI_GLOBAL_GUID, name, &data, &len, diag);
	for (int i = 0; err == 0 && data != NULL && i < DCD_SLOT_COUNT; i++) {
		char label[sizeof LABEL_PREFIX + DCD_BOOTNAME_MAX];
		(void)snprintf(label, sizeof label, LABEL_PREFIX "%s", efi->kept.bootname[i]);
		enum dcd_efi_option kind = dcd_efi_option_kind(data, len, label);
		if (kind == DCD_EFI_INACTIVE) {
			return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
					    "%s, the firmware's entry '%s', is inactive, so it is never booted", name, label);
		}
		if (kind == DCD_EFI_OURS && vars->number[i] != DCD_EFI_NONE) {
			return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "the firmware has two entries '%s'; remove one", label);
		}
		if (kind == DCD_EFI_OURS) {
			vars->number[i] = dcd_efi_option_number(name);
		}
	}
	return err;
}

static int find_options(struct boot_efi *efi, struct dcd_efi_vars *vars, struct dcd_diag *diag)
{
	efi_guid_t global = EFI_GLOBAL_GUID, *guid = NULL;
	char *name = NULL; /* both are the library's */
	int more, err = 0;
	/* To the end whatever is found: the library keeps its place between the calls. */
	while ((more = efi_get_next_variable_name(&guid, &name)) > 0) {
		if (err == 0 && memcmp(guid, &global, sizeof global) == 0 && dcd_efi_option_number(name) != DCD_EFI_NONE) {
			err = note_option(efi, name, vars, diag);
		}
	}
	efi_error_clear();
	if (err != 0) {
		return err;
	}
	if (more < 0) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
				    "the firmware's variables can't be listed; is this a UEFI system with efivarfs mounted?");
	}
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		if (vars->number[i] == DCD_EFI_NONE) {
			return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
					    "the firmware has no entry '" LABEL_PREFIX "%s'; docs/boot.md shows how to make one",
					    efi->kept.bootname[i]);
		}
	}
	return 0;
}

static int read_order(struct dcd_efi_vars *vars, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *order = NULL;
	DCD_AUTO_FREE uint8_t *next = NULL;
	size_t order_len, next_len;
	int err = get(EFI_GLOBAL_GUID, "BootOrder", &order, &order_len, diag);
	if (err == 0) {
		err = get(EFI_GLOBAL_GUID, "BootNext", &next, &next_len, diag);
	}
	if (err != 0) {
		return err;
	}
	if (!dcd_efi_order_parse(order, order_len, vars) || (next != NULL && next_len != 2)) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "the firmware's BootOrder or BootNext is no list of numbers");
	}
	vars->next = next == NULL ? DCD_EFI_NONE : next[0] | next[1] << 8;
	return 0;
}

static int read_trial(struct boot_efi *efi, struct dcd_efi_vars *vars, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len;
	vars->trial = DCD_EFI_NONE;
	int err = get(DECADE_GUID, TRIAL, &data, &len, diag);
	if (err != 0 || data == NULL) {
		return err;
	}
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		if (len == strlen(efi->kept.bootname[i]) && memcmp(data, efi->kept.bootname[i], len) == 0) {
			vars->trial = i;
			return 0;
		}
	}
	return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "the firmware's variable " TRIAL " names neither slot %s nor %s",
			    efi->kept.bootname[0], efi->kept.bootname[1]);
}

static int read_vars(struct boot_efi *efi, struct dcd_efi_vars *ret, int *ret_booted, struct dcd_diag *diag)
{
	struct dcd_efi_vars vars = { .number = { DCD_EFI_NONE, DCD_EFI_NONE } };
	int err = find_options(efi, &vars, diag);
	if (err == 0) {
		err = read_order(&vars, diag);
	}
	if (err == 0) {
		err = read_trial(efi, &vars, diag);
	}
	if (err == 0) {
		err = dcd_boot_cmdline_read(efi->kept.cmdline, efi->kept.bootname, ret_booted, diag);
	}
	if (err == 0) {
		*ret = vars;
	}
	return err;
}

static int efi_load(struct dcd_boot_control *control, struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct dcd_efi_vars vars;
	int booted;
	int err = read_vars(of(control), &vars, &booted, diag);
	if (err != 0) {
		return err;
	}
	dcd_efi_decode(&vars, booted, ret);
	if (ret->slot[0].good || ret->slot[1].good) {
		return 0;
	}
	return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
			    "the firmware's BootOrder has neither of the slots; see docs/boot.md for how to set it");
}

/* ---- storing ---- */

/* Written, or deleted where `len` is 0; then read again, because a full or worn variable store is not always told. */
static int set(efi_guid_t guid, const char *name, const uint8_t *data, size_t len, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *copy = malloc(len + 1);
	DCD_AUTO_FREE uint8_t *back = NULL;
	size_t back_len;
	if (copy == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the firmware's variable %s", name);
	}
	if (len > 0) {
		memcpy(copy, data, len);
	}
	int result = len > 0 ? efi_set_variable(guid, name, copy, len, ATTRIBUTES, MODE) : efi_del_variable(guid, name);
	int error = errno;
	efi_error_clear();
	if (result < 0 && !(len == 0 && error == ENOENT)) {
		return dcd_diag_set(diag, error == ENOSPC ? DCD_ERR_NO_SPACE : DCD_ERR_IO, "the firmware refuses to store %s: %s",
				    name, strerror(error));
	}
	int err = get(guid, name, &back, &back_len, diag);
	if (err == 0 && (back_len != len || (len > 0 && memcmp(back, data, len) != 0))) {
		err = dcd_diag_set(diag, DCD_ERR_READ_BACK, "the firmware doesn't keep %s as it was stored", name);
	}
	return err;
}

static int set_next(int number, struct dcd_diag *diag)
{
	const uint8_t data[2] = { (uint8_t)number, (uint8_t)(number >> 8) };
	return set(EFI_GLOBAL_GUID, "BootNext", data, number == DCD_EFI_NONE ? 0 : sizeof data, diag);
}

static int set_order(const struct dcd_efi_vars *vars, struct dcd_diag *diag)
{
	uint8_t data[2 * DCD_EFI_ORDER_MAX];
	for (size_t i = 0; i < vars->order_count; i++) {
		data[2 * i] = (uint8_t)vars->order[i];
		data[2 * i + 1] = (uint8_t)(vars->order[i] >> 8);
	}
	return set(EFI_GLOBAL_GUID, "BootOrder", data, 2 * vars->order_count, diag);
}

static int set_trial(struct boot_efi *efi, int slot, struct dcd_diag *diag)
{
	const char *name = slot == DCD_EFI_NONE ? "" : efi->kept.bootname[slot];
	return set(DECADE_GUID, TRIAL, (const uint8_t *)name, strlen(name), diag);
}

/* A trial that is taken back: BootNext is the store that does it, so what only explains it goes before. */
static int disarm(struct boot_efi *efi, const struct dcd_efi_vars *now, const struct dcd_efi_vars *plan, struct dcd_diag *diag)
{
	int err = now->trial != DCD_EFI_NONE && plan->trial == DCD_EFI_NONE ? set_trial(efi, DCD_EFI_NONE, diag) : 0;
	return err != 0 ? err : set_next(DCD_EFI_NONE, diag);
}

/*
 * The firmware has no store of several variables at once. Each change that the engine makes has one that carries it, BootNext or
 * BootOrder; DecadeTrial follows, and what a cut leaves without it is read from the other two (trial_of).
 */
static int carry_out(struct boot_efi *efi, const struct dcd_efi_vars *now, const struct dcd_efi_vars *plan, struct dcd_diag *diag)
{
	bool disarms = now->next != DCD_EFI_NONE && plan->next == DCD_EFI_NONE;
	bool reorders = now->order_count != plan->order_count ||
			memcmp(now->order, plan->order, plan->order_count * sizeof plan->order[0]) != 0;
	int err = disarms ? disarm(efi, now, plan, diag) : 0;
	if (err == 0 && reorders) {
		err = set_order(plan, diag);
	}
	if (err == 0 && plan->next != DCD_EFI_NONE && plan->next != now->next) {
		err = set_next(plan->next, diag);
	}
	bool explained = disarms && plan->trial == DCD_EFI_NONE;
	if (err == 0 && plan->trial != now->trial && !explained) {
		err = set_trial(efi, plan->trial, diag);
	}
	return err;
}

static int efi_store(struct dcd_boot_control *control, const struct dcd_boot_state *state, struct dcd_diag *diag)
{
	struct boot_efi *efi = of(control);
	struct dcd_efi_vars now, plan;
	int booted;
	int err = read_vars(efi, &now, &booted, diag);
	if (err == 0) {
		err = dcd_efi_plan(&now, state, &plan, diag);
	}
	return err != 0 ? err : carry_out(efi, &now, &plan, diag);
}

static void efi_close(struct dcd_boot_control *control)
{
	struct boot_efi *efi = of(control);
	dcd_boot_kept_free(&efi->kept);
	free(efi);
}

static const struct dcd_boot_control_ops efi_ops = {
	.load = efi_load,
	.store = efi_store,
	.close = efi_close,
};

int dcd_boot_efi_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret, struct dcd_diag *diag)
{
	struct boot_efi *efi = calloc(1, sizeof *efi);
	if (efi == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the boot state");
	}
	efi->base.ops = &efi_ops;
	efi->base.name = "efi";
	int err = dcd_boot_keep(&efi->kept, options, NULL, diag);
	if (err != 0) {
		efi_close(&efi->base);
		return err;
	}
	*ret = &efi->base;
	return 0;
}
