/* Metadata files on their way from the source, and what other metadata says of them. */
#ifndef DCD_MANIFEST_TUF_TUF_FILE_H
#define DCD_MANIFEST_TUF_TUF_FILE_H

#include "base/hash.h"
#include "manifest/crypto/sha512.h"
#include "manifest/tuf/tuf_state.h"

/* A file's path below the repository, for requests and messages. */
#define TUF_PATH_SIZE 1025
struct tuf_path {
	char text[TUF_PATH_SIZE];
};

/* The hashes that we can check; others that may be listed beside them are ignored. */
struct tuf_hashes {
	bool has_sha256;
	struct dcd_hash sha256;
	bool has_sha512;
	uint8_t sha512[DCD_SHA512_SIZE];
};

/* An entry of "meta" in timestamp or snapshot metadata (§4.4, §4.5): length and hashes are optional. */
struct tuf_file_entry {
	uint64_t version;
	bool has_length;
	uint64_t length;          /* bytes */
	struct tuf_hashes hashes; /* both absent where the entry has none */
};

/* `name` is the entry's key, `what` the file that has it. Hashes without one that we know are DCD_ERR_UNSUPPORTED. */
DCD_NODISCARD int tuf_file_entry_read(const struct dcd_json *entry, const char *name, const char *what,
				      struct tuf_file_entry *ret, struct dcd_diag *diag);

/* DCD_ERR_SIZE or DCD_ERR_HASH when the bytes are not the ones that the entry means. */
DCD_NODISCARD int tuf_file_entry_check(const struct tuf_file_entry *entry, const struct tuf_bytes *bytes, const char *what,
				       struct dcd_diag *diag);

/* The hashes of `hashes` that we can check: DCD_ERR_UNSUPPORTED when there is none. */
DCD_NODISCARD int tuf_hashes_read(const struct dcd_json *hashes, const char *name, const char *what, struct tuf_hashes *ret,
				  struct dcd_diag *diag);

/* "<prefix><version>.<name>", or "<prefix><name>" where `version` is 0. DCD_ERR_USAGE when it is too long. */
DCD_NODISCARD int tuf_path_make(const char *prefix, uint64_t version, const char *name, struct tuf_path *ret,
				struct dcd_diag *diag);

/* Fetches a whole file of at most `max` bytes; every error names it. */
DCD_NODISCARD int tuf_fetch(struct dcd_tuf *tuf, const char *path, uint64_t max, struct tuf_bytes *ret, struct dcd_diag *diag);

/* A file of a role: how it is called, what it must be, and whose signatures it needs. */
struct tuf_signed_file {
	const char *name; /* "targets.json", as a request has it; '/' inside a role's name is DCD_SOURCE_SLASH */
	const char *type;
	const struct tuf_role *role;
};

/* The file of a top-level role, by the trusted root. */
struct tuf_signed_file tuf_top_level_file(const struct dcd_tuf *tuf, enum tuf_role_index role);

/*
 * The two steps that snapshot, targets and delegated targets share: fetches a file as an entry of verified metadata names it (by
 * version where snapshots are consistent), within the smaller of `max` and the entry's length, and checks length, hashes,
 * signatures and version, in this order.
 */
DCD_NODISCARD int tuf_fetch_entry(struct dcd_tuf *tuf, const struct tuf_signed_file *file, const struct tuf_file_entry *entry,
				  uint64_t max, struct tuf_path *ret_path, struct tuf_bytes *ret_bytes, struct tuf_metadata **ret,
				  struct dcd_diag *diag);

/* Parses a file and checks that its role signed it. */
DCD_NODISCARD int tuf_accept(const struct tuf_signed_file *file, const struct tuf_bytes *bytes, const char *what,
			     struct tuf_metadata **ret, struct dcd_diag *diag);

#endif
