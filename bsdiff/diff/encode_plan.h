/*
 * What is known of every segment before any is encoded: its leaf hash, and which of them need no frame. Costs one pass over base
 * and image.
 */
#ifndef DCD_BSDIFF_DIFF_ENCODE_PLAN_H
#define DCD_BSDIFF_DIFF_ENCODE_PLAN_H

#include <stdbool.h>

#include "bsdiff/diff/copy_list.h"
#include "bsdiff/diff/encode.h"

/* The leaves of one image. Zero-initialised is empty. */
struct dcd_image_leaves {
	struct dcd_hash *leaves;
	bool *zero; /* the segment is all zero bytes */
	uint32_t count;
	struct dcd_hash id;
};

/* Options with every default filled in; DCD_ERR_USAGE when out of bounds, or when `len` bytes are too many segments. */
DCD_NODISCARD int dcd_encode_options_check(const struct dcd_encode_options *options, uint64_t len, struct dcd_encode_options *ret,
					   struct dcd_diag *diag);

/* How many bytes a frame may need in which blocks are packed by a compressor that takes `packer` of them (checked options). */
uint64_t dcd_encode_pack_memory(const struct dcd_encode_options *options, uint64_t packer);

/* Hashes the image on all threads. The hash of a zero segment is computed once. */
DCD_NODISCARD int dcd_image_leaves_compute(const struct dcd_bytes *image, const struct dcd_encode_options *options,
					   struct dcd_image_leaves *ret);
/* The same from header and table of a full payload of the image. DCD_ERR_USAGE when it is of another one, as far as one can see.
 */
DCD_NODISCARD int dcd_image_leaves_read(const struct dcd_bytes *table, const struct dcd_bytes *image,
					const struct dcd_encode_options *options, struct dcd_image_leaves *ret);
void dcd_image_leaves_free(struct dcd_image_leaves *leaves);

/* Segment `index` of the image. */
struct dcd_segment dcd_segment_at(const struct dcd_bytes *image, uint32_t segment_size, uint64_t index);

#endif
