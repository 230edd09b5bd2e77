#include "tests/sim/sim_medium.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_alloc.h"
#include "tests/sim/sim_loader.h"

const char *const sim_class_names[SIM_CLASSES] = { "rootfs", "boot" };

size_t sim_class_max(int class_index)
{
	return class_index == 0 ? SIM_ROOTFS_MAX : SIM_BOOT_MAX;
}

size_t sim_dev_size(int dev)
{
	return sim_class_max(dev % SIM_CLASSES) + SIM_SLACK;
}

/* ---- blobs, files, images ---- */

struct sim_blob *sim_blob_new(const void *data, size_t len)
{
	struct sim_blob *blob = sim_must_alloc(sizeof *blob + len);
	blob->refs = 1;
	blob->len = len;
	if (len > 0) {
		memcpy(blob->data, data, len);
	}
	return blob;
}

struct sim_blob *sim_blob_ref(struct sim_blob *blob)
{
	blob->refs++;
	return blob;
}

void sim_blob_drop(struct sim_blob *blob)
{
	if (blob != NULL && --blob->refs == 0) {
		free(blob);
	}
}

struct sim_file *sim_files_find(struct sim_files *files, const char *name)
{
	for (int i = 0; i < files->count; i++) {
		if (strcmp(files->file[i].name, name) == 0) {
			return &files->file[i];
		}
	}
	return NULL;
}

void sim_files_put(struct sim_files *files, const char *name, struct sim_blob *data)
{
	struct sim_file *file = sim_files_find(files, name);
	if (file == NULL) {
		if (files->count == SIM_FILES_MAX || strlen(name) >= SIM_NAME_SIZE) {
			abort();
		}
		file = &files->file[files->count++];
		memset(file, 0, sizeof *file);
		(void)snprintf(file->name, sizeof file->name, "%s", name);
	}
	sim_blob_drop(file->data);
	file->data = data;
}

void sim_files_remove(struct sim_files *files, const char *name)
{
	struct sim_file *file = sim_files_find(files, name);
	if (file != NULL) {
		sim_blob_drop(file->data);
		*file = files->file[--files->count];
	}
}

void sim_image_copy(struct sim_image *to, const struct sim_image *from)
{
	memcpy(to->dev, from->dev, sizeof to->dev);
	for (int d = 0; d < SIM_DIRS; d++) {
		to->dir[d].count = from->dir[d].count;
		for (int i = 0; i < from->dir[d].count; i++) {
			to->dir[d].file[i] = from->dir[d].file[i];
			(void)sim_blob_ref(to->dir[d].file[i].data);
		}
	}
}

void sim_image_clear(struct sim_image *image)
{
	for (int d = 0; d < SIM_DIRS; d++) {
		for (int i = 0; i < image->dir[d].count; i++) {
			sim_blob_drop(image->dir[d].file[i].data);
		}
		image->dir[d].count = 0;
	}
}

static uint64_t mix(uint64_t hash, const uint8_t *data, size_t len)
{
	for (; len >= 8; data += 8, len -= 8) {
		uint64_t word;
		memcpy(&word, data, 8);
		hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
		hash ^= hash >> 29;
	}
	for (; len > 0; data++, len--) {
		hash = (hash ^ *data) * UINT64_C(0x100000001B3);
	}
	return hash;
}

uint64_t sim_image_hash(const struct sim_image *image)
{
	uint64_t hash = mix(1, &image->dev[0][0], sizeof image->dev);
	for (int d = 0; d < SIM_DIRS; d++) {
		uint64_t sum = 0; /* the order of names means nothing */
		for (int i = 0; i < image->dir[d].count; i++) {
			const struct sim_file *file = &image->dir[d].file[i];
			sum += mix(mix((uint64_t)d + 7, (const uint8_t *)file->name, strlen(file->name)), file->data->data,
				   file->data->len);
		}
		hash = mix(hash, (const uint8_t *)&sum, sizeof sum);
	}
	return hash;
}

/* ---- the log ---- */

void sim_log_clear(struct sim_log *log)
{
	for (size_t i = 0; i < log->count; i++) {
		sim_blob_drop(log->ops[i].data);
	}
	free(log->ops);
	free(log->marks);
	memset(log, 0, sizeof *log);
}

void sim_log_mark(struct sim_log *log)
{
	if (log->mark_count == log->mark_capacity) {
		log->mark_capacity = log->mark_capacity == 0 ? 16 : log->mark_capacity * 2;
		log->marks = sim_must_realloc(log->marks, log->mark_capacity * sizeof *log->marks);
	}
	log->marks[log->mark_count++] = log->count;
}

static struct sim_op *record(struct sim_media *media, enum sim_kind kind, int medium, const char *name)
{
	static struct sim_op scratch;
	struct sim_log *log = media->log;
	struct sim_op *op = &scratch;
	if (log != NULL) {
		if (log->count == log->capacity) {
			log->capacity = log->capacity == 0 ? 128 : log->capacity * 2;
			log->ops = sim_must_realloc(log->ops, log->capacity * sizeof *log->ops);
		}
		op = &log->ops[log->count++];
	}
	memset(op, 0, sizeof *op);
	op->kind = kind;
	op->medium = medium;
	op->running = media->running;
	(void)snprintf(op->name, sizeof op->name, "%s", name);
	return op;
}

static void record_data(struct sim_media *media, struct sim_op *op, const void *data, size_t len)
{
	if (media->log != NULL) {
		op->data = sim_blob_new(data, len);
	}
}

/* ---- faults ---- */

/* Counts an access; the fault that strikes it. */
static enum sim_fault_kind access_fault(struct sim_media *media)
{
	unsigned long number = media->accesses++;
	if (media->gone) {
		return SIM_FAULT_IO;
	}
	if (media->fault == SIM_FAULT_NONE || number != media->fault_at) {
		return SIM_FAULT_NONE;
	}
	media->fault_struck = true;
	media->gone = media->fault == SIM_FAULT_GONE;
	return media->gone ? SIM_FAULT_IO : media->fault;
}

/* ---- block devices ---- */

struct sim_blockdev {
	struct dcd_blockdev base;
	struct sim_media *media;
	int index;
	bool writable;
};

static bool outside(const struct dcd_blockdev *dev, uint64_t offset, size_t len)
{
	return offset > dev->size || len > dev->size - offset;
}

/* A store without a checksum is for a medium that says when it can't read. */
static enum sim_fault_kind device_fault(struct sim_blockdev *sim)
{
	enum sim_fault_kind fault = access_fault(sim->media);
	bool told = sim->index == SIM_LOADER_DEV && sim_loader->whole_sectors;
	return fault == SIM_FAULT_ROT && told ? SIM_FAULT_IO : fault;
}

static int read_from(struct sim_blockdev *sim, const uint8_t *bytes, uint64_t offset, void *buf, size_t len)
{
	enum sim_fault_kind fault = device_fault(sim);
	if (outside(&sim->base, offset, len) || (fault != SIM_FAULT_NONE && fault != SIM_FAULT_ROT)) {
		return DCD_ERR_IO;
	}
	memcpy(buf, bytes + offset, len);
	if (fault == SIM_FAULT_ROT && len > 0) {
		((uint8_t *)buf)[len / 3] ^= 4;
	}
	return 0;
}

/* A writer may have a thread of its own. What it writes comes in one order all the same. */
static pthread_mutex_t bus = PTHREAD_MUTEX_INITIALIZER;

static int dev_read(struct dcd_blockdev *dev, uint64_t offset, void *buf, size_t len)
{
	struct sim_blockdev *sim = (struct sim_blockdev *)dev;
	pthread_mutex_lock(&bus);
	int err = read_from(sim, sim->media->now.dev[sim->index], offset, buf, len);
	pthread_mutex_unlock(&bus);
	return err;
}

static int dev_read_medium(struct dcd_blockdev *dev, uint64_t offset, void *buf, size_t len)
{
	struct sim_blockdev *sim = (struct sim_blockdev *)dev;
	struct sim_media *media = sim->media;
	pthread_mutex_lock(&bus);
	int err = read_from(sim, media->drive_cache ? media->now.dev[sim->index] : media->flushed[sim->index], offset, buf, len);
	pthread_mutex_unlock(&bus);
	return err;
}

static int write_to(struct dcd_blockdev *dev, uint64_t offset, const void *buf, size_t len)
{
	struct sim_blockdev *sim = (struct sim_blockdev *)dev;
	struct sim_media *media = sim->media;
	enum sim_fault_kind fault = device_fault(sim);
	if (sim->index / SIM_CLASSES == media->running) {
		media->violation = "the running slot was written";
	}
	if (!sim->writable || outside(dev, offset, len)) {
		media->violation = "a write where none may be";
		return DCD_ERR_IO;
	}
	if (fault == SIM_FAULT_IO) {
		return DCD_ERR_IO;
	}
	size_t done = fault == SIM_FAULT_SPACE || fault == SIM_FAULT_SHORT ? len / 2 : len;
	uint8_t *at = media->now.dev[sim->index] + offset;
	memcpy(at, buf, done);
	if (fault == SIM_FAULT_ROT && len > 0) {
		at[len / 2] ^= 16;
	}
	struct sim_op *op = record(media, SIM_WRITE, sim->index, "");
	op->offset = (size_t)offset;
	record_data(media, op, at, done);
	media->slot_bytes_written += done;
	return fault == SIM_FAULT_SPACE ? DCD_ERR_NO_SPACE : fault == SIM_FAULT_SHORT ? DCD_ERR_IO : 0;
}

static int dev_write(struct dcd_blockdev *dev, uint64_t offset, const void *buf, size_t len)
{
	pthread_mutex_lock(&bus);
	int err = write_to(dev, offset, buf, len);
	pthread_mutex_unlock(&bus);
	return err;
}

static int flush(struct sim_blockdev *sim)
{
	if (access_fault(sim->media) != SIM_FAULT_NONE) {
		return DCD_ERR_IO;
	}
	(void)record(sim->media, SIM_FLUSH, sim->index, "");
	memcpy(sim->media->flushed[sim->index], sim->media->now.dev[sim->index], SIM_DEV_MAX);
	return 0;
}

static int dev_flush(struct dcd_blockdev *dev)
{
	pthread_mutex_lock(&bus);
	int err = flush((struct sim_blockdev *)dev);
	pthread_mutex_unlock(&bus);
	return err;
}

static void dev_close(struct dcd_blockdev *dev)
{
	free(dev);
}

static const struct dcd_blockdev_ops dev_ops = { dev_read, dev_read_medium, dev_write, dev_flush, dev_close, NULL };

struct dcd_blockdev *sim_media_open_dev(struct sim_media *media, int index, const char *name, size_t size, bool writable)
{
	struct sim_blockdev *dev = sim_must_alloc(sizeof *dev);
	dev->base = (struct dcd_blockdev){ .ops = &dev_ops, .size = size, .name = name };
	dev->media = media;
	dev->index = index;
	dev->writable = writable;
	return &dev->base;
}

int sim_media_open_slot(void *context, int slot, const char *class_name, bool writable, struct dcd_blockdev **ret,
			struct dcd_diag *diag)
{
	static const char *const names[SIM_SLOT_DEVS] = { "rootfs-a", "boot-a", "rootfs-b", "boot-b" };
	for (int c = 0; c < SIM_CLASSES; c++) {
		if (strcmp(class_name, sim_class_names[c]) == 0) {
			int index = slot * SIM_CLASSES + c;
			*ret = sim_media_open_dev(context, index, names[index], sim_class_max(c), writable);
			return 0;
		}
	}
	return dcd_diag_set(diag, DCD_ERR_WRONG_CLASSES, "no class '%s'", class_name);
}

/* ---- folders ---- */

static struct sim_files *files_of(struct dcd_dir *dir)
{
	struct sim_folder *folder = (struct sim_folder *)dir;
	return &folder->media->now.dir[folder->index];
}

static int folder_read(struct dcd_dir *dir, const char *name, void *buf, size_t capacity, size_t *ret_len)
{
	enum sim_fault_kind fault = access_fault(((struct sim_folder *)dir)->media);
	struct sim_file *file = sim_files_find(files_of(dir), name);
	if (fault == SIM_FAULT_IO || fault == SIM_FAULT_SPACE) {
		return DCD_ERR_IO;
	}
	if (file == NULL) {
		return DCD_ERR_NOT_FOUND;
	}
	size_t len = fault == SIM_FAULT_SHORT ? file->data->len / 2 : file->data->len;
	if (len > capacity) {
		return DCD_ERR_SIZE;
	}
	if (len > 0) {
		memcpy(buf, file->data->data, len);
	}
	if (fault == SIM_FAULT_ROT && len > 0) {
		((uint8_t *)buf)[len / 3] ^= 1;
	}
	*ret_len = len;
	return 0;
}

static int folder_write(struct dcd_dir *dir, const char *name, const void *data, size_t len)
{
	struct sim_folder *folder = (struct sim_folder *)dir;
	enum sim_fault_kind fault = access_fault(folder->media);
	if (fault == SIM_FAULT_IO) {
		return DCD_ERR_IO;
	}
	if (fault == SIM_FAULT_ROT) {
		fault = SIM_FAULT_SHORT; /* file systems that keep other bytes than they were given are beyond us */
	}
	size_t done = fault == SIM_FAULT_NONE ? len : len / 2;
	struct sim_op *op = record(folder->media, SIM_FILE_WRITE, folder->index, name);
	record_data(folder->media, op, data, done);
	sim_files_put(files_of(dir), name, sim_blob_new(data, done));
	folder->media->state_bytes_written += done;
	return fault == SIM_FAULT_SPACE ? DCD_ERR_NO_SPACE : fault == SIM_FAULT_SHORT ? DCD_ERR_IO : 0;
}

static int folder_sync(struct dcd_dir *dir, const char *name)
{
	struct sim_folder *folder = (struct sim_folder *)dir;
	if (access_fault(folder->media) != SIM_FAULT_NONE || sim_files_find(files_of(dir), name) == NULL) {
		return DCD_ERR_IO;
	}
	(void)record(folder->media, SIM_FILE_SYNC, folder->index, name);
	return 0;
}

static int folder_rename(struct dcd_dir *dir, const char *from, const char *to)
{
	struct sim_folder *folder = (struct sim_folder *)dir;
	struct sim_file *file = sim_files_find(files_of(dir), from);
	if (access_fault(folder->media) != SIM_FAULT_NONE || file == NULL) {
		return DCD_ERR_IO;
	}
	struct sim_op *op = record(folder->media, SIM_RENAME, folder->index, from);
	(void)snprintf(op->to, sizeof op->to, "%s", to);
	struct sim_blob *data = sim_blob_ref(file->data);
	sim_files_remove(files_of(dir), from);
	sim_files_put(files_of(dir), to, data);
	return 0;
}

static int folder_remove(struct dcd_dir *dir, const char *name)
{
	struct sim_folder *folder = (struct sim_folder *)dir;
	if (access_fault(folder->media) != SIM_FAULT_NONE) {
		return DCD_ERR_IO;
	}
	(void)record(folder->media, SIM_REMOVE, folder->index, name);
	sim_files_remove(files_of(dir), name);
	return 0;
}

static int folder_sync_dir(struct dcd_dir *dir)
{
	struct sim_folder *folder = (struct sim_folder *)dir;
	if (access_fault(folder->media) != SIM_FAULT_NONE) {
		return DCD_ERR_IO;
	}
	(void)record(folder->media, SIM_DIR_SYNC, folder->index, "");
	return 0;
}

static int folder_list(struct dcd_dir *dir, void (*each)(void *context, const char *name), void *context)
{
	struct sim_folder *folder = (struct sim_folder *)dir;
	if (access_fault(folder->media) != SIM_FAULT_NONE) {
		return DCD_ERR_IO;
	}
	for (int i = 0; i < files_of(dir)->count; i++) {
		each(context, files_of(dir)->file[i].name);
	}
	return 0;
}

static void folder_close(struct dcd_dir *dir)
{
	(void)dir;
}

static const struct dcd_dir_ops folder_ops = {
	folder_read, folder_write, folder_sync, folder_rename, folder_remove, folder_sync_dir, folder_close, folder_list,
};

void sim_media_open(struct sim_media *media, const struct sim_image *image)
{
	static const char *const names[SIM_DIRS] = { "state", "metadata", "loader" };
	sim_image_copy(&media->now, image);
	memcpy(media->flushed, image->dev, sizeof media->flushed);
	for (int d = 0; d < SIM_DIRS; d++) {
		media->folder[d] = (struct sim_folder){ { &folder_ops, names[d] }, media, d };
	}
}

void sim_media_close(struct sim_media *media)
{
	sim_image_clear(&media->now);
}
