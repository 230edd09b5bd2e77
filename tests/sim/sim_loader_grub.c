/* GRUB: load_env, the script's if-chains, save_env, which writes the whole block in place, sector after sector. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_loader.h"
#include "updater/boot/boot.h"

#define BLOCK 1024U
#define SECTOR 512U
#define FOREIGN "\nsaved_entry=3\\\\x\n" /* in the first sector; and lines that reach over into the second */

static void factory(struct sim_image *image)
{
	char text[BLOCK];
	int len = snprintf(text, sizeof text,
			   "# GRUB Environment "
			   "Block\nBOOT_ORDER=A\nBOOT_A_LEFT=0\nBOOT_A_GOOD=1\nBOOT_B_LEFT=0\nBOOT_B_GOOD=0\nBOOT_PAD=--%slong=%"
			   "0500d\nlast=1\n",
			   FOREIGN, 0);
	memset(image->dev[SIM_LOADER_DEV], '#', BLOCK);
	memcpy(image->dev[SIM_LOADER_DEV], text, (size_t)len);
}

static int open_block(void *context, const char *path, bool writable, struct dcd_blockdev **ret, struct dcd_diag *diag)
{
	(void)context;
	(void)path;
	(void)diag;
	*ret = sim_media_open_dev(sim_loader_media(), SIM_LOADER_DEV, "grubenv", BLOCK, writable);
	return 0;
}

static int open_adapter(struct sim_media *media, struct dcd_boot_control **ret)
{
	static const struct dcd_boot_media port = { .open_block = open_block };
	const struct dcd_boot_options options = { .bootname = { "A", "B" }, .media = &port, .grubenv = "/nothing" };
	(void)media;
	return dcd_boot_open("grub", &options, ret, NULL);
}

/* As load_env: the value's first byte, or null. */
static uint8_t *find(uint8_t *block, const char *name)
{
	char line[40];
	int len = snprintf(line, sizeof line, "\n%s=", name);
	uint8_t *at = memmem(block, BLOCK, line, (size_t)len);
	return at == NULL ? NULL : at + len;
}

static uint8_t *find_of(uint8_t *block, int slot, const char *what)
{
	char name[32];
	(void)snprintf(name, sizeof name, "BOOT_%c_%s", 'A' + slot, what);
	return find(block, name);
}

static int save(struct sim_media *media, const uint8_t *block)
{
	struct dcd_blockdev *dev = sim_media_open_dev(media, SIM_LOADER_DEV, "grubenv", BLOCK, true);
	int err = 0;
	for (size_t at = 0; err == 0 && at < BLOCK; at += SECTOR) {
		err = dev->ops->write(dev, at, block + at, SECTOR);
	}
	if (err == 0) {
		err = dev->ops->flush(dev);
	}
	dev->ops->close(dev);
	return err;
}

static int boot(struct sim_media *media, bool *ret_counted)
{
	uint8_t block[BLOCK];
	int listed[DCD_SLOT_COUNT], count = 0;
	bool good[DCD_SLOT_COUNT];
	memcpy(block, media->now.dev[SIM_LOADER_DEV], BLOCK);
	const uint8_t *order = find(block, "BOOT_ORDER");
	for (; order != NULL && *order != '\n' && count < DCD_SLOT_COUNT; order++) {
		if (*order != ' ') {
			listed[count++] = *order == 'B';
		}
	}
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const uint8_t *value = find_of(block, i, "GOOD");
		good[i] = value != NULL && *value == '1';
	}
	for (int i = 0; i < count; i++) {
		uint8_t *left = find_of(block, listed[i], "LEFT");
		if (good[listed[i]]) {
			return listed[i];
		}
		if (left == NULL || *left < '1' || *left > '9') {
			continue;
		}
		--*left;
		if (save(media, block) == 0) {
			*ret_counted = true;
			return listed[i];
		}
	}
	return sim_loader_last_resort(listed, count, good);
}

static const char *check(const struct sim_image *image)
{
	const uint8_t *block = image->dev[SIM_LOADER_DEV];
	struct sim_image *made = sim_must_alloc(sizeof *made);
	factory(made);
	bool intact = memmem(block, BLOCK, FOREIGN, sizeof FOREIGN - 1) != NULL;
	const uint8_t *at = memmem(block, BLOCK, "\nlong=", 6);
	const uint8_t *was = memmem(made->dev[SIM_LOADER_DEV], BLOCK, "\nlong=", 6);
	intact = intact && at != NULL && memcmp(at, was, 6 + 500 + 8) == 0;
	free(made);
	return intact ? NULL : "a variable of GRUB's environment that isn't ours was changed";
}

const struct sim_loader sim_loader_grub = {
	.name = "grub", .factory = factory, .open = open_adapter, .boot = boot, .check = check, .whole_sectors = true
};
