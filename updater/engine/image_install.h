/*
 * Making one image in one slot, segment by segment: scan what is there, fetch what is missing, decode, write, read back. All of
 * DESIGN section 1 happens here; the same code installs, resumes and repairs.
 */
#ifndef DCD_UPDATER_ENGINE_IMAGE_INSTALL_H
#define DCD_UPDATER_ENGINE_IMAGE_INSTALL_H

#include <stdbool.h>

#include "base/blockdev.h"
#include "bsdiff/apply/frame.h"
#include "manifest/release/release.h"
#include "updater/engine/frame_stream.h"
#include "updater/engine/payload_table.h"
#include "updater/engine/progress.h"
#include "updater/engine/segment_writer.h"

struct dcd_install_stats {
	uint64_t bytes_full;    /* what full payloads would have taken, all images */
	uint64_t bytes_planned; /* what the chosen payloads take for the segments that are not right yet, tables included */
	uint64_t bytes_payload; /* frame and table bytes received so far */
	uint64_t bytes_written; /* to the slot */
	uint64_t segments;
	uint64_t already_right;           /* skipped: no download, no write */
	uint64_t zero, same, delta, full; /* how the others were made; one copied from another class counts as same */
	uint64_t refetched;               /* fetched as a full frame: a delta or same frame came out wrong, or was too new */
	uint64_t rewritten;               /* written again because the medium did not keep them */
};

/* What an image is made with; everything is the caller's. */
struct dcd_image_ports {
	struct dcd_source *source;
	const char *targets_prefix;
	struct dcd_frame_stream *stream;
	dcd_segment_writer_factory *new_writer;
	const struct dcd_hash_alg *alg;
	const struct dcd_decoder *zstd;
	const struct dcd_packer *packer; /* or null: no payload with repacked frames is used */
	uint64_t pack_memory_max;        /* bytes that such a payload may need for packing */
	const struct dcd_progress_port *progress;
};

struct dcd_image_job {
	const struct dcd_image_ports *ports;
	const struct dcd_release_image *image;
	struct dcd_blockdev *target;
	struct dcd_blockdev *base;      /* the running slot's device, or null */
	const struct dcd_hash *base_id; /* the image that the base is known to be, or null */
	/*
	 * A job that is opened and run before this one and makes the same image for another class, or null. What it has written
	 * and read back is copied: nothing is fetched twice, and a stream has each frame once.
	 */
	struct dcd_image_job *twin;
	struct dcd_install_stats *stats;
	struct dcd_progress *shared; /* sums over all images of the release */
	/* The rest is the job's own. */
	struct dcd_payload_table primary;
	struct dcd_payload_table fallback; /* the full payload, loaded when it is needed */
	uint8_t *status;                   /* one a segment */
	uint64_t todo;                     /* segments that the scan did not find right */
};

/* Fetches and checks the table of the best payload (against the base, else full), or takes the twin's. Nothing is written. */
DCD_NODISCARD int dcd_image_job_open(struct dcd_image_job *job, struct dcd_diag *diag);

/*
 * DCD_ERR_NOT_FOUND when the source has no payload of the image for a device that runs `base_id` (null: not known): neither the
 * delta from that nor the full one. A bundle holds what it was made for.
 */
DCD_NODISCARD int dcd_image_check_offered(const struct dcd_source *source, const char *targets_prefix,
					  const struct dcd_release_image *image, const struct dcd_hash *base_id,
					  struct dcd_diag *diag);

/* Reads the target from the medium and notes which segments are right already. Nothing is written. */
DCD_NODISCARD int dcd_image_job_scan(struct dcd_image_job *job, struct dcd_diag *diag);

/*
 * Makes every segment that isn't right. On 0 all of the image has been read back from the medium. A segment whose delta came out
 * wrong, or that the medium did not keep, is made again from a full frame, DCD_ROUNDS_MAX times at most (then DCD_ERR_READ_BACK).
 */
DCD_NODISCARD int dcd_image_job_run(struct dcd_image_job *job, struct dcd_diag *diag);

void dcd_image_job_close(struct dcd_image_job *job);

#define DCD_ROUNDS_MAX 3

#endif
