/*
 * With which parameters a block was packed: found by packing it. The outcome doesn't depend on the number of threads.
 */
#ifndef DCD_BSDIFF_DIFF_PACK_TRIAL_H
#define DCD_BSDIFF_DIFF_PACK_TRIAL_H

#include "bsdiff/diff/packed_blocks.h"

/* The longest content of a block that a device can have memory for, beside a block of the base of that length. */
uint32_t dcd_pack_trial_length_max(const struct dcd_encode_options *options);

/*
 * Sets `params` of those blocks for which wanted[i] is true and which can be packed to the same bytes in a device's memory. A
 * sample of the blocks is tried with everything; the others with what the sample taught.
 */
DCD_NODISCARD int dcd_pack_trial_run(const struct dcd_bytes *image, struct dcd_packed_blocks *blocks, const bool *wanted,
				     const struct dcd_encode_options *options);

#endif
