/* One segment into the smallest frame that makes it. One encoder a thread. */
#ifndef DCD_BSDIFF_DIFF_SEGMENT_ENCODER_H
#define DCD_BSDIFF_DIFF_SEGMENT_ENCODER_H

#include "base/hash.h"
#include "bsdiff/diff/byte_buffer.h"
#include "bsdiff/diff/effort.h"
#include "bsdiff/diff/flat_images.h"
#include "bsdiff/diff/ref_model.h"
#include "bsdiff/diff/seed_finder.h"

struct dcd_segment_encoder;

/* A segment's outcome; the frame's memory is used again. Zero-initialised is empty. */
struct dcd_encoded_segment {
	enum dcd_frame_kind kind;
	enum dcd_filter filter;       /* bits */
	struct dcd_byte_buffer frame; /* empty for kinds without data */
	uint32_t scratch;             /* decoded stream bytes that the frame needs beside its output */
	uint32_t pack_memory;         /* what it needs for DCD_FILTER_REPACKED, else 0 */
};

DCD_NODISCARD int dcd_segment_encoder_new(const struct dcd_effort *effort, struct dcd_segment_encoder **ret);
void dcd_segment_encoder_free(struct dcd_segment_encoder *encoder);

/* What a segment is encoded with. All of it is the caller's and read only. */
struct dcd_segment_sources {
	const struct dcd_seed_finder *finder; /* null: a full frame */
	const struct dcd_ref_context *references;
	const struct dcd_flat_images *flat; /* null: no compressed blocks are laid open */
	const struct dcd_flat_segment *flat_segment;
	const struct dcd_bytes *full;   /* the full frame, where it is known already, or null */
	const struct dcd_segment *view; /* what the finder sees: belongs to its base; the (flat) segment itself as a rule */
};

/* Delta against what the finder finds, its references predicted where that pays, or full when that is no larger. */
DCD_NODISCARD int dcd_segment_encoder_encode(struct dcd_segment_encoder *encoder, const struct dcd_segment_sources *sources,
					     const struct dcd_segment *segment, struct dcd_encoded_segment *ret);

/* Matches as for encoding and notes where references lead (bsdiff/diff/ref_model.h). */
DCD_NODISCARD int dcd_segment_encoder_survey(struct dcd_segment_encoder *encoder, const struct dcd_seed_finder *finder,
					     const struct dcd_ref_context *context, const struct dcd_segment *segment,
					     const struct dcd_segment *view, struct dcd_ref_samples *samples);

#endif
