/* Files of the host: whole, durable, and with sentences that name them. */
#ifndef DCD_TOOLS_REPO_FILE_H
#define DCD_TOOLS_REPO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/hash.h"

/* The error of an errno for a file: no space, I/O, or the host's refusal; with a sentence. */
int repo_file_error(struct dcd_diag *diag, const char *what, const char *path);

bool repo_file_exists(const char *path);

/* Makes every missing folder of `path` (0755 less the umask). */
DCD_NODISCARD int repo_file_make_folders(const char *path, struct dcd_diag *diag);
/* The same for the folder that `path` lies in. */
DCD_NODISCARD int repo_file_make_parents(const char *path, struct dcd_diag *diag);

/* A new file with this content, its data durable. An existing one is replaced. */
DCD_NODISCARD int repo_file_write(const char *path, const void *data, size_t len, struct dcd_diag *diag);
/* Renames. Nothing of it is durable yet. */
DCD_NODISCARD int repo_file_rename(const char *from, const char *to, struct dcd_diag *diag);
/* Makes the names in a folder durable; of the folder that `path` lies in. */
DCD_NODISCARD int repo_file_sync_folder(const char *folder, struct dcd_diag *diag);
DCD_NODISCARD int repo_file_sync_parent(const char *path, struct dcd_diag *diag);
/*
 * Makes durable what a name leads to. After a rename FAT needs it again: it keeps a file's length and place in its name's entry,
 * and under the new name the file is empty until it is synced there.
 */
DCD_NODISCARD int repo_file_sync_content(const char *path, struct dcd_diag *diag);
/* The same, and then the name: for one that was renamed to `path`. */
DCD_NODISCARD int repo_file_sync_moved(const char *path, struct dcd_diag *diag);

/* Reads a file of at most `max` bytes; caller frees (NUL behind the last byte). DCD_ERR_NOT_FOUND when there is none. */
DCD_NODISCARD int repo_file_load(const char *path, size_t max, char **ret_data, size_t *ret_len, struct dcd_diag *diag);

/* Length and SHA-256 of a file. */
DCD_NODISCARD int repo_file_hash(const char *path, uint64_t *ret_len, struct dcd_hash *ret_hash, struct dcd_diag *diag);

/* Removes a folder and all below it; 0 also when there is none. */
DCD_NODISCARD int repo_file_remove_tree(const char *path, struct dcd_diag *diag);

/* A file or block device, mapped for reading. `data` is never null. */
struct repo_mapping {
	const uint8_t *data;
	uint64_t len;
	void *address; /* what to unmap, or null */
};
DCD_NODISCARD int repo_file_map(const char *path, struct repo_mapping *ret, struct dcd_diag *diag);
/* Gives back the memory of the file's bytes before `done`, however far that is; they are read again when looked at again. */
void repo_file_map_forget(const struct repo_mapping *mapping, uint64_t done);
void repo_file_unmap(struct repo_mapping *mapping);

/* For DCD_CLEANUP: closes a descriptor that is not negative. */
void repo_file_closep(int *fd);

#endif
