/* What a repository says, read with the device's own client code: nothing in here was not verified. */
#ifndef DCD_TOOLS_REPO_VIEW_H
#define DCD_TOOLS_REPO_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "manifest/json/json.h"
#include "manifest/release/release.h"
#include "manifest/tuf/tuf.h"
#include "tools/repo/repo_place.h"
#include "tools/repo/repo_source.h"
#include "tools/repo/repo_store.h"

enum repo_role { REPO_ROOT, REPO_TARGETS, REPO_SNAPSHOT, REPO_TIMESTAMP, REPO_ROLES };
/* "root", … */
const char *repo_role_name(enum repo_role role);

struct repo_view_release {
	struct dcd_tuf_target target;
	struct dcd_release_summary summary;
	struct dcd_release *release; /* null until repo_view_load_releases() */
};

struct repo_view {
	char *anchor; /* the root that trust starts from; the client keeps a pointer to it */
	struct repo_source source;
	struct repo_store store;
	struct dcd_tuf *tuf;
	struct dcd_json *documents[REPO_ROLES]; /* whole envelopes */
	const char *product;
	size_t release_count;
	struct repo_view_release *releases; /* newest first */
};

/*
 * Opens and verifies the metadata from `anchor` (a root metadata file; null: REPO's own 1.root.json) on, expiry reported only.
 * `over`: prepared files laid over REPO, or null. Sentences name files relative to REPO; a missing one is DCD_ERR_UNLISTED (the
 * repository is not whole).
 */
DCD_NODISCARD int repo_view_open(const struct repo_place *place, const char *over, const char *anchor, int64_t now,
				 struct repo_view **ret, struct dcd_diag *diag);
void repo_view_close(struct repo_view *view);
/* For DCD_CLEANUP. */
void repo_view_closep(struct repo_view **view);

/* Loads the manifests of all releases. */
DCD_NODISCARD int repo_view_load_releases(struct repo_view *view, struct dcd_diag *diag);

/* The signed part of a role's metadata. */
const struct dcd_json *repo_view_signed(const struct repo_view *view, enum repo_role role);
uint64_t repo_view_version(const struct repo_view *view, enum repo_role role);
/* "2031-01-01T00:00:00Z" */
const char *repo_view_expires(const struct repo_view *view, enum repo_role role);

const struct repo_view_release *repo_view_find(const struct repo_view *view, const char *version);

/* What a consistent-snapshot repository calls the target's file: "targets/releases/<sha256>.1.0.json". Caller frees. */
char *repo_view_target_file(const struct dcd_tuf_target *target);

/* A missing file is not an unreachable source here: the repository is damaged. */
int repo_view_missing(int err, struct dcd_diag *diag);

#endif
