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

static int open_adapter(struct sim_media *media, struct dcd_boot_control **ret)
{
	static struct sim_loader_block block = { "grubenv", BLOCK };
	static const struct dcd_boot_media port = { .open_block = sim_loader_open_block, .context = &block };
	const struct dcd_boot_options options = { .bootname = { "A", "B" }, .media = &port, .grubenv = "/nothing" };
	(void)media;
	return dcd_boot_open("grub", &options, ret, NULL);
}

static char *find(const struct sim_loader_vars *vars, const char *name)
{
	char line[40];
	int len = snprintf(line, sizeof line, "\n%s=", name);
	char *at = memmem(vars->data, BLOCK, line, (size_t)len);
	return at == NULL ? NULL : at + len;
}

static bool save(const struct sim_loader_vars *vars)
{
	struct dcd_blockdev *dev = sim_media_open_dev(vars->media, SIM_LOADER_DEV, "grubenv", BLOCK, true);
	int err = 0;
	for (size_t at = 0; err == 0 && at < BLOCK; at += SECTOR) {
		err = dev->ops->write(dev, at, vars->data + at, SECTOR);
	}
	if (err == 0) {
		err = dev->ops->flush(dev);
	}
	dev->ops->close(dev);
	return err == 0;
}

static int boot(struct sim_media *media, bool *ret_counted)
{
	uint8_t block[BLOCK + 1] = { 0 };
	const struct sim_loader_vars vars = { find, save, media, block };
	memcpy(block, media->now.dev[SIM_LOADER_DEV], BLOCK);
	return sim_loader_boot_vars(&vars, ret_counted);
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
