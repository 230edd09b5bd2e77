/*
 * Which parts of the base exact copies already use, so that the expensive suffix array is spent on the rest. Marking may be done
 * from many threads; the outcome doesn't depend on their order.
 */
#ifndef DCD_BSDIFF_DIFF_BASE_COVERAGE_H
#define DCD_BSDIFF_DIFF_BASE_COVERAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DCD_COVERAGE_GRANULE 256 /* bytes a bit stands for */

struct dcd_base_coverage;

struct dcd_base_range {
	uint64_t offset;
	uint64_t len;
};

DCD_NODISCARD int dcd_base_coverage_new(uint64_t base_len, struct dcd_base_coverage **ret);
void dcd_base_coverage_free(struct dcd_base_coverage *coverage);

/* Granules that lie wholly in the range are covered. */
void dcd_base_coverage_mark(struct dcd_base_coverage *coverage, uint64_t offset, uint64_t len);

/*
 * The uncovered ranges at `from` or behind, in order, of at most `max` bytes in all (the last one is cut there). *ret_ranges is
 * the caller's to free; *ret_next is where the next call goes on (base_len at the end).
 */
DCD_NODISCARD int dcd_base_coverage_rest(const struct dcd_base_coverage *coverage, uint64_t from, uint64_t max,
					 struct dcd_base_range **ret_ranges, size_t *ret_count, uint64_t *ret_next);

/* Ranges that grow at the end. Zero-initialised is empty. */
struct dcd_base_ranges {
	struct dcd_base_range *items; /* the caller's to free */
	size_t count;
	size_t capacity;
	uint64_t len; /* bytes in all */
};

/* Adds a range, behind the last one; joined with it where they touch. */
DCD_NODISCARD int dcd_base_ranges_add(struct dcd_base_ranges *ranges, uint64_t offset, uint64_t len);

/* Adds the uncovered ranges of [from, end), both taken down to a granule. */
DCD_NODISCARD int dcd_base_coverage_add_rest(const struct dcd_base_coverage *coverage, uint64_t from, uint64_t end,
					     struct dcd_base_ranges *ranges);

#endif
