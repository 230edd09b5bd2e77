/* One delta: the base rebuilt from its full payload, the delta made or found in the cache, and the image made from it again. */
#ifndef DCD_TOOLS_REPO_DELTA_H
#define DCD_TOOLS_REPO_DELTA_H

#include "manifest/release/release.h"
#include "tools/repo/repo_cache.h"
#include "tools/repo/repo_job.h"
#include "tools/repo/repo_payload.h"

/* A new image, ready to have deltas made to it: what all of them share. */
struct repo_delta_target {
	struct dcd_release_image image; /* id, size, segment size */
	struct repo_mapping bytes;
	struct repo_mapping full; /* its full payload, which was verified */
	struct repo_recipe recipe;
	int threads;         /* for one delta; 0: one a core */
	const char *scratch; /* folder for a rebuilt base; it has no name there */
	const struct repo_cache *cache;
};

/* Encodes the full payload of target->bytes, or takes it from the cache, and makes the image from it; sets image and full. */
DCD_NODISCARD int repo_delta_full(struct repo_delta_target *target, uint32_t segment_size, const char *what,
				  struct dcd_release_payload *ret, struct dcd_diag *diag);

/*
 * The delta from the image of `base`, a full payload that was opened, into the cache. Whoever made it: it is taken only when
 * every segment made from it and this base has the hash that the image id stands for; what fails is made again. `step` is called
 * with the bytes of the image that are done, from the thread that calls.
 */
struct repo_delta_step {
	void (*done)(void *context, uint64_t bytes);
	void *context;
};
DCD_NODISCARD int repo_delta_make(const struct repo_delta_target *target, const struct repo_payload *base,
				  const struct repo_delta_step *step, struct dcd_release_payload *ret, struct dcd_diag *diag);

/* Rebuilds the image of a full payload into a file without a name in `folder`, and maps it. */
DCD_NODISCARD int repo_delta_rebuild(const struct repo_payload *full, const char *folder, struct repo_mapping *ret,
				     struct dcd_diag *diag);

#endif
