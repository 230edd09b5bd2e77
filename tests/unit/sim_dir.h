/*
 * A folder (base/dir.h) that remembers what a disk would have kept: file data before and after their sync, names before and after
 * sync_dir. It can fail any operation, or cut the power at it, and then comes up again in one of the states that a file system
 * may leave behind.
 */
#ifndef DCD_TESTS_UNIT_SIM_DIR_H
#define DCD_TESTS_UNIT_SIM_DIR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dir.h"

#define SIM_INODES 256
#define SIM_NAMES 16

/* What becomes of data and names that were not synced. */
enum sim_loss {
	SIM_LOST,    /* as if never done; a new file is then empty */
	SIM_TORN,    /* half of the data; names are lost */
	SIM_GARBAGE, /* the right length, other bytes; names are kept (metadata went first) */
	SIM_KEPT,    /* all of it happened to reach the disk */
	SIM_LOSS_COUNT,
};

struct sim_bytes {
	uint8_t *data;
	size_t len;
};

struct sim_inode {
	struct sim_bytes now;
	struct sim_bytes durable;
	bool synced;
	char place[DCD_DIR_NAME_MAX +
		   8]; /* the name under which it was synced last, or replaced another: on FAT it is empty under any other */
};

struct sim_name {
	char name[DCD_DIR_NAME_MAX + 8];
	int inode; /* -1: free */
};

struct sim_dir {
	struct dcd_dir base;
	struct sim_inode inodes[SIM_INODES];
	int inode_count;
	struct sim_name now[SIM_NAMES];
	struct sim_name durable[SIM_NAMES];
	int operations; /* that change something, since the last sim_arm() */
	int fail_at;    /* this operation fails; -1: none */
	bool cut;       /* it and all after it fail: the power is gone */
	bool dead;
};

static void sim_bytes_set(struct sim_bytes *bytes, const void *data, size_t len)
{
	uint8_t *copy = malloc(len + 1);
	if (copy == NULL) {
		abort();
	}
	if (len > 0) {
		memcpy(copy, data, len);
	}
	free(bytes->data);
	bytes->data = copy;
	bytes->len = len;
}

static struct sim_dir *sim_of(struct dcd_dir *dir)
{
	return (struct sim_dir *)dir;
}

static struct sim_name *sim_find(struct sim_name *names, const char *name)
{
	for (int i = 0; i < SIM_NAMES; i++) {
		if (names[i].inode >= 0 && strcmp(names[i].name, name) == 0) {
			return &names[i];
		}
	}
	return NULL;
}

static struct sim_name *sim_add(struct sim_name *names, const char *name)
{
	for (int i = 0; i < SIM_NAMES; i++) {
		if (names[i].inode < 0) {
			(void)snprintf(names[i].name, sizeof names[i].name, "%s", name);
			return &names[i];
		}
	}
	abort();
}

/* Counts an operation; true when it has to fail. */
static bool sim_fails(struct sim_dir *sim)
{
	int number = sim->operations++;
	if (sim->dead) {
		return true;
	}
	if (number != sim->fail_at) {
		return false;
	}
	sim->dead = sim->cut;
	return true;
}

static int sim_read(struct dcd_dir *dir, const char *name, void *buf, size_t capacity, size_t *ret_len)
{
	struct sim_dir *sim = sim_of(dir);
	struct sim_name *entry = sim_find(sim->now, name);
	if (sim->dead) {
		return DCD_ERR_IO;
	}
	if (entry == NULL) {
		return DCD_ERR_NOT_FOUND;
	}
	const struct sim_bytes *bytes = &sim->inodes[entry->inode].now;
	if (bytes->len > capacity) {
		return DCD_ERR_SIZE;
	}
	memcpy(buf, bytes->data, bytes->len);
	*ret_len = bytes->len;
	return 0;
}

static int sim_write(struct dcd_dir *dir, const char *name, const void *data, size_t len)
{
	struct sim_dir *sim = sim_of(dir);
	bool fails = sim_fails(sim);
	if (fails && !sim->cut) {
		len /= 2; /* no space: what fitted is there */
	}
	struct sim_name *entry = sim_find(sim->now, name);
	if (entry == NULL) {
		if (sim->inode_count == SIM_INODES) {
			abort();
		}
		entry = sim_add(sim->now, name);
		entry->inode = sim->inode_count++;
		sim_bytes_set(&sim->inodes[entry->inode].durable, "", 0);
	}
	struct sim_inode *inode = &sim->inodes[entry->inode];
	sim_bytes_set(&inode->now, data, len);
	inode->synced = false;
	return !fails ? 0 : sim->cut ? DCD_ERR_IO : DCD_ERR_NO_SPACE;
}

static int sim_sync(struct dcd_dir *dir, const char *name)
{
	struct sim_dir *sim = sim_of(dir);
	struct sim_name *entry = sim_find(sim->now, name);
	if (sim_fails(sim) || entry == NULL) {
		return DCD_ERR_IO;
	}
	struct sim_inode *inode = &sim->inodes[entry->inode];
	sim_bytes_set(&inode->durable, inode->now.data, inode->now.len);
	inode->synced = true;
	(void)snprintf(inode->place, sizeof inode->place, "%s", name);
	return 0;
}

/* At a cut the operation may still have gone into the cache: unsynced, it is then lost or kept like any other. */
static int sim_rename(struct dcd_dir *dir, const char *from, const char *to)
{
	struct sim_dir *sim = sim_of(dir);
	bool fails = sim_fails(sim);
	struct sim_name *source = sim_find(sim->now, from);
	if (source == NULL) {
		return DCD_ERR_NOT_FOUND;
	}
	if (!fails || sim->cut) {
		int inode = source->inode;
		source->inode = -1;
		struct sim_name *target = sim_find(sim->now, to);
		if (target == NULL) {
			target = sim_add(sim->now, to);
		} else {
			(void)snprintf(sim->inodes[inode].place, sizeof sim->inodes[inode].place, "%s", to);
		}
		target->inode = inode;
	}
	return fails ? DCD_ERR_IO : 0;
}

static int sim_remove(struct dcd_dir *dir, const char *name)
{
	struct sim_dir *sim = sim_of(dir);
	if (sim_fails(sim)) {
		return DCD_ERR_IO;
	}
	struct sim_name *entry = sim_find(sim->now, name);
	if (entry != NULL) {
		entry->inode = -1;
	}
	return 0;
}

static int sim_sync_dir(struct dcd_dir *dir)
{
	struct sim_dir *sim = sim_of(dir);
	if (sim_fails(sim)) {
		return DCD_ERR_IO;
	}
	memcpy(sim->durable, sim->now, sizeof sim->durable);
	return 0;
}

static void sim_close(struct dcd_dir *dir)
{
	struct sim_dir *sim = sim_of(dir);
	for (int i = 0; i < sim->inode_count; i++) {
		free(sim->inodes[i].now.data);
		free(sim->inodes[i].durable.data);
	}
	free(sim);
}

static const struct dcd_dir_ops sim_ops = {
	.read = sim_read,
	.write = sim_write,
	.sync = sim_sync,
	.rename = sim_rename,
	.remove = sim_remove,
	.sync_dir = sim_sync_dir,
	.close = sim_close,
};

static inline struct sim_dir *sim_new(void)
{
	struct sim_dir *sim = calloc(1, sizeof *sim);
	if (sim == NULL) {
		abort();
	}
	sim->base.ops = &sim_ops;
	sim->base.name = "sim";
	sim->fail_at = -1;
	for (int i = 0; i < SIM_NAMES; i++) {
		sim->now[i].inode = -1;
		sim->durable[i].inode = -1;
	}
	return sim;
}

/* From here on operations are counted from 0; number `fail_at` fails, and with `cut` all after it. */
static inline void sim_arm(struct sim_dir *sim, int fail_at, bool cut)
{
	sim->operations = 0;
	sim->fail_at = fail_at;
	sim->cut = cut;
}

/* What was moved and not synced under its new name. */
static inline void sim_empty_moved(struct sim_dir *sim, enum sim_loss loss)
{
	for (int i = 0; i < SIM_NAMES; i++) {
		struct sim_inode *inode = sim->now[i].inode >= 0 ? &sim->inodes[sim->now[i].inode] : NULL;
		if (inode != NULL && inode->place[0] != '\0' && strcmp(inode->place, sim->now[i].name) != 0 && loss != SIM_KEPT) {
			sim_bytes_set(&inode->durable, "", 0);
			sim_bytes_set(&inode->now, "", 0);
		}
	}
}

/* The power comes back. */
static inline void sim_restart(struct sim_dir *sim, enum sim_loss loss)
{
	for (int i = 0; i < sim->inode_count; i++) {
		struct sim_inode *inode = &sim->inodes[i];
		if (inode->synced || loss == SIM_KEPT) {
			sim_bytes_set(&inode->durable, inode->now.data, inode->now.len);
		} else if (loss == SIM_TORN) {
			sim_bytes_set(&inode->durable, inode->now.data, inode->now.len / 2);
		} else if (loss == SIM_GARBAGE) {
			sim_bytes_set(&inode->durable, inode->now.data, inode->now.len);
			for (size_t j = 0; j < inode->durable.len; j++) {
				inode->durable.data[j] ^= 0x5a;
			}
		}
		sim_bytes_set(&inode->now, inode->durable.data, inode->durable.len);
		inode->synced = true;
	}
	if (loss == SIM_KEPT || loss == SIM_GARBAGE) {
		memcpy(sim->durable, sim->now, sizeof sim->durable);
	}
	memcpy(sim->now, sim->durable, sizeof sim->now);
	sim_empty_moved(sim, loss);
	sim->dead = false;
	sim_arm(sim, -1, false);
}

/* The bytes of a file, to look at or to damage; null when there is none. */
static inline struct sim_bytes *sim_file(struct sim_dir *sim, const char *name)
{
	struct sim_name *entry = sim_find(sim->now, name);
	return entry == NULL ? NULL : &sim->inodes[entry->inode].now;
}

/* Puts a file there as if it had always been. */
static inline void sim_put(struct sim_dir *sim, const char *name, const void *data, size_t len)
{
	if (sim_write(&sim->base, name, data, len) != 0 || sim_sync(&sim->base, name) != 0 || sim_sync_dir(&sim->base) != 0) {
		abort();
	}
}

#endif
