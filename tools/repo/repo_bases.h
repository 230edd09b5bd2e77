/* Which earlier images a new one gets deltas from. */
#ifndef DCD_TOOLS_REPO_BASES_H
#define DCD_TOOLS_REPO_BASES_H

#include "tools/repo/repo_payload.h"
#include "tools/repo/repo_view.h"

/* What became of a delta. */
enum repo_delta_fate {
	REPO_DELTA_KEPT,
	REPO_DELTA_NOT_WORTH_IT, /* not below 90 % of the full payload */
	REPO_DELTA_SEGMENT_SIZE, /* the base was cut into segments of another size, so devices know it under another image id */
	REPO_DELTA_NO_BASE,      /* the base's full payload isn't in the repository any more */
	REPO_DELTA_TOO_MANY,     /* DCD_RELEASE_PAYLOADS_MAX reached */
};

struct repo_base {
	const struct dcd_release_image *image; /* the view's, and so is the version */
	const char *version;
	enum repo_delta_fate fate; /* REPO_DELTA_KEPT: can be made */
};

/*
 * The images of that class in the newest `count` releases of the view, whose manifests are loaded, each image once, newest first.
 * An array that the caller frees.
 */
struct repo_base *repo_bases_list(const struct repo_view *view, const char *repo, const char *class_name, uint64_t count,
				  uint32_t segment_size, size_t *ret_count);

/* Opens the base's full payload. */
DCD_NODISCARD int repo_base_open(const char *repo, const struct dcd_release_image *base, struct repo_payload *ret,
				 struct dcd_diag *diag);

/* A delta that saves less than a tenth isn't worth its file, its place in every manifest and the device's base reads. */
static inline bool repo_delta_is_worth_it(uint64_t length, uint64_t full_length)
{
	return length < full_length - full_length / 10;
}

#endif
