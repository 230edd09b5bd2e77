/*
 * The matcher: exact matches (seeds) between a segment and the base. Two replaceable halves: blocks over the whole base first,
 * then a suffix array over what they left.
 */
#ifndef DCD_BSDIFF_DIFF_SEED_FINDER_H
#define DCD_BSDIFF_DIFF_SEED_FINDER_H

#include "bsdiff/diff/block_index.h"
#include "bsdiff/diff/copy_list.h"
#include "bsdiff/diff/suffix_index.h"

struct dcd_seed_finder {
	struct dcd_bytes base;
	const struct dcd_block_index *blocks;    /* may be null */
	const struct dcd_suffix_index *suffixes; /* may be null */
	const struct dcd_copy_list *anchors; /* what dcd_seed_finder_blocks() gives for each segment, where it was asked before
						and kept; may be null */
	unsigned patience;                   /* after 2^patience places without a match, places are skipped; 31: never */
};

/* Block matches alone, into `ret` (its old content goes). */
DCD_NODISCARD int dcd_seed_finder_blocks(const struct dcd_seed_finder *finder, const struct dcd_segment *segment,
					 struct dcd_copy_list *ret);

/* `anchors` and the matches between them, into `ret` (its old content goes). */
DCD_NODISCARD int dcd_seed_finder_fill(const struct dcd_seed_finder *finder, const struct dcd_segment *segment,
				       const struct dcd_copy_list *anchors, struct dcd_copy_list *ret);

#endif
