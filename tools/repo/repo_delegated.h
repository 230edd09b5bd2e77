/* Delegated targets roles of a repository. */
#ifndef DCD_TOOLS_REPO_DELEGATED_H
#define DCD_TOOLS_REPO_DELEGATED_H

#include "tools/repo/repo_signing.h"

/* The role's entry in a targets document's "delegations", or null. */
const struct dcd_json *repo_delegated_role(const struct dcd_json *targets, const char *name);

/* True when one of the role's "paths" matches. */
bool repo_delegated_covers(const struct dcd_json *role, const char *path);

/* Calls `each` for every delegated role that the snapshot lists, with its signed part. A non-zero return stops and is returned. */
DCD_NODISCARD int repo_delegated_each(const struct repo_view *view,
				      int (*each)(void *context, const char *name, const struct dcd_json *role_signed,
						  struct dcd_diag *diag),
				      void *context, struct dcd_diag *diag);

/* The present signed part of a delegated role, parsed anew: the caller frees the envelope. Null data when there is none yet. */
DCD_NODISCARD int repo_delegated_load(const struct repo_view *view, const char *name, struct dcd_json **ret_envelope,
				      struct dcd_diag *diag);

/*
 * Where a repository keeps the delegated role whose verified metadata the client has stored as `stored`
 * ("metadata/3.team-a.json"; the caller frees). Null for the file of a top-level role. `snapshot`: the signed part of the
 * snapshot.
 */
char *repo_delegated_path(const struct dcd_json *snapshot, const char *stored);

/*
 * Signs `document` for a delegated role by the keys that `targets` (a signed part) gives it, writes VERSION.NAME.json, and notes
 * what the next snapshot says of it.
 */
DCD_NODISCARD int repo_delegated_write(struct repo_signing *signing, struct repo_publish *publish,
				       const struct repo_options *options, const struct dcd_json *targets, const char *name,
				       const struct dcd_json *document, struct dcd_diag *diag);

#endif
