#include "base/dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int dcd_dir_replace(struct dcd_dir *dir, const char *name, const void *data, size_t len, struct dcd_diag *diag)
{
	char fresh[DCD_DIR_NAME_MAX + sizeof ".new"];
	if (strlen(name) > DCD_DIR_NAME_MAX) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: the file name '%s' is too long", dir->name, name);
	}
	(void)snprintf(fresh, sizeof fresh, "%s.new", name);

	/*
	 * The order is the promise: data durable, then the name moved, then what the name leads to, then the name. FAT keeps a file's
	 * length and place in its name's entry: under its new name it is empty until it is synced there.
	 */
	int err = dir->ops->write(dir, fresh, data, len);
	if (err == 0) {
		err = dir->ops->sync(dir, fresh);
	}
	if (err == 0) {
		err = dir->ops->rename(dir, fresh, name);
	}
	if (err == 0) {
		err = dir->ops->sync(dir, name);
	}
	if (err == 0) {
		err = dir->ops->sync_dir(dir);
	}
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s/%s could not be stored (%s); check the file system and its free space",
				    dir->name, name, dcd_err_name(err));
	}
	return 0;
}

int dcd_dir_load(struct dcd_dir *dir, const char *name, size_t max, uint8_t **ret_data, size_t *ret_len, struct dcd_diag *diag)
{
	size_t capacity = max < 4096 ? max : 4096;
	for (;;) {
		uint8_t *data = malloc(capacity > 0 ? capacity : 1);
		if (data == NULL) {
			return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to read %s/%s", dir->name, name);
		}
		size_t len = 0;
		int err = dir->ops->read(dir, name, data, capacity, &len);
		if (err == 0) {
			*ret_data = data;
			*ret_len = len;
			return 0;
		}
		free(data);
		if (err != DCD_ERR_SIZE || capacity >= max) {
			*ret_data = NULL;
			return dcd_diag_set(diag, err, "%s/%s could not be read (%s)", dir->name, name, dcd_err_name(err));
		}
		capacity = capacity > max / 4 ? max : capacity * 4;
	}
}
