/*
 * Longest exact matches, at any alignment, in chosen ranges of the base: a suffix array (libdivsufsort; this is the one place
 * that includes it). Takes 5 bytes of memory a byte of text, 64 MiB for its directory, and one more byte where the ranges have to
 * be copied together.
 */
#ifndef DCD_BSDIFF_DIFF_SUFFIX_INDEX_H
#define DCD_BSDIFF_DIFF_SUFFIX_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "bsdiff/diff/base_coverage.h"
#include "bsdiff/diff/encode.h"

#define DCD_SUFFIX_TEXT_MAX (64U << 20)

struct dcd_suffix_index;

/*
 * Indexes the ranges (ascending, disjoint, DCD_SUFFIX_TEXT_MAX bytes at most in all). `base` outlives the index; `ranges` are
 * copied.
 */
DCD_NODISCARD int dcd_suffix_index_new(const struct dcd_bytes *base, const struct dcd_base_range *ranges, size_t count,
				       struct dcd_suffix_index **ret);
void dcd_suffix_index_free(struct dcd_suffix_index *index);

/*
 * A place in the base that agrees with data[0..len) the longest, of those in the index, and for how long (up to len; it may run
 * on beyond its range). 0: nothing of three bytes or more. Comparisons are capped, so the time doesn't depend on the data.
 */
size_t dcd_suffix_index_find(const struct dcd_suffix_index *index, const uint8_t *data, size_t len, uint64_t *ret_base);

/* How many bytes a[0..max) and b[0..max) have in common at their beginning. */
size_t dcd_common_prefix(const uint8_t *a, const uint8_t *b, size_t max);

#endif
