#include "tests/sim/sim_loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "updater/boot/boot.h"
#include "updater/boot/boot_cmdline.h"

#define BOOTED "booted" /* what the kernel's command line says; a file, so that a cut knows which slot had run */

static const struct sim_loader sim_loader_file_row = { .name = "file" };

static const struct sim_loader *const loaders[] = {
	&sim_loader_file_row, &sim_loader_grub, &sim_loader_systemd, &sim_loader_exec,
#ifdef DCD_HAVE_BOOT_UBOOT
	&sim_loader_uboot,
#endif
#ifdef DCD_HAVE_BOOT_EFI
	&sim_loader_efi,
#endif
};
#define LOADERS (sizeof loaders / sizeof loaders[0])

const struct sim_loader *sim_loader = &sim_loader_file_row;

bool sim_loader_choose(const char *name)
{
	for (size_t i = 0; i < LOADERS; i++) {
		if (strcmp(loaders[i]->name, name) == 0) {
			sim_loader = loaders[i];
			return true;
		}
	}
	return false;
}

const char *sim_loader_names(void)
{
	static char names[128];
	names[0] = '\0';
	for (size_t i = 0; i < LOADERS; i++) {
		size_t len = strlen(names);
		(void)snprintf(names + len, sizeof names - len, "%s%s", i > 0 ? " " : "", loaders[i]->name);
	}
	return names;
}

const struct sim_blob *sim_loader_file(const struct sim_image *image, const char *name)
{
	const struct sim_file *file = sim_files_find((struct sim_files *)&image->dir[SIM_LOADER_DIR], name);
	return file == NULL ? NULL : file->data;
}

bool sim_loader_says(const struct sim_image *image, const char *name, const char *text)
{
	const struct sim_blob *data = sim_loader_file(image, name);
	return data != NULL && data->len == strlen(text) && memcmp(data->data, text, data->len) == 0;
}

void sim_loader_put(struct sim_image *image, const char *name, const char *text)
{
	sim_files_put(&image->dir[SIM_LOADER_DIR], name, sim_blob_new(text, strlen(text)));
}

void sim_loader_factory(struct sim_image *image)
{
	if (sim_loader->factory != NULL) {
		sim_loader_put(image, BOOTED, "A");
		sim_loader->factory(image);
	}
}

/* ---- the adapter ---- */

struct wrapped {
	struct dcd_boot_control base;
	struct dcd_boot_control *inner;
	struct sim_media *media;
};

static struct sim_media *current;

struct sim_media *sim_loader_media(void)
{
	return current;
}

static int wrapped_load(struct dcd_boot_control *control, struct dcd_boot_state *ret, struct dcd_diag *diag)
{
	struct wrapped *wrapped = (struct wrapped *)control;
	current = wrapped->media;
	return wrapped->inner->ops->load(wrapped->inner, ret, diag);
}

static int wrapped_store(struct dcd_boot_control *control, const struct dcd_boot_state *state, struct dcd_diag *diag)
{
	struct wrapped *wrapped = (struct wrapped *)control;
	current = wrapped->media;
	return wrapped->inner->ops->store(wrapped->inner, state, diag);
}

static void wrapped_close(struct dcd_boot_control *control)
{
	struct wrapped *wrapped = (struct wrapped *)control;
	wrapped->inner->ops->close(wrapped->inner);
	free(wrapped);
}

struct dcd_boot_control *sim_loader_wrap(struct sim_media *media, struct dcd_boot_control *inner)
{
	static const struct dcd_boot_control_ops ops = { wrapped_load, wrapped_store, wrapped_close };
	struct wrapped *wrapped = sim_must_alloc(sizeof *wrapped);
	*wrapped = (struct wrapped){ { &ops, inner->name }, inner, media };
	return &wrapped->base;
}

/* In place of the kernel's command line (linked with --wrap). */
int __wrap_dcd_boot_cmdline_read(const char *path, const char *const bootname[DCD_SLOT_COUNT], int *ret_slot,
				 struct dcd_diag *diag)
{
	(void)path;
	(void)bootname;
	const struct sim_blob *said = sim_loader_file(&current->now, BOOTED);
	if (said == NULL || said->len != 1) {
		return dcd_diag_set(diag, DCD_ERR_BOOT_STATE, "nobody said which slot runs");
	}
	*ret_slot = said->data[0] == 'B';
	return 0;
}

int sim_loader_open(struct sim_media *media, struct dcd_boot_control **ret)
{
	struct dcd_boot_control *inner = NULL;
	if (sim_loader->open == NULL) {
		const struct dcd_boot_options options = { .bootname = { "A", "B" },
							  .state_dir = &media->folder[SIM_STATE_DIR].base };
		return dcd_boot_open("file", &options, ret, NULL);
	}
	int err = sim_loader->open(media, &inner);
	if (err == 0) {
		*ret = sim_loader_wrap(media, inner);
	}
	return err;
}

/* ---- power on ---- */

int sim_loader_last_resort(const int *listed, int count, const bool good[DCD_SLOT_COUNT])
{
	for (int i = 0; i < count; i++) {
		if (good[listed[i]]) {
			return listed[i];
		}
	}
	return count > 0 ? listed[0] : good[1] && !good[0] ? 1 : 0;
}

int sim_loader_boot(struct sim_device *device)
{
	bool counted = false;
	int slot = sim_loader->boot(&device->media, &counted);
	if (slot < 0) {
		return DCD_ERR_BOOT_STATE;
	}
	device->trials += counted;
	int err = dcd_dir_replace(&device->media.folder[SIM_LOADER_DIR].base, BOOTED, slot == 0 ? "A" : "B", 1, &device->diag);
	if (err == 0) {
		device->media.running = slot;
		device->running_release = sim_world_slot_release(device->world, &device->media.now, slot);
	}
	return err;
}

bool sim_loader_op(const struct sim_op *op)
{
	bool on_device = op->kind == SIM_WRITE || op->kind == SIM_FLUSH;
	if (on_device) {
		return op->medium == SIM_LOADER_DEV;
	}
	return op->medium == SIM_LOADER_DIR && strncmp(op->name, BOOTED, strlen(BOOTED)) != 0;
}
