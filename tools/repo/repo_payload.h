/* A payload file of the repository, read the way a device reads it: nothing is decoded before its hash matched. */
#ifndef DCD_TOOLS_REPO_PAYLOAD_H
#define DCD_TOOLS_REPO_PAYLOAD_H

#include "base/reader.h"
#include "bsdiff/apply/payload.h"
#include "manifest/release/release.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_progress.h"

struct repo_payload {
	char *path;
	int fd;
	uint8_t *table; /* header and table */
	struct dcd_payload view;
};

/*
 * Opens a payload and holds it against what the manifest says: length, table hash, image id and size, segment size, base. A
 * missing file is DCD_ERR_UNLISTED. Sentences name the path.
 */
DCD_NODISCARD int repo_payload_open(const char *path, const struct dcd_release_image *image,
				    const struct dcd_release_payload *expected, struct repo_payload *ret, struct dcd_diag *diag);
/*
 * What a payload file that nobody has signed yet says of itself: base, table hash, lengths, and the image's id, size and segment
 * size. Nothing but its form is checked.
 */
DCD_NODISCARD int repo_payload_describe(const char *path, struct dcd_release_payload *ret, struct dcd_release_image *ret_image,
					struct dcd_diag *diag);
void repo_payload_close(struct repo_payload *payload);

/* Hashes every frame. */
DCD_NODISCARD int repo_payload_check_frames(const struct repo_payload *payload, struct repo_progress *progress,
					    struct dcd_diag *diag);

/*
 * Makes every segment, checks it against its hash and, unless `out` is negative, writes it to the empty file `out` (zero segments
 * become holes). `base` may be null for a full payload.
 */
DCD_NODISCARD int repo_payload_make(const struct repo_payload *payload, const struct repo_mapping *base, int out,
				    struct repo_progress *progress, struct dcd_diag *diag);

#endif
