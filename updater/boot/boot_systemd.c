#include "updater/boot/boot_systemd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "updater/boot/boot_bls_format.h"
#include "updater/boot/boot_cmdline.h"

#define DEFAULT_PATH "/boot/loader/entries"
#define ENTRY_SIZE_MAX 4096U /* bytes of an entry's text */
#define NAMES_MAX 8          /* files of one slot; more than two is a folder that somebody else plays with */

struct boot_systemd {
	struct dcd_boot_control base;
	const struct dcd_boot_media *media;
	struct dcd_boot_kept kept;
};

/* What the folder holds of one slot. */
struct slot_files {
	char name[NAMES_MAX][DCD_BLS_NAME_SIZE];
	int count;
	bool present; /* `best` is filled: the entry that the loader would take */
	struct dcd_bls_entry best;
	const char *best_name; /* into `name` */
	uint8_t *text;         /* of the template */
	size_t text_len;
};

struct scan {
	const struct boot_systemd *sd;
	struct dcd_dir *dir;
	struct slot_files slot[DCD_SLOT_COUNT];
	int err; /* of a name that can't be used */
	struct dcd_diag *diag;
};

static struct boot_systemd *of(struct dcd_boot_control *control)
{
	return (struct boot_systemd *)control;
}

static void scan_close(struct scan *scan)
{
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		free(scan->slot[i].text);
	}
	if (scan->dir != NULL) {
		scan->dir->ops->close(scan->dir);
	}
}

/* ---- reading ---- */

static void note_name(void *context, const char *name)
{
	struct scan *scan = context;
	struct dcd_bls_entry entry;
	enum dcd_bls_kind kind = dcd_bls_parse(name, scan->sd->kept.bootname, &entry);
	if (scan->err != 0 || kind == DCD_BLS_FOREIGN) {
		return;
	}
	struct slot_files *files = kind == DCD_BLS_ENTRY ? &scan->slot[entry.slot] : NULL;
	if (files == NULL || files->count == NAMES_MAX || strlen(name) >= DCD_BLS_NAME_SIZE) {
		scan->err =
			dcd_diag_set(scan->diag, DCD_ERR_BOOT_STATE,
				     "%s/%s is no entry of the slots %s and %s; see docs/boot.md for how to restore the entries",
				     scan->dir->name, name, scan->sd->kept.bootname[0], scan->sd->kept.bootname[1]);
		return;
	}
	(void)snprintf(files->name[files->count++], DCD_BLS_NAME_SIZE, "%s", name);
}

static bool names_no_slot(const uint8_t *text, size_t len)
{
	static const char key[] = "decade.slot=";
	return memmem(text, len, key, sizeof key - 1) == NULL;
}

/*
 * A text that passes another slot than its name says would make us write the slot that runs. One that says nothing is what is
 * left of a file that a cut has emptied: the loader can't boot it, and it doesn't count.
 */
static int check_text(const struct scan *scan, const char *name, int slot, const uint8_t *text, size_t len, struct dcd_diag *diag)
{
	int said;
	int err = dcd_boot_cmdline_parse((const char *)text, len, scan->sd->kept.bootname, name, &said, diag);
	if (err == 0 && said != slot) {
		err = dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "%s/%s passes decade.slot=%s, which is the other slot",
				   scan->dir->name, name, scan->sd->kept.bootname[said]);
	}
	return err;
}

static int load_text(const struct scan *scan, const char *name, uint8_t **ret, size_t *ret_len)
{
	int err = dcd_dir_load(scan->dir, name, ENTRY_SIZE_MAX, ret, ret_len, scan->diag);
	return err == 0 || err == DCD_ERR_NO_MEMORY ? err : dcd_diag_prefix(scan->diag, DCD_ERR_BOOT_STATE, "boot entry");
}

static int read_entry(struct scan *scan, int slot, const char *name)
{
	struct slot_files *files = &scan->slot[slot];
	DCD_AUTO_FREE uint8_t *text = NULL;
	struct dcd_bls_entry entry;
	size_t len;
	int err = load_text(scan, name, &text, &len);
	if (err != 0 || names_no_slot(text, len)) {
		return err;
	}
	err = check_text(scan, name, slot, text, len, scan->diag);
	if (err == 0 && dcd_bls_parse(name, scan->sd->kept.bootname, &entry) == DCD_BLS_ENTRY &&
	    (!files->present || dcd_bls_counts_before(&entry, &files->best))) {
		files->best = entry;
		files->best_name = name;
		files->present = true;
	}
	return err;
}

static void template_name(const struct boot_systemd *sd, int slot, char ret[DCD_BLS_NAME_SIZE])
{
	(void)snprintf(ret, DCD_BLS_NAME_SIZE, "decade-%s.entry", sd->kept.bootname[slot]);
}

static int read_slot(struct scan *scan, int slot)
{
	struct slot_files *files = &scan->slot[slot];
	char name[DCD_BLS_NAME_SIZE];
	template_name(scan->sd, slot, name);
	int err = load_text(scan, name, &files->text, &files->text_len);
	if (err == 0) {
		err = check_text(scan, name, slot, files->text, files->text_len, scan->diag);
	}
	for (int i = 0; err == 0 && i < files->count; i++) {
		err = read_entry(scan, slot, files->name[i]);
	}
	return err;
}

static int scan_folder(struct boot_systemd *sd, struct scan *scan, struct dcd_diag *diag)
{
	*scan = (struct scan){ .sd = sd, .diag = diag };
	int err = sd->media->open_dir(sd->media->context, sd->kept.place, &scan->dir, diag);
	if (err != 0) {
		scan->dir = NULL;
		return dcd_diag_prefix(diag, DCD_ERR_BOOT_STATE, "the folder of boot entries");
	}
	err = scan->dir->ops->list(scan->dir, note_name, scan);
	if (err != 0) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "%s can't be read (%s)", sd->kept.place, dcd_err_name(err));
	}
	err = scan->err;
	for (int i = 0; err == 0 && i < DCD_SLOT_COUNT; i++) {
		err = read_slot(scan, i);
	}
	if (err == 0 && !scan->slot[0].present && !scan->slot[1].present) {
		err = dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
				   "%s has no boot entry of either slot; see docs/boot.md for how to set it up", sd->kept.place);
	}
	return err;
}

static void state_of(const struct scan *scan, struct dcd_boot_state *ret)
{
	const struct slot_files *a = &scan->slot[0], *b = &scan->slot[1];
	bool b_first = b->present && (!a->present || b->best.rank > a->best.rank);
	ret->order[0] = b_first ? 1 : 0;
	ret->order[1] = b_first ? 0 : 1;
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const struct slot_files *files = &scan->slot[i];
		ret->slot[i] = (struct dcd_boot_slot){ 0 };
		if (files->present) {
			ret->slot[i] = (struct dcd_boot_slot){ true, files->best.good, (uint8_t)files->best.left };
		}
	}
}

static int systemd_load(struct dcd_boot_control *control, struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct boot_systemd *sd = of(control);
	DCD_CLEANUP(scan_close) struct scan scan;
	struct dcd_boot_state state = { 0 };
	int err = scan_folder(sd, &scan, diag);
	if (err == 0) {
		state_of(&scan, &state);
		err = dcd_boot_cmdline_read(sd->kept.cmdline, sd->kept.bootname, &state.booted, diag);
	}
	if (err == 0) {
		*ret = state;
	}
	return err;
}

/* ---- storing ---- */

struct plan {
	struct dcd_bls_entry entry[DCD_SLOT_COUNT];
	bool present[DCD_SLOT_COUNT];
	/* The file that stays or becomes the slot's entry; "" for none. */
	char name[DCD_SLOT_COUNT][DCD_BLS_NAME_SIZE];
	bool fresh[DCD_SLOT_COUNT];
};

static bool same_entry(const struct dcd_bls_entry *a, const struct dcd_bls_entry *b)
{
	return a->slot == b->slot && a->rank == b->rank && a->good == b->good && a->left == b->left;
}

/*
 * The file of the slot that says the same as the plan already, with whatever count of boots that were done, or "". Never an empty
 * one that differs in that count alone: the one that boots would go as stale.
 */
static const char *kept_name(const struct scan *scan, const struct dcd_bls_entry *entry)
{
	const struct slot_files *files = &scan->slot[entry->slot];
	return files->present && same_entry(&files->best, entry) ? files->best_name : "";
}

static int make_plan(const struct scan *scan, const struct dcd_boot_state *state, struct plan *plan, struct dcd_diag *diag)
{
	const struct dcd_bls_entry *now[DCD_SLOT_COUNT];
	if (state->order[0] == state->order[1] || (!state->slot[0].bootable && !state->slot[1].bootable)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: a boot state without any bootable slot was not stored",
				    scan->dir->name);
	}
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		now[i] = scan->slot[i].present ? &scan->slot[i].best : NULL;
	}
	dcd_bls_plan(state, now, plan->entry, plan->present);
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		if (plan->entry[i].rank > DCD_BLS_RANK_MAX) {
			return dcd_diag_set(diag, DCD_ERR_BOOT_STATE,
					    "%s: the rank of slot %s is at its end; give both entries low ones", scan->dir->name,
					    scan->sd->kept.bootname[i]);
		}
		if (!plan->present[i]) {
			continue;
		}
		(void)snprintf(plan->name[i], DCD_BLS_NAME_SIZE, "%s", kept_name(scan, &plan->entry[i]));
		plan->fresh[i] = plan->name[i][0] == '\0';
		if (plan->fresh[i]) {
			dcd_bls_name(&plan->entry[i], scan->sd->kept.bootname, plan->name[i]);
		}
	}
	return 0;
}

/* Every file of the slot but the one that is its entry now. */
static int remove_stale(const struct scan *scan, int slot, const char *entry, bool *removed)
{
	const struct slot_files *files = &scan->slot[slot];
	int err = 0;
	for (int i = 0; err == 0 && i < files->count; i++) {
		if (strcmp(files->name[i], entry) != 0) {
			err = scan->dir->ops->remove(scan->dir, files->name[i]);
			*removed = true;
		}
	}
	return err;
}

/*
 * New names first, each whole and durable when it appears; then the old ones go. While a slot has both, the higher rank counts,
 * for the loader as for us: so a slot that rises has risen with the new name's rename, one that sinks with the old name's
 * removal.
 */
static int carry_out(const struct scan *scan, const struct dcd_boot_state *state, const struct plan *plan, struct dcd_diag *diag)
{
	struct dcd_dir *dir = scan->dir;
	bool removed = false;
	int err = 0;
	for (int i = 0; err == 0 && i < DCD_SLOT_COUNT; i++) {
		int slot = state->order[i];
		if (plan->fresh[slot]) {
			err = dcd_dir_replace(dir, plan->name[slot], scan->slot[slot].text, scan->slot[slot].text_len, diag);
		}
	}
	if (err != 0) {
		return err;
	}
	for (int i = 0; err == 0 && i < DCD_SLOT_COUNT; i++) {
		err = remove_stale(scan, i, plan->name[i], &removed);
	}
	if (err == 0 && removed) {
		err = dir->ops->sync_dir(dir);
	}
	return err == 0
		       ? 0
		       : dcd_diag_set(diag, err, "%s: an old boot entry could not be removed (%s)", dir->name, dcd_err_name(err));
}

static int systemd_store(struct dcd_boot_control *control, const struct dcd_boot_state *state, struct dcd_diag *diag)
{
	DCD_CLEANUP(scan_close) struct scan scan;
	struct plan plan = { 0 };
	int err = scan_folder(of(control), &scan, diag);
	if (err == 0) {
		err = make_plan(&scan, state, &plan, diag);
	}
	return err != 0 ? err : carry_out(&scan, state, &plan, diag);
}

static void systemd_close(struct dcd_boot_control *control)
{
	struct boot_systemd *sd = of(control);
	dcd_boot_kept_free(&sd->kept);
	free(sd);
}

static const struct dcd_boot_control_ops systemd_ops = {
	.load = systemd_load,
	.store = systemd_store,
	.close = systemd_close,
};

int dcd_boot_systemd_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret, struct dcd_diag *diag)
{
	struct boot_systemd *sd = calloc(1, sizeof *sd);
	if (sd == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the boot state");
	}
	sd->base.ops = &systemd_ops;
	sd->base.name = "systemd-boot";
	sd->media = options->media;
	int err = dcd_boot_keep(&sd->kept, options, options->entries != NULL ? options->entries : DEFAULT_PATH, diag);
	if (err == 0 && strcasecmp(options->bootname[0], options->bootname[1]) == 0) {
		err = dcd_diag_set(diag, DCD_ERR_CONFIG,
				   "the bootnames '%s' and '%s' are one on a FAT file system; choose others",
				   options->bootname[0], options->bootname[1]);
	}
	if (err != 0) {
		systemd_close(&sd->base);
		return err;
	}
	*ret = &sd->base;
	return 0;
}
