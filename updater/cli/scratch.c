#include "updater/cli/scratch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- a folder ---- */

struct scratch_file {
	struct scratch_file *next;
	char *name;
	void *data; /* null: removed */
	size_t len;
};

struct scratch_dir {
	struct dcd_dir base;
	struct dcd_dir *inner;
	struct scratch_file *files;
};

static struct scratch_file *find(struct scratch_dir *s, const char *name)
{
	struct scratch_file *file = s->files;
	while (file != NULL && strcmp(file->name, name) != 0) {
		file = file->next;
	}
	return file;
}

static struct scratch_file *find_or_add(struct scratch_dir *s, const char *name)
{
	struct scratch_file *file = find(s, name);
	if (file != NULL) {
		return file;
	}
	file = calloc(1, sizeof *file);
	char *copy = strdup(name);
	if (file == NULL || copy == NULL) {
		free(file);
		free(copy);
		return NULL;
	}
	file->name = copy;
	file->next = s->files;
	s->files = file;
	return file;
}

static int scratch_read(struct dcd_dir *dir, const char *name, void *buf, size_t capacity, size_t *ret_len)
{
	struct scratch_dir *s = (struct scratch_dir *)dir;
	const struct scratch_file *file = find(s, name);
	if (file == NULL) {
		return s->inner->ops->read(s->inner, name, buf, capacity, ret_len);
	}
	if (file->data == NULL) {
		return DCD_ERR_NOT_FOUND;
	}
	if (file->len > capacity) {
		return DCD_ERR_SIZE;
	}
	memcpy(buf, file->data, file->len);
	*ret_len = file->len;
	return 0;
}

static int scratch_write(struct dcd_dir *dir, const char *name, const void *data, size_t len)
{
	struct scratch_file *file = find_or_add((struct scratch_dir *)dir, name);
	void *copy = malloc(len + 1);
	if (file == NULL || copy == NULL) {
		free(copy);
		return DCD_ERR_NO_MEMORY;
	}
	memcpy(copy, data, len);
	free(file->data);
	file->data = copy;
	file->len = len;
	return 0;
}

static int scratch_sync(struct dcd_dir *dir, const char *name)
{
	(void)dir;
	(void)name;
	return 0;
}

static int scratch_rename(struct dcd_dir *dir, const char *from, const char *to)
{
	struct scratch_dir *s = (struct scratch_dir *)dir;
	struct scratch_file *old = find(s, from);
	struct scratch_file *new_file = old == NULL || old->data == NULL ? NULL : find_or_add(s, to);
	if (new_file == NULL) {
		return old == NULL || old->data == NULL ? DCD_ERR_NOT_FOUND : DCD_ERR_NO_MEMORY;
	}
	free(new_file->data);
	new_file->data = old->data;
	new_file->len = old->len;
	old->data = NULL;
	return 0;
}

static int scratch_remove(struct dcd_dir *dir, const char *name)
{
	struct scratch_file *file = find_or_add((struct scratch_dir *)dir, name);
	if (file == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	free(file->data);
	file->data = NULL;
	return 0;
}

static int scratch_sync_dir(struct dcd_dir *dir)
{
	(void)dir;
	return 0;
}

static void scratch_close(struct dcd_dir *dir)
{
	struct scratch_dir *s = (struct scratch_dir *)dir;
	while (s->files != NULL) {
		struct scratch_file *file = s->files;
		s->files = file->next;
		free(file->name);
		free(file->data);
		free(file);
	}
	free(s);
}

int dcd_scratch_dir_open(struct dcd_dir *inner, struct dcd_dir **ret, struct dcd_diag *diag)
{
	static const struct dcd_dir_ops ops = { scratch_read,   scratch_write,    scratch_sync, scratch_rename,
						scratch_remove, scratch_sync_dir, scratch_close, NULL };
	struct scratch_dir *s = calloc(1, sizeof *s);
	if (s == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to look");
	}
	*s = (struct scratch_dir){ .base = { .ops = &ops, .name = inner->name }, .inner = inner };
	*ret = &s->base;
	return 0;
}

/* ---- a journal ---- */

struct scratch_journal {
	struct dcd_journal base;
	struct dcd_journal *inner;
	bool stored;
	struct dcd_device_state state;
};

static int scratch_load(struct dcd_journal *journal, struct dcd_device_state *ret, struct dcd_diag *diag)
{
	struct scratch_journal *s = (struct scratch_journal *)journal;
	if (!s->stored) {
		return s->inner->ops->load(s->inner, ret, diag);
	}
	*ret = s->state;
	return 0;
}

static int scratch_store(struct dcd_journal *journal, const struct dcd_device_state *state, struct dcd_diag *diag)
{
	struct scratch_journal *s = (struct scratch_journal *)journal;
	(void)diag;
	s->state = *state;
	s->stored = true;
	return 0;
}

static void scratch_journal_close(struct dcd_journal *journal)
{
	free(journal);
}

int dcd_scratch_journal_open(struct dcd_journal *inner, struct dcd_journal **ret, struct dcd_diag *diag)
{
	static const struct dcd_journal_ops ops = { scratch_load, scratch_store, scratch_journal_close };
	struct scratch_journal *s = calloc(1, sizeof *s);
	if (s == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to look");
	}
	s->base = (struct dcd_journal){ .ops = &ops, .name = inner->name };
	s->inner = inner;
	*ret = &s->base;
	return 0;
}
