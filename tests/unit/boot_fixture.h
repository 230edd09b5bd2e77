/*
 * What tests of boot loaders' adapters share: a temporary folder, a command line, and a medium in memory that counts what is
 * written and can fail or forget.
 */
#ifndef DCD_TESTS_UNIT_BOOT_FIXTURE_H
#define DCD_TESTS_UNIT_BOOT_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/blockdev.h"
#include "updater/boot/boot.h"

#define FIXTURE_BLOCK_MAX 4096U

struct fixture_block {
	struct dcd_blockdev base;
	uint8_t bytes[FIXTURE_BLOCK_MAX];
	size_t size;
	int opened;          /* now */
	int writes, flushes; /* in all */
	size_t written;      /* bytes */
	bool missing;        /* can't be opened */
	bool fails_flush;
	bool forgets; /* keeps nothing of what is written */
};

static inline int fixture_read(struct dcd_blockdev *dev, uint64_t offset, void *buf, size_t len)
{
	struct fixture_block *block = (struct fixture_block *)dev;
	memcpy(buf, block->bytes + offset, len);
	return 0;
}

static inline int fixture_write(struct dcd_blockdev *dev, uint64_t offset, const void *buf, size_t len)
{
	struct fixture_block *block = (struct fixture_block *)dev;
	block->writes++;
	block->written += len;
	if (!block->forgets) {
		memcpy(block->bytes + offset, buf, len);
	}
	return 0;
}

static inline int fixture_flush(struct dcd_blockdev *dev)
{
	struct fixture_block *block = (struct fixture_block *)dev;
	block->flushes++;
	return block->fails_flush ? DCD_ERR_IO : 0;
}

static inline void fixture_close_block(struct dcd_blockdev *dev)
{
	((struct fixture_block *)dev)->opened--;
}

/* As struct dcd_boot_media's; the context is the block. */
static inline int fixture_open_block(void *context, const char *path, bool writable, struct dcd_blockdev **ret,
				     struct dcd_diag *diag)
{
	static const struct dcd_blockdev_ops ops = {
		.read = fixture_read,
		.read_medium = fixture_read,
		.write = fixture_write,
		.flush = fixture_flush,
		.close = fixture_close_block,
	};
	struct fixture_block *block = context;
	(void)writable;
	if (block->missing) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s isn't there", path);
	}
	block->base = (struct dcd_blockdev){ .ops = &ops, .size = block->size, .name = "block" };
	block->opened++;
	*ret = &block->base;
	return 0;
}

struct fixture_folder {
	char path[64];
};

static inline void fixture_folder_open(struct fixture_folder *folder)
{
	(void)snprintf(folder->path, sizeof folder->path, "/tmp/decade-boot-XXXXXX");
	if (mkdtemp(folder->path) == NULL) {
		abort();
	}
}

/* The path of a file in the folder; good until the eighth call after this one. */
static inline const char *fixture_path(const struct fixture_folder *folder, const char *name)
{
	static char paths[8][160];
	static unsigned next;
	char *path = paths[next++ % 8];
	(void)snprintf(path, sizeof paths[0], "%s/%s", folder->path, name);
	return path;
}

static inline const char *fixture_put(const struct fixture_folder *folder, const char *name, const void *data, size_t len)
{
	const char *path = fixture_path(folder, name);
	FILE *file = fopen(path, "wb");
	if (file == NULL || fwrite(data, 1, len, file) != len || fclose(file) != 0) {
		abort();
	}
	return path;
}

static inline const char *fixture_put_text(const struct fixture_folder *folder, const char *name, const char *text)
{
	return fixture_put(folder, name, text, strlen(text));
}

static inline size_t fixture_get(const struct fixture_folder *folder, const char *name, void *data, size_t size)
{
	FILE *file = fopen(fixture_path(folder, name), "rb");
	if (file == NULL) {
		return 0;
	}
	size_t len = fread(data, 1, size, file);
	(void)fclose(file);
	return len;
}

static inline void fixture_folder_close(const struct fixture_folder *folder)
{
	char command[96];
	(void)snprintf(command, sizeof command, "rm -rf %s", folder->path);
	if (system(command) != 0) {
		abort();
	}
}

static inline bool fixture_same_state(const struct dcd_boot_state *a, const struct dcd_boot_state *b)
{
	bool same = memcmp(a->order, b->order, sizeof a->order) == 0 && a->booted == b->booted;
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		same = same && a->slot[i].bootable == b->slot[i].bootable && a->slot[i].good == b->slot[i].good &&
		       a->slot[i].tries_left == b->slot[i].tries_left;
	}
	return same;
}

#endif
