/*
 * A TUF client (https://theupdateframework.github.io/specification/ , 1.0.34, section 5): from a trusted root to verified
 * targets, over any source. One `struct dcd_tuf` lives for one refresh and the target look-ups after it.
 *
 * Trusted metadata is kept in `store` (N.root.json for every root since the factory's, timestamp.json, snapshot.json,
 * targets.json, and delegated roles under their percent-encoded names); each is replaced only by something that was verified, and
 * a local file that doesn't verify counts as absent. A stored root is used only where it follows from the factory's root, one
 * verified version at a time.
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
#define DCD_TUF_DELEGATED_MAX 32U   /* delegated roles visited in one search */

struct dcd_tuf_options {
	struct dcd_source *source;
	struct dcd_dir *store;
	const char *metadata_prefix; /* "metadata/" where the source is a Decade repository */
	const char *targets_prefix;  /* "targets/" */
	/* The root that the device was made with; used where the store has none that verifies from it. */
	const uint8_t *factory_root;
	size_t factory_root_len;
	/*
	 * Seconds since 1970, by the clock as far as it is believed. Expiry is checked against this one time, or the signing time
	 * of the newest timestamp in the store where that is later: a clock that stands at 1970 makes nothing fresh again.
	 */
	int64_t start_time;
	enum dcd_expiry expiry;
};

struct dcd_tuf; /* opaque */

/* A target that verified metadata lists. Strings belong to the `struct dcd_tuf`. */
struct dcd_tuf_target {
	const char *path;
	uint64_t length; /* bytes */
	bool has_sha256; /* or has_sha512, or both: each that is there is checked */
	struct dcd_hash sha256;
	bool has_sha512;
	uint8_t sha512[64];
	const struct dcd_json *custom; /* may be null */
};

/* Copies the options' pointers; what they point to outlives the client. */
DCD_NODISCARD int dcd_tuf_new(const struct dcd_tuf_options *options, struct dcd_tuf **ret, struct dcd_diag *diag);
void dcd_tuf_free(struct dcd_tuf *tuf);

/* Section 5.3 to 5.6. On failure nothing that was not verified has been stored. */
DCD_NODISCARD int dcd_tuf_refresh(struct dcd_tuf *tuf, struct dcd_diag *diag);

/* After a refresh: what had expired under DCD_EXPIRY_REPORT ("timestamp expired 2031-01-01T00:00:00Z"), or null. */
const char *dcd_tuf_stale(const struct dcd_tuf *tuf);

/*
 * After a refresh: which stored files did not verify and counted as absent ("timestamp.json"), or null. What they had protected
 * from rolling back is then held by the others: a stored snapshot holds its own version and those that it names, stored targets
 * theirs.
 */
const char *dcd_tuf_damaged(const struct dcd_tuf *tuf);

/* After a refresh: metadata versions, for reports. */
struct dcd_tuf_versions {
	uint64_t root, timestamp, snapshot, targets;
};
void dcd_tuf_versions(const struct dcd_tuf *tuf, struct dcd_tuf_versions *ret);

/*
 * The time at which the timestamp says it was signed ("x-decade-signed", a member of ours): seconds since 1970, or 0 where it
 * doesn't say. Never later than the timestamp's own expiry.
 */
int64_t dcd_tuf_signing_time(const struct dcd_tuf *tuf);

/*
 * After a refresh: loads and verifies every delegated role that may list targets below `folder` ("releases/"; "" for all), so
 * that dcd_tuf_each_target() sees theirs too. Fetches only what the store doesn't have. One role that fails fails the whole: a
 * withheld file must not look like no release. DCD_ERR_SIZE when there are more than DCD_TUF_DELEGATED_MAX.
 */
DCD_NODISCARD int dcd_tuf_load_delegations(struct dcd_tuf *tuf, const char *folder, struct dcd_diag *diag);

/*
 * Calls `each` for every target that has a SHA-256, of the top-level role and of the delegated roles that
 * dcd_tuf_load_delegations() loaded, in no order; a non-zero return stops and is returned. A delegated target is given only where
 * a look-up of its path ends at that very role: patterns, order and termination count here as in dcd_tuf_find_target().
 */
DCD_NODISCARD int dcd_tuf_each_target(const struct dcd_tuf *tuf, int (*each)(void *context, const struct dcd_tuf_target *target),
				      void *context);

/*
 * Section 5.6.7: the target of that path, found in pre-order through at most DCD_TUF_DELEGATED_MAX delegated roles, each verified
 * by the keys of the very role that delegates to it here; or DCD_ERR_UNLISTED, also when the search was given up.
 */
DCD_NODISCARD int dcd_tuf_find_target(struct dcd_tuf *tuf, const char *path, struct dcd_tuf_target *ret, struct dcd_diag *diag);

/*
 * Section 5.7.3: what the source calls that target's file ("targets/releases/<sha256>.1.0.json" with consistent snapshots). `ret`
 * has room for DCD_TUF_PATH_SIZE. DCD_ERR_MALFORMED for a path that no source has, DCD_ERR_USAGE without verified metadata.
 */
#define DCD_TUF_PATH_SIZE 1025
DCD_NODISCARD int dcd_tuf_target_path(const struct dcd_tuf *tuf, const struct dcd_tuf_target *target, char *ret,
				      struct dcd_diag *diag);

/* Section 5.7: fetches a small target into memory that the caller frees, checked by length and hashes. */
DCD_NODISCARD int dcd_tuf_load_target(struct dcd_tuf *tuf, const struct dcd_tuf_target *target, uint64_t max, uint8_t **ret_data,
				      size_t *ret_len, struct dcd_diag *diag);

/*
 * Gives every URL of the signed mirror list that the stored metadata has (docs/format-repository.md): http and https alone, at
 * most DCD_TUF_MIRRORS_MAX of at most DCD_TUF_MIRROR_URL_MAX bytes, in the list's order; others are left out. A non-zero return
 * of `each` stops and is returned. Nothing is fetched (`options->source` may be null), and expiry isn't looked at: a list that is
 * out of date leads nowhere, or to what is verified anyway. Signatures are: no list is believed that the targets role didn't
 * sign.
 */
#define DCD_TUF_MIRRORS_MAX 8U
#define DCD_TUF_MIRROR_URL_MAX 512U
DCD_NODISCARD int dcd_tuf_stored_mirrors(const struct dcd_tuf_options *options, int (*each)(void *context, const char *url),
					 void *context, struct dcd_diag *diag);

#endif
