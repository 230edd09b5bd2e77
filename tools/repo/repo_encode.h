/* The payloads of one image of a new release: the full one and a delta against every base. */
#ifndef DCD_TOOLS_REPO_ENCODE_H
#define DCD_TOOLS_REPO_ENCODE_H

#include "manifest/release/release.h"
#include "tools/repo/repo_bases.h"
#include "tools/repo/repo_cache.h"
#include "tools/repo/repo_options.h"
#include "tools/repo/repo_publish.h"
#include "tools/repo/repo_view.h"

struct repo_delta_report {
	const char *base_version; /* belongs to the view */
	enum repo_delta_fate fate;
	uint64_t length; /* bytes; 0 when it was not made */
};

struct repo_encoded_image {
	struct dcd_release_image image;       /* payloads: the full one first */
	struct dcd_release_payload *payloads; /* owned */
	struct repo_delta_report *reports;    /* owned */
	size_t report_count;
};

/*
 * Makes the payloads of the image of one --image option, options->jobs deltas at a time, as far as the cache doesn't have them,
 * and adds those that the repository lacks to the publish. The same files whatever the number of jobs and threads. The view has
 * its manifests loaded.
 */
DCD_NODISCARD int repo_encode_image(const struct repo_view *view, struct repo_publish *publish, const struct repo_cache *cache,
				    const struct repo_options *options, const struct repo_image_option *image,
				    struct repo_encoded_image *ret, struct dcd_diag *diag);
void repo_encoded_image_free(struct repo_encoded_image *image);

/* Prints the payloads by base. */
void repo_encoded_image_print(const struct repo_encoded_image *image);

#endif
