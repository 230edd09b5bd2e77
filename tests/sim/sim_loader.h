/*
 * Boot loaders under the explorer: the real adapter of each over simulated media, and beside it the loader's own side, written
 * here from docs/boot.md a second time: its rule, and its own store, as it really happens. One loader at a time is tried.
 */
#ifndef DCD_TESTS_SIM_SIM_LOADER_H
#define DCD_TESTS_SIM_SIM_LOADER_H

#include "tests/sim/sim_device.h"

struct sim_loader {
	const char *name;
	/* A device from the factory: slot 0 good, slot 1 not bootable, and something that isn't ours. */
	void (*factory)(struct sim_image *image);
	/* The adapter. */
	int (*open)(struct sim_media *media, struct dcd_boot_control **ret);
	/*
	 * Power on: by its rule and with its own store. The slot, or -1 when it finds nothing to boot. Null: decade-bootsim's own
	 * way (sim_device.c). *ret_counted: a try was used.
	 */
	int (*boot)(struct sim_media *media, bool *ret_counted);
	/* Null while what isn't ours is as the factory made it. */
	const char *(*check)(const struct sim_image *image);
	bool one_try;       /* a trial that is cut was its last */
	bool whole_files;   /* a variable of its store is there whole or not at all */
	bool whole_sectors; /* its store needs a medium that writes a sector whole or not at all */
};

extern const struct sim_loader *sim_loader; /* `file`, unless chosen */

/* False for a name that there isn't, or whose library wasn't there. */
bool sim_loader_choose(const char *name);
/* "file uboot ...", for people. */
const char *sim_loader_names(void);

/* Of the loader that was chosen. */
void sim_loader_factory(struct sim_image *image);
int sim_loader_open(struct sim_media *media, struct dcd_boot_control **ret);
/* As sim_device_boot() after it has reopened everything: what the loader does, and that the kernel is told its slot. */
int sim_loader_boot(struct sim_device *device);
/* True when an operation is the loader's, or the adapter's on the loader's medium. */
bool sim_loader_op(const struct sim_op *op);

/* ---- for the loaders ---- */

/* The medium that an adapter is at work on; for what it asks of the operating system. */
struct sim_media *sim_loader_media(void);
/* The adapter's control, wrapped so that sim_loader_media() is right; takes `inner`. */
struct dcd_boot_control *sim_loader_wrap(struct sim_media *media, struct dcd_boot_control *inner);
/* Rule 3: nothing qualified. */
int sim_loader_last_resort(const int *listed, int count, const bool good[DCD_SLOT_COUNT]);

/* A file of the loader's folder; null when there is none. */
const struct sim_blob *sim_loader_file(const struct sim_image *image, const char *name);
bool sim_loader_says(const struct sim_image *image, const char *name, const char *text);
void sim_loader_put(struct sim_image *image, const char *name, const char *text);

/* ---- loaders that keep variables on a device (sim_loader_vars.c) ---- */

struct sim_loader_block {
	const char *name;
	uint64_t size;
};
/* For struct dcd_boot_media: the loader's device; `context` is a struct sim_loader_block. */
int sim_loader_open_block(void *context, const char *path, bool writable, struct dcd_blockdev **ret, struct dcd_diag *diag);

struct sim_loader_vars {
	/* The value's first byte, in memory; it ends with a line or a NUL. Null: there is no such variable. */
	char *(*find)(const struct sim_loader_vars *vars, const char *name);
	/* What is in memory now goes to the device. False: that didn't work, and the slot isn't booted. */
	bool (*save)(const struct sim_loader_vars *vars);
	struct sim_media *media;
	uint8_t *data;
};
/* The slot that the loader's script boots. */
int sim_loader_boot_vars(const struct sim_loader_vars *vars, bool *ret_counted);

extern const struct sim_loader sim_loader_grub, sim_loader_uboot, sim_loader_systemd, sim_loader_efi, sim_loader_exec;

#endif
