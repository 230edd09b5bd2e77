#include "tools/repo/repo_store.h"

#include <stdlib.h>
#include <string.h>

#include "tools/repo/repo_text.h"

const struct repo_store_file *repo_store_find(const struct repo_store *store, const char *name)
{
	for (size_t i = 0; i < store->count; i++) {
		if (strcmp(store->files[i].name, name) == 0) {
			return &store->files[i];
		}
	}
	return NULL;
}

static struct repo_store_file *store_find(struct dcd_dir *dir, const char *name)
{
	return (struct repo_store_file *)(uintptr_t)repo_store_find((const struct repo_store *)dir, name);
}

static struct repo_store_file *store_find_or_add(struct dcd_dir *dir, const char *name)
{
	struct repo_store *self = (struct repo_store *)dir;
	struct repo_store_file *file = store_find(dir, name);
	if (file == NULL) {
		self->files = repo_grow(self->files, self->count + 1, sizeof *self->files);
		file = &self->files[self->count++];
		*file = (struct repo_store_file){ 0 };
	}
	return file;
}

static int store_read(struct dcd_dir *dir, const char *name, void *buf, size_t capacity, size_t *ret_len)
{
	const struct repo_store_file *file = store_find(dir, name);
	if (file == NULL) {
		return DCD_ERR_NOT_FOUND;
	}
	if (file->len > capacity) {
		return DCD_ERR_SIZE;
	}
	memcpy(buf, file->data, file->len);
	*ret_len = file->len;
	return 0;
}

static int store_write(struct dcd_dir *dir, const char *name, const void *data, size_t len)
{
	size_t name_len = strlen(name);
	if (name_len == 0 || name_len > DCD_DIR_NAME_MAX) {
		return DCD_ERR_IO;
	}
	uint8_t *copy = repo_alloc(len, 1);
	if (len > 0) {
		memcpy(copy, data, len);
	}
	struct repo_store_file *file = store_find_or_add(dir, name);
	free(file->data);
	memcpy(file->name, name, name_len + 1);
	file->data = copy;
	file->len = len;
	return 0;
}

static int store_sync(struct dcd_dir *dir, const char *name)
{
	return store_find(dir, name) == NULL ? DCD_ERR_NOT_FOUND : 0;
}

static int store_remove(struct dcd_dir *dir, const char *name)
{
	struct repo_store *self = (struct repo_store *)dir;
	struct repo_store_file *file = store_find(dir, name);
	if (file != NULL) {
		free(file->data);
		*file = self->files[--self->count];
	}
	return 0;
}

static int store_rename(struct dcd_dir *dir, const char *from, const char *to)
{
	size_t len = strlen(to);
	if (store_find(dir, from) == NULL || len == 0 || len > DCD_DIR_NAME_MAX) {
		return DCD_ERR_NOT_FOUND;
	}
	if (strcmp(from, to) != 0) {
		store_remove(dir, to);
		memcpy(store_find(dir, from)->name, to, len + 1);
	}
	return 0;
}

static int store_sync_dir(struct dcd_dir *dir)
{
	(void)dir;
	return 0;
}

static void store_close(struct dcd_dir *dir)
{
	(void)dir;
}

void repo_store_init(struct repo_store *store)
{
	static const struct dcd_dir_ops ops = {
		.read = store_read,
		.write = store_write,
		.sync = store_sync,
		.rename = store_rename,
		.remove = store_remove,
		.sync_dir = store_sync_dir,
		.close = store_close,
	};
	*store = (struct repo_store){ .base = { .ops = &ops, .name = "memory" } };
}

void repo_store_free(struct repo_store *store)
{
	for (size_t i = 0; i < store->count; i++) {
		free(store->files[i].data);
	}
	free(store->files);
	store->files = NULL;
	store->count = 0;
}
