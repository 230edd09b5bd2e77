/*
 * A TUF client (https://theupdateframework.github.io/specification/ , 1.0.34, section 5): from a trusted root to verified
 * targets, over any source. One `struct dcd_tuf` lives for one refresh and the target look-ups after it.
 *
 * Trusted metadata is kept in `store` (N.root.json for every root since the factory's, timestamp.json, snapshot.json,
 * targets.json); each is replaced only by something that was verified, and a local file that doesn't verify counts as absent. A
 * stored root is used only where it follows from the factory's root, one verified version at a time.
 */
#ifndef DCD_MANIFEST_TUF_TUF_H
#define DCD_MANIFEST_TUF_TUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dir.h"
#include "base/hash.h"
#include "base/source.h"
#include "manifest/json/json.h"

/* DESIGN: expiry is a policy. */
enum dcd_expiry {
	DCD_EXPIRY_ENFORCE, /* expired timestamp, snapshot, targets or final root: refused */
	DCD_EXPIRY_REPORT,  /* accepted; dcd_tuf_stale() then says what had expired */
};

/* Fixed upper bounds, applied before a byte is read. A length in signed metadata can lower them, never raise them. */
#define DCD_TUF_ROOT_MAX (512U << 10)
#define DCD_TUF_TIMESTAMP_MAX (16U << 10)
#define DCD_TUF_SNAPSHOT_MAX (2U << 20)
#define DCD_TUF_TARGETS_MAX (5U << 20)
#define DCD_TUF_ROTATIONS_MAX 1024U /* root versions walked in one refresh */

struct dcd_tuf_options {
	struct dcd_source *source;
	struct dcd_dir *store;
	const char *metadata_prefix; /* "metadata/" where the source is a Decade repository */
	const char *targets_prefix;  /* "targets/" */
	/* The root that the device was made with; used where the store has none that verifies from it. */
	const uint8_t *factory_root;
	size_t factory_root_len;
	int64_t start_time; /* seconds since 1970: the one time that expiry is checked against */
	enum dcd_expiry expiry;
};

struct dcd_tuf; /* opaque */

/* A target that verified metadata lists. Strings belong to the `struct dcd_tuf`. */
struct dcd_tuf_target {
	const char *path;
	uint64_t length; /* bytes */
	struct dcd_hash sha256;
	const struct dcd_json *custom; /* may be null */
};

/* Copies the options' pointers; what they point to outlives the client. */
DCD_NODISCARD int dcd_tuf_new(const struct dcd_tuf_options *options, struct dcd_tuf **ret, struct dcd_diag *diag);
void dcd_tuf_free(struct dcd_tuf *tuf);

/* Section 5.3 to 5.6. On failure nothing that was not verified has been stored. */
DCD_NODISCARD int dcd_tuf_refresh(struct dcd_tuf *tuf, struct dcd_diag *diag);

/* After a refresh: what had expired under DCD_EXPIRY_REPORT ("timestamp expired 2031-01-01T00:00:00Z"), or null. */
const char *dcd_tuf_stale(const struct dcd_tuf *tuf);

/* After a refresh: metadata versions, for reports. */
struct dcd_tuf_versions {
	uint64_t root, timestamp, snapshot, targets;
};
void dcd_tuf_versions(const struct dcd_tuf *tuf, struct dcd_tuf_versions *ret);

/* Calls `each` for every target of the top-level targets role, in no order; a non-zero return stops and is returned. */
DCD_NODISCARD int dcd_tuf_each_target(const struct dcd_tuf *tuf, int (*each)(void *context, const struct dcd_tuf_target *target),
				      void *context);

/* Section 5.6.7: the target of that path, or DCD_ERR_UNLISTED. */
DCD_NODISCARD int dcd_tuf_find_target(struct dcd_tuf *tuf, const char *path, struct dcd_tuf_target *ret, struct dcd_diag *diag);

/*
 * Section 5.7.3: what the source calls that target's file ("targets/releases/<sha256>.1.0.json" with consistent snapshots). `ret` has room for
 * DCD_TUF_PATH_SIZE. DCD_ERR_MALFORMED for a path that no source has, DCD_ERR_USAGE without verified metadata.
 */
#define DCD_TUF_PATH_SIZE 1025
DCD_NODISCARD int dcd_tuf_target_path(const struct dcd_tuf *tuf, const struct dcd_tuf_target *target, char *ret, struct dcd_diag *diag);

/* Section 5.7: fetches a small target into memory that the caller frees, checked by length and hash. */
DCD_NODISCARD int dcd_tuf_load_target(struct dcd_tuf *tuf, const struct dcd_tuf_target *target, uint64_t max, uint8_t **ret_data,
				      size_t *ret_len, struct dcd_diag *diag);

#endif
