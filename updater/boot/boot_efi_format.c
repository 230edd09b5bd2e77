#include "updater/boot/boot_efi_format.h"

#include <string.h>

#define LOAD_OPTION_ACTIVE 1U
#define DESCRIPTION_AT 6U /* behind 32 bits of attributes and the 16-bit length of the file paths */

static uint16_t get_16(const uint8_t *data)
{
	return (uint16_t)(data[0] | data[1] << 8);
}

enum dcd_efi_option dcd_efi_option_kind(const uint8_t *data, size_t len, const char *label)
{
	size_t at = DESCRIPTION_AT;
	bool same = true;
	if (len < DESCRIPTION_AT) {
		return DCD_EFI_DAMAGED;
	}
	size_t paths_len = get_16(data + 4);
	for (;; at += 2) {
		if (len - at < 2) {
			return DCD_EFI_DAMAGED;
		}
		uint16_t unit = get_16(data + at);
		same = same && unit == (uint8_t)*label;
		if (unit == 0) {
			break;
		}
		label += *label != '\0';
	}
	at += 2;
	if (paths_len > len - at) {
		return DCD_EFI_DAMAGED;
	}
	if (!same) {
		return DCD_EFI_OTHER;
	}
	return (data[0] & LOAD_OPTION_ACTIVE) != 0 ? DCD_EFI_OURS : DCD_EFI_INACTIVE;
}

int dcd_efi_option_number(const char *name)
{
	int number = 0;
	if (strlen(name) != 8 || strncmp(name, "Boot", 4) != 0) {
		return DCD_EFI_NONE;
	}
	for (int i = 4; i < 8; i++) {
		static const char digits[] = "0123456789ABCDEF"; /* upper case alone, says the specification */
		const char *digit = strchr(digits, name[i]);
		if (digit == NULL) {
			return DCD_EFI_NONE;
		}
		number = number * 16 + (int)(digit - digits);
	}
	return number;
}

bool dcd_efi_order_parse(const uint8_t *data, size_t len, struct dcd_efi_vars *vars)
{
	if (len % 2 != 0 || len / 2 > DCD_EFI_ORDER_MAX) {
		return false;
	}
	vars->order_count = len / 2;
	for (size_t i = 0; i < vars->order_count; i++) {
		vars->order[i] = get_16(data + 2 * i);
	}
	return true;
}

/* The slot of a load option's number, or DCD_EFI_NONE. */
static int slot_of(const struct dcd_efi_vars *vars, int number)
{
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		if (number != DCD_EFI_NONE && vars->number[i] == number) {
			return i;
		}
	}
	return DCD_EFI_NONE;
}

static bool in_order(const struct dcd_efi_vars *vars, int slot)
{
	for (size_t i = 0; i < vars->order_count; i++) {
		if (vars->order[i] == vars->number[slot]) {
			return true;
		}
	}
	return false;
}

static int first_in_order(const struct dcd_efi_vars *vars)
{
	for (size_t i = 0; i < vars->order_count; i++) {
		int slot = slot_of(vars, vars->order[i]);
		if (slot != DCD_EFI_NONE) {
			return slot;
		}
	}
	return DCD_EFI_NONE;
}

/*
 * The slot on trial: armed; or tried and not confirmed, which is that it isn't first; or running although it isn't in the order,
 * as DecadeTrial is written after BootNext and a cut may have come in between.
 */
static int trial_of(const struct dcd_efi_vars *vars, int booted)
{
	int armed = slot_of(vars, vars->next);
	if (armed != DCD_EFI_NONE) {
		return armed;
	}
	if (vars->trial != DCD_EFI_NONE && first_in_order(vars) != vars->trial) {
		return vars->trial;
	}
	return in_order(vars, booted) ? DCD_EFI_NONE : booted;
}

void dcd_efi_decode(const struct dcd_efi_vars *vars, int booted, struct dcd_boot_state *ret)
{
	int trial = trial_of(vars, booted);
	int first = trial != DCD_EFI_NONE ? trial : first_in_order(vars);
	ret->booted = booted;
	ret->order[0] = (uint8_t)(first == 1 ? 1 : 0);
	ret->order[1] = (uint8_t)dcd_slot_other(ret->order[0]);
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		bool good = i != trial && in_order(vars, i);
		ret->slot[i] = (struct dcd_boot_slot){ .bootable = good || i == trial, .good = good };
	}
	if (slot_of(vars, vars->next) != DCD_EFI_NONE) {
		ret->slot[trial].tries_left = 1;
	}
}

static bool append(struct dcd_efi_vars *vars, int number)
{
	if (vars->order_count == DCD_EFI_ORDER_MAX) {
		return false;
	}
	vars->order[vars->order_count++] = (uint16_t)number;
	return true;
}

/* Ours where the first of ours was, or in front; all others as they were. */
static bool replace_ours(const struct dcd_efi_vars *now, const int *ours, size_t count, struct dcd_efi_vars *ret)
{
	bool placed = false, room = true;
	bool in_front = first_in_order(now) == DCD_EFI_NONE;
	ret->order_count = 0;
	for (size_t i = 0; i < now->order_count || (in_front && i == 0); i++) {
		bool mine = i < now->order_count && slot_of(now, now->order[i]) != DCD_EFI_NONE;
		for (size_t j = 0; (mine || in_front) && !placed && j < count; j++) {
			room = append(ret, now->number[ours[j]]) && room;
		}
		placed = placed || mine || in_front;
		if (!mine && i < now->order_count) {
			room = append(ret, now->order[i]) && room;
		}
	}
	return room;
}

int dcd_efi_plan(const struct dcd_efi_vars *now, const struct dcd_boot_state *state, struct dcd_efi_vars *ret,
		 struct dcd_diag *diag)
{
	int ours[DCD_SLOT_COUNT];
	size_t count = 0;
	const struct dcd_boot_slot *first = &state->slot[state->order[0]];
	bool on_trial = first->bootable && !first->good;
	struct dcd_efi_vars plan = *now;
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const struct dcd_boot_slot *slot = &state->slot[state->order[i]];
		/* Behind another one the firmware doesn't count: there a slot that may boot is a way back, confirmed or not. */
		if (slot->bootable && (slot->good || (i > 0 && slot->tries_left > 0))) {
			ours[count++] = state->order[i];
		}
	}
	if (count == 0 || state->order[0] == state->order[1]) {
		return dcd_diag_set(diag, DCD_ERR_USAGE,
				    "a boot state without any confirmed slot was not stored: the firmware would have nothing to "
				    "fall back to");
	}
	/* A slot that was good before its trial stays in the order, behind: as long as the firmware knows a way back, it keeps
	 * it. */
	if (on_trial && in_order(now, state->order[0])) {
		ours[count++] = state->order[0];
	}
	if (!replace_ours(now, ours, count, &plan)) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "BootOrder has no room for our entries; remove some of the others");
	}
	plan.trial = on_trial ? state->order[0] : DCD_EFI_NONE;
	bool armed = on_trial && first->tries_left > 0;
	bool next_is_ours = slot_of(now, now->next) != DCD_EFI_NONE;
	plan.next = armed ? now->number[state->order[0]] : next_is_ours ? DCD_EFI_NONE : now->next;
	*ret = plan;
	return 0;
}
