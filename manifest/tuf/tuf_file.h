/* Metadata files on their way from the source, and what other metadata says of them. */
#ifndef DCD_MANIFEST_TUF_TUF_FILE_H
#define DCD_MANIFEST_TUF_TUF_FILE_H

#include "base/hash.h"
#include "manifest/tuf/tuf_state.h"

/* A file's path below the repository, for requests and messages. */
#define TUF_PATH_SIZE 1025
struct tuf_path {
	char text[TUF_PATH_SIZE];
};

/* An entry of "meta" in timestamp or snapshot metadata (§4.4, §4.5): length and hashes are optional. */
struct tuf_file_entry {
	uint64_t version;
	bool has_length;
	uint64_t length; /* bytes */
	bool has_hash;
	struct dcd_hash hash;
};

/* `name` is the entry's key, `what` the file that has it. Hashes without a SHA-256 among them are DCD_ERR_UNSUPPORTED. */
DCD_NODISCARD int tuf_file_entry_read(const struct dcd_json *entry, const char *name, const char *what,
				      struct tuf_file_entry *ret, struct dcd_diag *diag);

/* DCD_ERR_SIZE or DCD_ERR_HASH when the bytes are not the ones that the entry means. */
DCD_NODISCARD int tuf_file_entry_check(const struct tuf_file_entry *entry, const struct tuf_bytes *bytes, const char *what,
				       struct dcd_diag *diag);

/* The hash of `hashes` that we can check: DCD_ERR_UNSUPPORTED when there is none. */
DCD_NODISCARD int tuf_hash_read(const struct dcd_json *hashes, const char *name, const char *what, struct dcd_hash *ret,
				struct dcd_diag *diag);

/* "<prefix><version>.<name>", or "<prefix><name>" where `version` is 0. DCD_ERR_USAGE when it is too long. */
DCD_NODISCARD int tuf_path_make(const char *prefix, uint64_t version, const char *name, struct tuf_path *ret,
				struct dcd_diag *diag);

/* Fetches a whole file of at most `max` bytes; every error names it. */
DCD_NODISCARD int tuf_fetch(struct dcd_tuf *tuf, const char *path, uint64_t max, struct tuf_bytes *ret, struct dcd_diag *diag);

/*
 * The two steps that snapshot and targets share: fetches NAME as an entry of verified metadata names it (by version where
 * snapshots are consistent), within the smaller of `max` and the entry's length, and checks length, hash, signatures and version,
 * in this order.
 */
DCD_NODISCARD int tuf_fetch_entry(struct dcd_tuf *tuf, enum tuf_role_index role, const struct tuf_file_entry *entry, uint64_t max,
				  struct tuf_path *ret_path, struct tuf_bytes *ret_bytes, struct tuf_metadata **ret,
				  struct dcd_diag *diag);

#endif
