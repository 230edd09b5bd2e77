/* The payloads of one image of a new release: the full one and a delta against every base. */
#ifndef DCD_TOOLS_REPO_ENCODE_H
#define DCD_TOOLS_REPO_ENCODE_H

#include "manifest/release/release.h"
#include "tools/repo/repo_options.h"
#include "tools/repo/repo_publish.h"
#include "tools/repo/repo_view.h"

/* What became of a delta. */
enum repo_delta_fate {
	REPO_DELTA_KEPT,
	REPO_DELTA_NOT_WORTH_IT, /* not below 90 % of the full payload */
	REPO_DELTA_SEGMENT_SIZE, /* the base was cut into segments of another size, so devices know it under another image id */
	REPO_DELTA_NO_BASE,      /* the base's full payload isn't in the repository any more */
	REPO_DELTA_TOO_MANY,     /* DCD_RELEASE_PAYLOADS_MAX reached */
};

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

/* Encodes the image of one --image option into the staging folder and adds its new payloads to the publish. The view has its
 * manifests loaded. */
DCD_NODISCARD int repo_encode_image(const struct repo_view *view, struct repo_publish *publish,
				    const struct repo_options *options, const struct repo_image_option *image,
				    struct repo_encoded_image *ret, struct dcd_diag *diag);
void repo_encoded_image_free(struct repo_encoded_image *image);

/* Prints the payloads by base. */
void repo_encoded_image_print(const struct repo_encoded_image *image);

#endif
