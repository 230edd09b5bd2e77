/* A TUF client's inside, and the steps of a refresh: one function a step, one file a role (TUF 1.0.34 §5.3 to §5.6). */
#ifndef DCD_MANIFEST_TUF_TUF_STATE_H
#define DCD_MANIFEST_TUF_TUF_STATE_H

#include "manifest/tuf/tuf.h"
#include "manifest/tuf/tuf_metadata.h"
#include "manifest/tuf/tuf_role.h"

enum tuf_role_index {
	TUF_ROLE_ROOT,
	TUF_ROLE_TIMESTAMP,
	TUF_ROLE_SNAPSHOT,
	TUF_ROLE_TARGETS,
	TUF_ROLE_COUNT,
};

struct tuf_root {
	struct tuf_metadata *metadata;
	bool consistent_snapshot;
	struct tuf_role roles[TUF_ROLE_COUNT];
};

struct dcd_tuf {
	struct dcd_tuf_options options;
	/* Each is null until its step has verified it. */
	struct tuf_root *root;
	struct tuf_metadata *timestamp;
	struct tuf_metadata *snapshot;
	struct tuf_metadata *targets;
	struct tuf_delegated *delegated; /* every delegated role verified since the refresh */
	int64_t start_time;              /* the options' one, or the floor above it */
	char stale[256];
	char damaged[64]; /* names of stored files that didn't verify */
};

/* ---- tuf_root.c ---- */

/* §5.2, §5.3 up to §5.3.9: the newest root that can be reached from the factory's. Its expiry is looked at after this. */
DCD_NODISCARD int tuf_root_update(struct dcd_tuf *tuf, struct dcd_diag *diag);
/* The part of it that needs no source: the newest root in the store, or the factory's. */
DCD_NODISCARD int tuf_root_stored(struct dcd_tuf *tuf, struct dcd_diag *diag);
void tuf_root_free(struct tuf_root *root);

/* ---- tuf_timestamp.c, tuf_snapshot.c, tuf_targets.c: §5.4, §5.5, §5.6; each needs the steps before it ---- */

DCD_NODISCARD int tuf_timestamp_update(struct dcd_tuf *tuf, struct dcd_diag *diag);
DCD_NODISCARD int tuf_snapshot_update(struct dcd_tuf *tuf, struct dcd_diag *diag);
DCD_NODISCARD int tuf_targets_update(struct dcd_tuf *tuf, struct dcd_diag *diag);

/* Between root and its expiry: raises the start time to the signing time of the stored timestamp, as the newest root's keys sign.
 */
DCD_NODISCARD int tuf_clock_floor(struct dcd_tuf *tuf, struct dcd_diag *diag);

/* ---- tuf_delegated.c ---- */

void tuf_delegated_free(struct dcd_tuf *tuf);

/* The freeze check of each step, against the one start time; under DCD_EXPIRY_REPORT it notes and passes. */
DCD_NODISCARD int tuf_check_expiry(struct dcd_tuf *tuf, const char *role, const struct tuf_metadata *metadata, const char *what,
				   struct dcd_diag *diag);

const char *tuf_role_name(enum tuf_role_index role);

#endif
