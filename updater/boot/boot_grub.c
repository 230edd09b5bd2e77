#include "updater/boot/boot_grub.h"

#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "updater/boot/boot_cmdline.h"
#include "updater/boot/boot_grub_format.h"

#define DEFAULT_PATH "/boot/grub/grubenv"
#define F2FS_MAGIC 0xF2F52010U
#define ZFS_MAGIC 0x2FC12FC1U

struct boot_grub {
	struct dcd_boot_control base;
	const struct dcd_boot_media *media;
	struct dcd_boot_kept kept;
	struct dcd_boot_vars vars;
};

static struct boot_grub *of(struct dcd_boot_control *control)
{
	return (struct boot_grub *)control;
}

/*
 * The block is written in place because GRUB finds a file without replaying the file system's journal: after a rename and a cut
 * it would still follow the old name, to blocks that may be somebody else's by then. A file system that writes elsewhere than
 * in place has the same trouble with any write.
 */
static int check_file_system(const char *path, struct dcd_diag *diag)
{
	struct statfs fs;
	if (statfs(path, &fs) != 0) {
		return 0; /* whoever opens it says why */
	}
	switch ((unsigned long)fs.f_type & UINT32_MAX) {
	case BTRFS_SUPER_MAGIC:
	case F2FS_MAGIC:
	case ZFS_MAGIC:
	case OVERLAYFS_SUPER_MAGIC:
		return dcd_diag_set(
			diag, DCD_ERR_CONFIG,
			"%s is on a file system that never writes in place, so GRUB and Decade can't both change it; put it on "
			"ext4 or FAT",
			path);
	default:
		return 0;
	}
}

static int open_block(struct boot_grub *grub, bool writable, struct dcd_blockdev **ret, struct dcd_diag *diag)
{
	int err = check_file_system(grub->kept.place, diag);
	if (err != 0) {
		return err;
	}
	struct dcd_blockdev *dev;
	err = grub->media->open_block(grub->media->context, grub->kept.place, writable, &dev, diag);
	if (err != 0) {
		return dcd_diag_prefix(diag, DCD_ERR_BOOT_STATE, "GRUB's environment");
	}
	if (dev->size != DCD_GRUB_ENV_SIZE) {
		err = dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "%s has %llu bytes; a GRUB environment block has %u",
				   grub->kept.place, (unsigned long long)dev->size, DCD_GRUB_ENV_SIZE);
		dev->ops->close(dev);
		return err;
	}
	*ret = dev;
	return 0;
}

static int read_block(struct boot_grub *grub, struct dcd_blockdev *dev, uint8_t block[DCD_GRUB_ENV_SIZE], struct dcd_diag *diag)
{
	int err = dev->ops->read(dev, 0, block, DCD_GRUB_ENV_SIZE);
	if (err != 0) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "%s can't be read: %s", grub->kept.place,
				    dcd_blockdev_why(dev, err));
	}
	return 0;
}

static int grub_load(struct dcd_boot_control *control, struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct boot_grub *grub = of(control);
	uint8_t block[DCD_GRUB_ENV_SIZE];
	struct dcd_blockdev *dev;
	struct dcd_boot_state state = { 0 };
	int err = open_block(grub, false, &dev, diag);
	if (err != 0) {
		return err;
	}
	err = read_block(grub, dev, block, diag);
	dev->ops->close(dev);
	if (err == 0) {
		err = dcd_grub_env_decode(block, &grub->vars, grub->kept.place, &state, diag);
	}
	if (err == 0) {
		err = dcd_boot_cmdline_read(grub->kept.cmdline, grub->vars.bootname, &state.booted, diag);
	}
	if (err == 0) {
		*ret = state;
	}
	return err;
}

/* One sector, then the flush: the whole of the change is in it. */
static int write_sector(struct boot_grub *grub, struct dcd_blockdev *dev, const uint8_t *sector, struct dcd_diag *diag)
{
	uint8_t back[DCD_GRUB_ENV_SECTOR];
	int err = dev->ops->write(dev, 0, sector, DCD_GRUB_ENV_SECTOR);
	if (err == 0) {
		err = dev->ops->flush(dev);
	}
	if (err == 0) {
		err = dev->ops->read_medium(dev, 0, back, sizeof back);
	}
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s could not be stored: %s", grub->kept.place, dcd_blockdev_why(dev, err));
	}
	if (memcmp(sector, back, sizeof back) != 0) {
		return dcd_diag_set(diag, DCD_ERR_READ_BACK,
				    "%s doesn't keep what is written to it; the medium is worn out or failing", grub->kept.place);
	}
	return 0;
}

static int grub_store(struct dcd_boot_control *control, const struct dcd_boot_state *state, struct dcd_diag *diag)
{
	struct boot_grub *grub = of(control);
	uint8_t old[DCD_GRUB_ENV_SIZE], block[DCD_GRUB_ENV_SIZE];
	struct dcd_blockdev *dev;
	int err = open_block(grub, true, &dev, diag);
	if (err != 0) {
		return err;
	}
	/* Read anew: another program may have changed a variable that isn't ours. */
	err = read_block(grub, dev, old, diag);
	if (err == 0) {
		err = dcd_grub_env_encode(old, &grub->vars, state, grub->kept.place, block, diag);
	}
	if (err == 0) {
		err = write_sector(grub, dev, block, diag);
	}
	dev->ops->close(dev);
	return err;
}

static void grub_close(struct dcd_boot_control *control)
{
	struct boot_grub *grub = of(control);
	dcd_boot_kept_free(&grub->kept);
	free(grub);
}

static const struct dcd_boot_control_ops grub_ops = {
	.load = grub_load,
	.store = grub_store,
	.close = grub_close,
};

int dcd_boot_grub_open(const struct dcd_boot_options *options, struct dcd_boot_control **ret, struct dcd_diag *diag)
{
	struct boot_grub *grub = calloc(1, sizeof *grub);
	if (grub == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the boot state");
	}
	grub->base.ops = &grub_ops;
	grub->base.name = "grub";
	grub->media = options->media;
	int err = dcd_boot_keep(&grub->kept, options, options->grubenv != NULL ? options->grubenv : DEFAULT_PATH, diag);
	if (err == 0) {
		err = dcd_boot_vars_init(&grub->vars, grub->kept.bootname, diag);
	}
	if (err != 0) {
		grub_close(&grub->base);
		return err;
	}
	*ret = &grub->base;
	return 0;
}
