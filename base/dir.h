/*
 * A folder of small files that must survive a power cut: the other half of the persistence seam (see base/blockdev.h). The
 * journal, the boot state of the `file` loader and the trusted TUF metadata live in one of these. The operations are those of
 * a file system without any promise of order, so that a simulated one can reorder or tear each of them; dcd_dir_replace() is
 * the one way that device code uses to store a file.
 */
#ifndef DCD_BASE_DIR_H
#define DCD_BASE_DIR_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

#define DCD_DIR_NAME_MAX 128

struct dcd_dir;

/* Names are single path components of at most DCD_DIR_NAME_MAX bytes, never "." or "..". */
struct dcd_dir_ops {
	/*
	 * Reads a whole file of at most `capacity` bytes. 0 and its length; DCD_ERR_NOT_FOUND; DCD_ERR_SIZE when it is larger;
	 * DCD_ERR_IO.
	 */
	int (*read)(struct dcd_dir *dir, const char *name, void *buf, size_t capacity, size_t *ret_len);
	/* Creates the file, or truncates it, and writes `len` bytes. Neither data nor name is durable yet. */
	int (*write)(struct dcd_dir *dir, const char *name, const void *data, size_t len);
	/* The file's data is durable after it (its name only after sync_dir). */
	int (*sync)(struct dcd_dir *dir, const char *name);
	/* Replaces `to` by `from`, atomically as seen by a running system; durable only after sync_dir. */
	int (*rename)(struct dcd_dir *dir, const char *from, const char *to);
	/* Removes a file; 0 also when there was none. Durable only after sync_dir. */
	int (*remove)(struct dcd_dir *dir, const char *name);
	/* Names created, replaced or removed before the call are durable after it. */
	int (*sync_dir)(struct dcd_dir *dir);
	void (*close)(struct dcd_dir *dir);
	/* Optional: every name in the folder, in any order. 0 or DCD_ERR_IO. */
	int (*list)(struct dcd_dir *dir, void (*each)(void *context, const char *name), void *context);
};

/* Implementations embed this as their first member. */
struct dcd_dir {
	const struct dcd_dir_ops *ops;
	const char *name; /* for messages */
};

/*
 * Stores a file so that after a cut at any point the old content or the new one is there, whole: writes NAME.new, makes its data
 * durable, renames it over NAME, makes durable there what the name leads to (FAT has it in the name's entry), and then the name.
 */
DCD_NODISCARD int dcd_dir_replace(struct dcd_dir *dir, const char *name, const void *data, size_t len, struct dcd_diag *diag);

/*
 * Reads a whole file into memory that the caller frees. A missing file is DCD_ERR_NOT_FOUND with a null *ret_data; one of more
 * than `max` bytes is DCD_ERR_SIZE.
 */
DCD_NODISCARD int dcd_dir_load(struct dcd_dir *dir, const char *name, size_t max, uint8_t **ret_data, size_t *ret_len,
			       struct dcd_diag *diag);

#endif
