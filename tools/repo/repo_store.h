/* The client's trusted metadata, in memory: one look at a repository needs no more. */
#ifndef DCD_TOOLS_REPO_STORE_H
#define DCD_TOOLS_REPO_STORE_H

#include "base/dir.h"

struct repo_store_file {
	char name[DCD_DIR_NAME_MAX + 1];
	uint8_t *data;
	size_t len;
};

struct repo_store {
	struct dcd_dir base;
	struct repo_store_file *files;
	size_t count;
};

void repo_store_init(struct repo_store *store);
/* A file of that name, or null. */
const struct repo_store_file *repo_store_find(const struct repo_store *store, const char *name);
void repo_store_free(struct repo_store *store);

#endif
