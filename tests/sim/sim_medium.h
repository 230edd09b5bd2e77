/*
 * The media of a simulated device behind the persistence seam (base/blockdev.h, base/dir.h): two slots of block devices and two
 * folders. A running system sees `now`; every operation that changes something is recorded in a log, from which sim_crash.h makes
 * whatever a power cut may leave. Beside cuts, any access can be made to fail.
 */
#ifndef DCD_TESTS_SIM_SIM_MEDIUM_H
#define DCD_TESTS_SIM_SIM_MEDIUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blockdev.h"
#include "base/dir.h"

#define SIM_CLASSES 2
#define SIM_SLOT_DEVS (2 * SIM_CLASSES) /* slot * SIM_CLASSES + class */
#define SIM_LOADER_DEV SIM_SLOT_DEVS    /* what a boot loader keeps on a raw device (sim_loader.h) */
#define SIM_DEVS (SIM_SLOT_DEVS + 1)
#define SIM_SEGMENT 4096U
#define SIM_SLACK 512U                   /* behind the longest image: not ours */
#define SIM_ROOTFS_MAX (5 * SIM_SEGMENT) /* bytes of an image */
#define SIM_BOOT_MAX (2 * SIM_SEGMENT)
#define SIM_DEV_MAX (SIM_ROOTFS_MAX + SIM_SLACK)
#define SIM_FILES_MAX 40
#define SIM_NAME_SIZE 48

enum { SIM_STATE_DIR, SIM_METADATA_DIR, SIM_LOADER_DIR, SIM_DIRS };

extern const char *const sim_class_names[SIM_CLASSES];
size_t sim_class_max(int class_index); /* bytes of the longest image */
size_t sim_dev_size(int dev);          /* that and the slack */

/* Bytes that never change, shared by reference. */
struct sim_blob {
	int refs;
	size_t len;
	uint8_t data[];
};

struct sim_blob *sim_blob_new(const void *data, size_t len);
struct sim_blob *sim_blob_ref(struct sim_blob *blob);
void sim_blob_drop(struct sim_blob *blob);

struct sim_file {
	char name[SIM_NAME_SIZE];
	struct sim_blob *data;
};

struct sim_files {
	struct sim_file file[SIM_FILES_MAX];
	int count;
};

struct sim_file *sim_files_find(struct sim_files *files, const char *name);
/* Takes the reference. */
void sim_files_put(struct sim_files *files, const char *name, struct sim_blob *data);
void sim_files_remove(struct sim_files *files, const char *name);

/* What the media hold when the power is off. Plain data but for the blobs' references. */
struct sim_image {
	uint8_t dev[SIM_DEVS][SIM_DEV_MAX];
	struct sim_files dir[SIM_DIRS];
};

void sim_image_copy(struct sim_image *to, const struct sim_image *from); /* `to` holds nothing */
void sim_image_clear(struct sim_image *image);
uint64_t sim_image_hash(const struct sim_image *image);

/* ---- the log ---- */

enum sim_kind { SIM_WRITE, SIM_FLUSH, SIM_FILE_WRITE, SIM_FILE_SYNC, SIM_RENAME, SIM_REMOVE, SIM_DIR_SYNC };

struct sim_op {
	enum sim_kind kind;
	int medium; /* of SIM_DEVS or SIM_DIRS */
	size_t offset;
	struct sim_blob *data;
	char name[SIM_NAME_SIZE];
	char to[SIM_NAME_SIZE];
	int running; /* slot, while it happened */
};

struct sim_log {
	struct sim_op *ops;
	size_t count, capacity;
	/* Before these operations somebody was told that all is done and durable. */
	size_t *marks;
	size_t mark_count, mark_capacity;
};

void sim_log_clear(struct sim_log *log);
void sim_log_mark(struct sim_log *log);

/* ---- live ---- */

enum sim_fault_kind {
	SIM_FAULT_NONE,
	SIM_FAULT_IO,    /* nothing happens, EIO */
	SIM_FAULT_SPACE, /* a write puts half of its bytes and has no space for the rest; others: EIO */
	SIM_FAULT_SHORT, /* a read gives half of the bytes as if the file ended; a write puts half and says EIO */
	SIM_FAULT_ROT,   /* one bit of what is read is wrong, or of what a slot keeps */
	SIM_FAULT_GONE,  /* this and every access until the next boot: EIO */
	SIM_FAULT_KINDS,
};

struct sim_media;

struct sim_folder {
	struct dcd_dir base;
	struct sim_media *media;
	int index;
};

struct sim_media {
	struct sim_image now;
	uint8_t flushed[SIM_DEVS][SIM_DEV_MAX];
	bool drive_cache;      /* reads "from the medium" are answered by the drive's cache, not by what is durable */
	int running;           /* the slot whose devices nobody may write */
	const char *violation; /* what must never happen, and did */
	struct sim_log *log;   /* null: not recorded */
	struct sim_folder folder[SIM_DIRS];
	unsigned long accesses; /* reads too */
	unsigned long fault_at; /* the access that fails */
	enum sim_fault_kind fault;
	bool gone;
	bool fault_struck;
	uint64_t slot_bytes_written, state_bytes_written;
};

/* `media` is set to zero by the caller. */
void sim_media_open(struct sim_media *media, const struct sim_image *image);
void sim_media_close(struct sim_media *media);
/* Any device; `size` bytes of it can be read and written. */
struct dcd_blockdev *sim_media_open_dev(struct sim_media *media, int index, const char *name, size_t size, bool writable);
/* As struct dcd_slot_port's open; the context is the media. */
int sim_media_open_slot(void *context, int slot, const char *class_name, bool writable, struct dcd_blockdev **ret,
			struct dcd_diag *diag);

#endif
