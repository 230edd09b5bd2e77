/*
 * systemd-boot on FAT: sorts the entries by their names, and renames the one that it counts. FAT has no rename of its own: a new
 * name appears, the old one goes, and a cut may leave both or neither.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_loader.h"
#include "updater/boot/boot.h"

#define FOREIGN "memtest.conf"
#define FOREIGN_TEXT "title somebody else\n"

static const char *const texts[DCD_SLOT_COUNT] = { "title one\nlinux /A/linux\noptions decade.slot=A\n",
						   "title two\nlinux /B/linux\noptions decade.slot=B\n" };

static void factory(struct sim_image *image)
{
	sim_loader_put(image, "decade-A.entry", texts[0]);
	sim_loader_put(image, "decade-B.entry", texts[1]);
	sim_loader_put(image, "decade-1-A.conf", texts[0]);
	sim_loader_put(image, FOREIGN, FOREIGN_TEXT);
}

static int open_dir(void *context, const char *path, struct dcd_dir **ret, struct dcd_diag *diag)
{
	(void)context;
	(void)path;
	(void)diag;
	*ret = &sim_loader_media()->folder[SIM_LOADER_DIR].base;
	return 0;
}

static int open_adapter(struct sim_media *media, struct dcd_boot_control **ret)
{
	static const struct dcd_boot_media port = { .open_dir = open_dir };
	const struct dcd_boot_options options = { .bootname = { "A", "B" }, .media = &port };
	(void)media;
	return dcd_boot_open("systemd-boot", &options, ret, NULL);
}

struct entry {
	const char *name;
	unsigned rank, left, done;
	char slot;
	bool counts;
};

/* Only what the loader would take for an entry: the right end, and a text that says what to load. */
static bool parse(const struct sim_file *file, struct entry *ret)
{
	struct entry entry = { .name = file->name };
	int used = 0, end = 0;
	if (sscanf(file->name, "decade-%u-%c%n", &entry.rank, &entry.slot, &used) != 2 || file->data->len == 0) {
		return false;
	}
	const char *rest = file->name + used;
	if (sscanf(rest, "+%u%n", &entry.left, &end) == 1) {
		entry.counts = true;
		rest += end;
		if (sscanf(rest, "-%u%n", &entry.done, &end) == 1) {
			rest += end;
		}
	}
	*ret = entry;
	return strcmp(rest, ".conf") == 0;
}

static bool before(const struct entry *a, const struct entry *b)
{
	bool a_bad = a->counts && a->left == 0, b_bad = b->counts && b->left == 0;
	if (a_bad != b_bad) {
		return b_bad;
	}
	return a->rank != b->rank ? a->rank > b->rank : strcmp(a->name, b->name) > 0;
}

static void rename_entry(struct sim_media *media, const char *from, const char *to)
{
	struct dcd_dir *dir = &media->folder[SIM_LOADER_DIR].base;
	const struct sim_blob *text = sim_loader_file(&media->now, from);
	/* The bytes are there already, so they are none of what a cut can lose: made durable under a name that means nothing. */
	int err = dir->ops->write(dir, "FSCK0000.REC", text->data, text->len);
	err = err != 0 ? err : dir->ops->sync(dir, "FSCK0000.REC");
	err = err != 0 ? err : dir->ops->sync_dir(dir);
	err = err != 0 ? err : dir->ops->rename(dir, "FSCK0000.REC", to);
	err = err != 0 ? err : dir->ops->sync(dir, to);
	err = err != 0 ? err : dir->ops->remove(dir, from);
	if (err == 0) {
		(void)dir->ops->sync_dir(dir);
	}
}

static int boot(struct sim_media *media, bool *ret_counted)
{
	const struct sim_files *files = &media->now.dir[SIM_LOADER_DIR];
	struct entry best = { .name = NULL }, entry;
	for (int i = 0; i < files->count; i++) {
		if (parse(&files->file[i], &entry) && (best.name == NULL || before(&entry, &best))) {
			best = entry;
		}
	}
	if (best.name == NULL) {
		return -1;
	}
	if (best.counts) {
		char from[SIM_NAME_SIZE], to[SIM_NAME_SIZE];
		(void)snprintf(from, sizeof from, "%s", best.name);
		(void)snprintf(to, sizeof to, "decade-%u-%c+%u-%u.conf", best.rank, best.slot, best.left > 0 ? best.left - 1 : 0,
			       best.done + 1);
		/* It boots whether or not this works. */
		rename_entry(media, from, to);
		*ret_counted = best.left > 0;
	}
	return best.slot == 'B';
}

static const char *check(const struct sim_image *image)
{
	bool intact = sim_loader_says(image, FOREIGN, FOREIGN_TEXT) && sim_loader_says(image, "decade-A.entry", texts[0]) &&
		      sim_loader_says(image, "decade-B.entry", texts[1]);
	return intact ? NULL : "a file of the boot partition that isn't ours was changed";
}

const struct sim_loader sim_loader_systemd = {
	.name = "systemd-boot", .factory = factory, .open = open_adapter, .boot = boot, .check = check
};
