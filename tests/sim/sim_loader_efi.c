/* A UEFI firmware: each variable is stored as a whole; BootNext is deleted before anything is loaded. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efivar/efivar.h>

#include "tests/sim/sim_loader.h"
#include "updater/boot/boot.h"

#define OPTION_A "Boot0005"
#define OPTION_B "Boot000A"
#define SHELL "Boot0001"

static void put_option(struct sim_image *image, const char *name, const char *label)
{
	uint8_t data[80] = { 1, 0, 0, 0, 4, 0 };
	size_t len = 6;
	for (size_t i = 0; i <= strlen(label); i++, len += 2) {
		data[len] = (uint8_t)label[i];
	}
	memcpy(data + len, "\x7f\xff\x04", 4);
	sim_files_put(&image->dir[SIM_LOADER_DIR], name, sim_blob_new(data, len + 4));
}

static void factory(struct sim_image *image)
{
	put_option(image, SHELL, "UEFI Shell");
	put_option(image, OPTION_A, "decade-A");
	put_option(image, OPTION_B, "decade-B");
	sim_files_put(&image->dir[SIM_LOADER_DIR], "BootOrder", sim_blob_new("\x05\0\x01\0", 4));
}

static int open_adapter(struct sim_media *media, struct dcd_boot_control **ret)
{
	const struct dcd_boot_options options = { .bootname = { "A", "B" } };
	(void)media;
	return dcd_boot_open("efi", &options, ret, NULL);
}

static struct dcd_dir *store_of(struct sim_media *media)
{
	return &media->folder[SIM_LOADER_DIR].base;
}

/* ---- in place of the library (linked with --wrap) ---- */

int __wrap_efi_get_variable(efi_guid_t guid, const char *name, uint8_t **data, size_t *data_size, uint32_t *attributes)
{
	struct dcd_dir *store = store_of(sim_loader_media());
	uint8_t *bytes = sim_must_alloc(256);
	(void)guid;
	int err = store->ops->read(store, name, bytes, 256, data_size);
	/* A firmware checks what it keeps: it gives a variable or an error, never a part of one. */
	const struct sim_blob *kept = sim_loader_file(&sim_loader_media()->now, name);
	if (err == 0 && (kept->len != *data_size || memcmp(kept->data, bytes, kept->len) != 0)) {
		err = DCD_ERR_IO;
	}
	if (err != 0) {
		free(bytes);
		errno = err == DCD_ERR_NOT_FOUND ? ENOENT : EIO;
		return -1;
	}
	*data = bytes;
	*attributes = 7;
	return 0;
}

int __wrap_efi_set_variable(efi_guid_t guid, const char *name, uint8_t *data, size_t data_size, uint32_t attributes, mode_t mode)
{
	(void)guid;
	(void)attributes;
	(void)mode;
	errno = EIO;
	return dcd_dir_replace(store_of(sim_loader_media()), name, data, data_size, NULL) == 0 ? 0 : -1;
}

static int delete_variable(struct sim_media *media, const char *name)
{
	struct dcd_dir *store = store_of(media);
	int err = store->ops->remove(store, name);
	return err != 0 ? err : store->ops->sync_dir(store);
}

int __wrap_efi_del_variable(efi_guid_t guid, const char *name)
{
	(void)guid;
	errno = EIO;
	return delete_variable(sim_loader_media(), name) == 0 ? 0 : -1;
}

int __wrap_efi_get_next_variable_name(efi_guid_t **guid, char **name)
{
	static efi_guid_t global;
	static int at;
	struct sim_files *files = &sim_loader_media()->now.dir[SIM_LOADER_DIR];
	global = EFI_GLOBAL_GUID;
	while (at < files->count) {
		struct sim_file *file = &files->file[at++];
		if (strstr(file->name, ".new") == NULL) {
			*guid = &global;
			*name = file->name;
			return 1;
		}
	}
	at = 0;
	return 0;
}

/* ---- the firmware ---- */

static int boot(struct sim_media *media, bool *ret_counted)
{
	const struct sim_blob *next = sim_loader_file(&media->now, "BootNext");
	if (next != NULL) {
		int slot = next->data[0] == 0x0a;
		/* What can't be deleted would be booted again and again. */
		if (delete_variable(media, "BootNext") == 0) {
			*ret_counted = true;
			return slot;
		}
	}
	const struct sim_blob *order = sim_loader_file(&media->now, "BootOrder");
	for (size_t i = 0; order != NULL && i + 1 < order->len; i += 2) {
		if (order->data[i] == 0x05 || order->data[i] == 0x0a) {
			return order->data[i] == 0x0a;
		}
	}
	return -1;
}

static const char *check(const struct sim_image *image)
{
	struct sim_image *made = sim_must_alloc(sizeof *made);
	static const char *const names[] = { SHELL, OPTION_A, OPTION_B };
	bool intact = true;
	factory(made);
	for (size_t i = 0; i < 3; i++) {
		const struct sim_blob *is = sim_loader_file(image, names[i]), *was = sim_loader_file(made, names[i]);
		intact = intact && is != NULL && is->len == was->len && memcmp(is->data, was->data, is->len) == 0;
	}
	sim_image_clear(made);
	free(made);
	const struct sim_blob *order = sim_loader_file(image, "BootOrder");
	bool shell = false;
	for (size_t i = 0; order != NULL && i + 1 < order->len; i += 2) {
		shell = shell || order->data[i] == 1;
	}
	return intact && shell ? NULL : "a boot entry of the firmware that isn't ours was changed";
}

const struct sim_loader sim_loader_efi = { .name = "efi",
					   .factory = factory,
					   .open = open_adapter,
					   .boot = boot,
					   .check = check,
					   .one_try = true,
					   .whole_files = true };
