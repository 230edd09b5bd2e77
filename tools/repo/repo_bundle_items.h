/* What goes into a bundle, in the order of the file, and the index that names it. */
#ifndef DCD_TOOLS_REPO_BUNDLE_ITEMS_H
#define DCD_TOOLS_REPO_BUNDLE_ITEMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

struct repo_bundle_item {
	char *name;
	uint64_t size;        /* bytes */
	void *data;           /* the bytes, or null: they are in a file */
	char *path;           /* that file */
	uint64_t file_offset; /* where they begin in it */
	uint64_t offset;      /* where they will be in the bundle; set by repo_bundle_items_index() */
};

struct repo_bundle_items {
	struct repo_bundle_item *items;
	size_t count;
};

/* Copies `data`. */
void repo_bundle_add_memory(struct repo_bundle_items *items, const char *name, const void *data, size_t len);
/* A part of a file. A name that is there already is not added again: two images may share a payload. */
void repo_bundle_add_file(struct repo_bundle_items *items, const char *name, const char *path, uint64_t offset, uint64_t size);
void repo_bundle_items_free(struct repo_bundle_items *items);

/* Places the items and makes the index (caller frees). */
DCD_NODISCARD int repo_bundle_items_index(struct repo_bundle_items *items, const char *version, char **ret,
					  struct dcd_diag *diag);

/* Writes the whole bundle to `fd`; its data is durable afterwards. */
DCD_NODISCARD int repo_bundle_items_write(const struct repo_bundle_items *items, const char *index, int fd, const char *path,
					  struct dcd_diag *diag);

#endif
