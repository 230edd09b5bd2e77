#include "updater/boot/boot_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "updater/boot/boot_file_format.h"

#define STATE_FILE "boot-state"
#define BOOTED_FILE "booted"

struct boot_file {
	struct dcd_boot_control base;
	struct dcd_dir *dir;
	char names[DCD_SLOT_COUNT][DCD_BOOTNAME_MAX + 1];
	const char *bootname[DCD_SLOT_COUNT]; /* point into `names` */
};

static const struct dcd_boot_state factory_state = {
	.order = { 0, 1 },
	.slot = { { .bootable = true, .good = true }, { .bootable = false } },
};

static struct boot_file *of(struct dcd_boot_control *control)
{
	return (struct boot_file *)control;
}

/* DCD_ERR_NOT_FOUND where there is no such file, or an empty one: what a cut in the first store leaves on FAT. Every other
 * trouble is the boot state's. */
static int load_file(struct boot_file *bf, const char *name, size_t max, uint8_t **ret_data, size_t *ret_len,
		     struct dcd_diag *diag)
{
	int err = dcd_dir_load(bf->dir, name, max, ret_data, ret_len, diag);
	if (err == 0 && *ret_len == 0) {
		return DCD_ERR_NOT_FOUND;
	}
	if (err == 0 || err == DCD_ERR_NOT_FOUND || err == DCD_ERR_NO_MEMORY) {
		return err;
	}
	if (err == DCD_ERR_SIZE) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "%s/%s is larger than a boot state can be", bf->dir->name, name);
	}
	return dcd_diag_prefix(diag, DCD_ERR_BOOT_STATE, "boot state");
}

/* The slot named by the file "booted", or DCD_ERR_NOT_FOUND. */
static int load_booted(struct boot_file *bf, int *ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	int err = load_file(bf, BOOTED_FILE, DCD_BOOTNAME_MAX + 1, &data, &len, diag);
	if (err != 0) {
		return err;
	}
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		size_t name_len = strlen(bf->bootname[i]);
		if (len == name_len + 1 && memcmp(data, bf->bootname[i], name_len) == 0 && data[name_len] == '\n') {
			*ret = i;
			return 0;
		}
	}
	return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "%s/" BOOTED_FILE " names neither %s nor %s", bf->dir->name,
			    bf->bootname[0], bf->bootname[1]);
}

static int load_state(struct boot_file *bf, struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	int err = load_file(bf, STATE_FILE, DCD_BOOT_FILE_MAX, &data, &len, diag);
	if (err != 0) {
		return err;
	}
	char what[DCD_DIAG_TEXT / 2];
	(void)snprintf(what, sizeof what, "%s/" STATE_FILE, bf->dir->name);
	return dcd_boot_file_decode(data, len, bf->bootname, what, ret, diag);
}

static int boot_file_load(struct dcd_boot_control *control, struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct boot_file *bf = of(control);
	struct dcd_boot_state state = factory_state;
	int err = load_state(bf, &state, diag);
	bool factory = err == DCD_ERR_NOT_FOUND;
	if (err != 0 && !factory) {
		return err;
	}
	err = load_booted(bf, &state.booted, diag);
	if (err == DCD_ERR_NOT_FOUND && !factory) {
		/* Guessing here could mean to write the running slot. */
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
				    "%s/" BOOTED_FILE " is missing: which slot runs is unknown; write its bootname into it",
				    bf->dir->name);
	}
	if (err != 0 && err != DCD_ERR_NOT_FOUND) {
		return err;
	}
	if (factory && state.booted != 0) {
		/* A factory device runs slot 0. So the file was lost, and slot 0 may be half written: it must not pass for good.
		 */
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
				    "%s/" STATE_FILE
				    " is missing, but slot %s runs, which no factory device does; see docs/boot.md for "
				    "how to restore it",
				    bf->dir->name, bf->bootname[state.booted]);
	}
	*ret = state;
	return 0;
}

int dcd_boot_file_set_booted(struct dcd_boot_control *control, int slot, struct dcd_diag *diag)
{
	struct boot_file *bf = of(control);
	char line[DCD_BOOTNAME_MAX + 2];
	int len = snprintf(line, sizeof line, "%s\n", bf->bootname[slot]);
	return dcd_dir_replace(bf->dir, BOOTED_FILE, line, (size_t)len, diag);
}

static bool state_valid(const struct dcd_boot_state *state)
{
	bool valid = state->order[0] < DCD_SLOT_COUNT && state->order[1] < DCD_SLOT_COUNT && state->order[0] != state->order[1];
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		valid = valid && state->slot[i].tries_left <= DCD_TRIES_MAX;
	}
	return valid;
}

static int boot_file_store(struct dcd_boot_control *control, const struct dcd_boot_state *state, struct dcd_diag *diag)
{
	struct boot_file *bf = of(control);
	if (!state_valid(state)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: a boot state that makes no sense was not stored", bf->dir->name);
	}
	/*
	 * A factory device is known to run slot 0 only while it has no boot-state. So the first store writes that down before; a
	 * cut in between changes nothing, the two files then say the same as none.
	 */
	int booted;
	int err = load_booted(bf, &booted, diag);
	if (err == DCD_ERR_NOT_FOUND) {
		struct dcd_boot_state now;
		err = boot_file_load(control, &now, diag);
		if (err == 0) {
			err = dcd_boot_file_set_booted(control, now.booted, diag);
		}
	}
	if (err != 0) {
		return err;
	}
	char text[DCD_BOOT_FILE_MAX];
	size_t len = dcd_boot_file_encode(state, bf->bootname, text);
	return dcd_dir_replace(bf->dir, STATE_FILE, text, len, diag);
}

static void boot_file_close(struct dcd_boot_control *control)
{
	free(of(control));
}

static const struct dcd_boot_control_ops boot_file_ops = {
	.load = boot_file_load,
	.store = boot_file_store,
	.close = boot_file_close,
};

int dcd_boot_file_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret, struct dcd_diag *diag)
{
	int err = dcd_boot_check_names(options, diag);
	if (err != 0) {
		return err;
	}
	struct boot_file *bf = calloc(1, sizeof *bf);
	if (bf == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the boot state");
	}
	bf->base.ops = &boot_file_ops;
	bf->base.name = "file";
	bf->dir = options->state_dir;
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		(void)snprintf(bf->names[i], sizeof bf->names[i], "%s", options->bootname[i]);
		bf->bootname[i] = bf->names[i];
	}
	*ret = &bf->base;
	return 0;
}
