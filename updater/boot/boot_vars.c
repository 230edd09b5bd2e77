#include "updater/boot/boot_vars.h"

#include <stdio.h>
#include <string.h>

enum { VAR_ORDER, VAR_LEFT, VAR_GOOD = VAR_LEFT + DCD_SLOT_COUNT };

int dcd_boot_vars_init(struct dcd_boot_vars *vars, const char *const bootname[DCD_SLOT_COUNT], struct dcd_diag *diag)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
	(void)snprintf(vars->name[VAR_ORDER], sizeof vars->name[0], "BOOT_ORDER");
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		size_t len = strlen(bootname[i]);
		if (len > DCD_BOOTNAME_MAX || strspn(bootname[i], allowed) != len) {
			return dcd_diag_set(diag, DCD_ERR_CONFIG,
					    "bootname '%s' can't be part of a variable's name in the boot loader's script; use "
					    "letters, digits "
					    "and '_'",
					    bootname[i]);
		}
		vars->bootname[i] = bootname[i];
		(void)snprintf(vars->name[VAR_LEFT + i], sizeof vars->name[0], "BOOT_%s_LEFT", bootname[i]);
		(void)snprintf(vars->name[VAR_GOOD + i], sizeof vars->name[0], "BOOT_%s_GOOD", bootname[i]);
	}
	return 0;
}

static void append(char *text, size_t size, const char *more)
{
	size_t len = strlen(text);
	(void)snprintf(text + len, size - len, "%s%s", len > 0 ? " " : "", more);
}

int dcd_boot_vars_encode(const struct dcd_boot_vars *vars, const struct dcd_boot_state *state, struct dcd_boot_var_values *ret,
			 struct dcd_diag *diag)
{
	struct dcd_boot_var_values values = { 0 };
	if (state->order[0] >= DCD_SLOT_COUNT || state->order[1] >= DCD_SLOT_COUNT || state->order[0] == state->order[1]) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "a boot order that makes no sense was not stored");
	}
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const struct dcd_boot_slot *slot = &state->slot[i];
		unsigned tries = slot->tries_left < DCD_BOOT_VAR_TRIES_MAX ? slot->tries_left : DCD_BOOT_VAR_TRIES_MAX;
		if (state->slot[state->order[i]].bootable) {
			append(values.text[VAR_ORDER], sizeof values.text[0], vars->bootname[state->order[i]]);
		}
		(void)snprintf(values.text[VAR_LEFT + i], sizeof values.text[0], "%u", tries);
		(void)snprintf(values.text[VAR_GOOD + i], sizeof values.text[0], "%d", slot->good);
	}
	if (values.text[VAR_ORDER][0] == '\0') {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "a boot state without any bootable slot was not stored");
	}
	*ret = values;
	return 0;
}

/* The slot whose bootname is the `len` bytes at `text`, or -1. */
static int slot_named(const struct dcd_boot_vars *vars, const char *text, size_t len)
{
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		if (strlen(vars->bootname[i]) == len && memcmp(vars->bootname[i], text, len) == 0) {
			return i;
		}
	}
	return -1;
}

/* Names with one blank between them, each a slot's, none twice; what isn't named comes last and isn't bootable. */
static bool decode_order(const struct dcd_boot_vars *vars, const char *text, struct dcd_boot_state *state)
{
	int count = 0;
	for (;;) {
		size_t len = strcspn(text, " ");
		int slot = slot_named(vars, text, len);
		if (slot < 0 || count == DCD_SLOT_COUNT || state->slot[slot].bootable) {
			return false;
		}
		state->order[count++] = (uint8_t)slot;
		state->slot[slot].bootable = true;
		if (text[len] == '\0') {
			break;
		}
		text += len + 1;
	}
	if (count < DCD_SLOT_COUNT) {
		state->order[1] = (uint8_t)dcd_slot_other(state->order[0]);
	}
	return true;
}

/* One decimal digit up to `max`; absent counts as 0. */
static bool decode_digit(const char *text, unsigned max, unsigned *ret)
{
	if (text == NULL) {
		*ret = 0;
		return true;
	}
	if (text[0] < '0' || text[0] > '9' || text[1] != '\0' || (unsigned)(text[0] - '0') > max) {
		return false;
	}
	*ret = (unsigned)(text[0] - '0');
	return true;
}

static int foreign(const struct dcd_boot_vars *vars, const char *const value[DCD_BOOT_VARS], int var, const char *what,
		   struct dcd_diag *diag)
{
	return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
			    "%s: %s is '%s', which is no state of the slots %s and %s; see docs/boot.md for how to "
			    "restore it",
			    what, vars->name[var], value[var], vars->bootname[0], vars->bootname[1]);
}

int dcd_boot_vars_decode(const struct dcd_boot_vars *vars, const char *const value[DCD_BOOT_VARS], const char *what,
			 struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct dcd_boot_state state = { 0 };
	if (value[VAR_ORDER] == NULL) {
		return dcd_diag_set(
			diag, DCD_ERR_BOOT_STATE,
			"%s: BOOT_ORDER is missing, so which slot boots is unknown; see docs/boot.md for how to set it", what);
	}
	if (!decode_order(vars, value[VAR_ORDER], &state)) {
		return foreign(vars, value, VAR_ORDER, what, diag);
	}
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		unsigned left, good;
		if (!decode_digit(value[VAR_LEFT + i], DCD_BOOT_VAR_TRIES_MAX, &left)) {
			return foreign(vars, value, VAR_LEFT + i, what, diag);
		}
		if (!decode_digit(value[VAR_GOOD + i], 1, &good)) {
			return foreign(vars, value, VAR_GOOD + i, what, diag);
		}
		state.slot[i].tries_left = (uint8_t)left;
		state.slot[i].good = good == 1;
	}
	*ret = state;
	return 0;
}
