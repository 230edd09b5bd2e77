/*
 * Reading a payload's header and table (bsdiff/format.h). Freestanding: no allocation, caller-owned bytes, bare error codes.
 *
 * What is not checked here: authenticity. The caller has compared SHA-256(header || table) with the signed manifest first.
 */
#ifndef DCD_BSDIFF_APPLY_PAYLOAD_H
#define DCD_BSDIFF_APPLY_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "bsdiff/format.h"

/* A view on header and table in the caller's memory, which outlives it. Made only by dcd_payload_open(). */
struct dcd_payload {
	const uint8_t *table;
	uint32_t segment_size; /* bytes */
	uint32_t segment_count;
	uint64_t image_size;    /* bytes */
	uint64_t base_size;     /* bytes; 0: full payload */
	uint64_t frames_length; /* bytes */
	uint32_t max_frame;     /* bytes */
	uint32_t max_scratch;   /* bytes */
	uint32_t features;      /* bits DCD_FEATURE_PACK() of the methods that its repacked frames use, DCD_FEATURE_SPLIT */
	uint32_t pack_memory;   /* bytes; what they need beside max_frame and max_scratch */
	uint32_t pack_mark;     /* what dcd_packer.mark(features) was on the host */
	struct dcd_hash image_id;
	struct dcd_hash base_id; /* zero: full payload */
};

/* One segment and the frame that makes it. */
struct dcd_payload_entry {
	enum dcd_frame_kind kind;
	enum dcd_filter filter;  /* bits */
	uint32_t frame_length;   /* bytes; 0 for kinds without data */
	uint32_t segment_length; /* bytes; only the last one may be short */
	uint64_t segment_offset; /* in the image, bytes */
	struct dcd_hash segment_hash;
	struct dcd_hash frame_hash;
};

/* How many bytes header and table take, from the header alone (DCD_FORMAT_HEADER_SIZE bytes at least). */
DCD_NODISCARD int dcd_payload_table_length(const uint8_t *header, size_t len, uint64_t *ret_len);

/*
 * Checks everything that header and table say against the format's bounds and against each other (counts, sums, maxima, kinds,
 * zero fields; that the segment hashes give the image id) and makes the view. `len` must be exactly header and table. 0,
 * DCD_ERR_MALFORMED, DCD_ERR_UNSUPPORTED or DCD_ERR_HASH (image id).
 */
DCD_NODISCARD int dcd_payload_open(const uint8_t *data, size_t len, const struct dcd_hash_alg *alg, struct dcd_payload *ret);

/* Entry `index` < segment_count. */
void dcd_payload_entry(const struct dcd_payload *payload, uint32_t index, struct dcd_payload_entry *ret);

/* Length of header and table, where the first frame begins. */
static inline uint64_t dcd_payload_frames_offset(const struct dcd_payload *payload)
{
	return DCD_FORMAT_HEADER_SIZE + (uint64_t)payload->segment_count * DCD_FORMAT_ENTRY_SIZE;
}

#endif
