/*
 * The atomic publish. Everything new is prepared and made durable in REPO.staging/new; a list of what will be added is stored;
 *then each file is renamed into REPO, what is named before what names it, metadata/timestamp.json last. That last rename is the
 *commit: whoever reads REPO sees the old repository until it and the new one after it.
 *
 *	REPO.staging/new/...       the prepared files, at their paths
 *	REPO.staging/scratch/...   rebuilt bases, payloads under way
 *	REPO.staging/publish.list  exists from the moment before the first rename
 *
 * Recovery after a kill at any instant needs nothing else: no list: nothing was added. A list, and new/metadata/timestamp.json is
 *gone: it was committed. A list, and it is still there: every listed file that is no longer in new/ is in REPO and is removed
 *again.
 */
#ifndef DCD_TOOLS_REPO_PUBLISH_H
#define DCD_TOOLS_REPO_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "tools/repo/repo_place.h"

struct repo_publish {
	const struct repo_place *place;
	char **paths; /* relative to REPO, in the order of publishing */
	size_t count;
};

/* What an interrupted run left. */
enum repo_leftover {
	REPO_LEFTOVER_NONE,
	REPO_LEFTOVER_REMOVED,   /* an unfinished publish was undone */
	REPO_LEFTOVER_COMMITTED, /* it had been finished */
};

/* Undoes or tidies what an interrupted run left. The writers' lock is held. */
DCD_NODISCARD int repo_publish_recover(const struct repo_place *place, enum repo_leftover *ret, struct dcd_diag *diag);

/* Makes an empty staging folder. */
DCD_NODISCARD int repo_publish_begin(const struct repo_place *place, struct repo_publish *ret, struct dcd_diag *diag);
/* Where a file is prepared (caller frees), and where scratch goes. */
char *repo_publish_path(const struct repo_publish *publish, const char *relative);
char *repo_publish_scratch(const struct repo_publish *publish, const char *name);
/* A prepared file, durable already, will be published after those before it. */
void repo_publish_add(struct repo_publish *publish, const char *relative);
/* Prepares a file with this content and adds it. */
DCD_NODISCARD int repo_publish_write(struct repo_publish *publish, const char *relative, const void *data, size_t len,
				     struct dcd_diag *diag);
/* Looks at what the repository will be with the client's eyes: what it would refuse is never published. */
DCD_NODISCARD int repo_publish_check(const struct repo_publish *publish, int64_t now, struct dcd_diag *diag);
/* Publishes; the last file added is metadata/timestamp.json, unless there is but one. DCD_ERR_EXISTS when something unknown is in
 * the way. */
DCD_NODISCARD int repo_publish_commit(struct repo_publish *publish, struct dcd_diag *diag);
/* Frees the list; the staging folder is repo_publish_recover()'s to remove. */
void repo_publish_free(struct repo_publish *publish);

#endif
