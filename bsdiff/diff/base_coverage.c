#include "bsdiff/diff/base_coverage.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/checked.h"

struct dcd_base_coverage {
	uint64_t base_len;
	uint64_t granules;
	_Atomic uint64_t *bits;
};

int dcd_base_coverage_new(uint64_t base_len, struct dcd_base_coverage **ret)
{
	struct dcd_base_coverage *coverage = malloc(sizeof *coverage);
	if (coverage == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	coverage->base_len = base_len;
	coverage->granules = dcd_div_ceil_u64(base_len, DCD_COVERAGE_GRANULE);
	coverage->bits = calloc((size_t)(coverage->granules / 64 + 1), sizeof *coverage->bits);
	if (coverage->bits == NULL) {
		free(coverage);
		return DCD_ERR_NO_MEMORY;
	}
	*ret = coverage;
	return 0;
}

void dcd_base_coverage_free(struct dcd_base_coverage *coverage)
{
	if (coverage != NULL) {
		free(coverage->bits);
		free(coverage);
	}
}

void dcd_base_coverage_mark(struct dcd_base_coverage *coverage, uint64_t offset, uint64_t len)
{
	uint64_t end = offset + len;
	/* The base's last granule may be short. */
	uint64_t last = end == coverage->base_len ? coverage->granules : end / DCD_COVERAGE_GRANULE;
	for (uint64_t g = dcd_div_ceil_u64(offset, DCD_COVERAGE_GRANULE); g < last; g++) {
		atomic_fetch_or_explicit(&coverage->bits[g / 64], (uint64_t)1 << (g % 64), memory_order_relaxed);
	}
}

static bool covered(const struct dcd_base_coverage *coverage, uint64_t granule)
{
	return (atomic_load_explicit(&coverage->bits[granule / 64], memory_order_relaxed) >> (granule % 64) & 1) != 0;
}

int dcd_base_ranges_add(struct dcd_base_ranges *ranges, uint64_t offset, uint64_t len)
{
	struct dcd_base_range *last = ranges->count > 0 ? &ranges->items[ranges->count - 1] : NULL;
	ranges->len += len;
	if (last != NULL && last->offset + last->len == offset) {
		last->len += len;
		return 0;
	}
	if (ranges->count == ranges->capacity) {
		size_t grown_capacity = ranges->capacity == 0 ? 64 : 2 * ranges->capacity;
		struct dcd_base_range *grown = reallocarray(ranges->items, grown_capacity, sizeof *grown);
		if (grown == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
		ranges->items = grown;
		ranges->capacity = grown_capacity;
	}
	ranges->items[ranges->count++] = (struct dcd_base_range){ offset, len };
	return 0;
}

int dcd_base_coverage_add_rest(const struct dcd_base_coverage *coverage, uint64_t from, uint64_t end, struct dcd_base_ranges *ranges)
{
	uint64_t last = end >= coverage->base_len ? coverage->granules : end / DCD_COVERAGE_GRANULE;
	int err = 0;
	for (uint64_t granule = from / DCD_COVERAGE_GRANULE; err == 0 && granule < last; granule++) {
		uint64_t offset = granule * DCD_COVERAGE_GRANULE;
		if (!covered(coverage, granule)) {
			err = dcd_base_ranges_add(ranges, offset, dcd_min_u64(DCD_COVERAGE_GRANULE, coverage->base_len - offset));
		}
	}
	return err;
}

int dcd_base_coverage_rest(const struct dcd_base_coverage *coverage, uint64_t from, uint64_t max,
			   struct dcd_base_range **ret_ranges, size_t *ret_count, uint64_t *ret_next)
{
	struct dcd_base_ranges ranges = { 0 };
	uint64_t granule = from / DCD_COVERAGE_GRANULE;
	for (; granule < coverage->granules && max >= DCD_COVERAGE_GRANULE; granule++) {
		if (covered(coverage, granule)) {
			continue;
		}
		uint64_t offset = granule * DCD_COVERAGE_GRANULE;
		uint64_t len = dcd_min_u64(DCD_COVERAGE_GRANULE, coverage->base_len - offset);
		int err = dcd_base_ranges_add(&ranges, offset, len);
		if (err != 0) {
			free(ranges.items);
			return err;
		}
		max -= len;
	}
	*ret_ranges = ranges.items;
	*ret_count = ranges.count;
	*ret_next = dcd_min_u64(granule * DCD_COVERAGE_GRANULE, coverage->base_len);
	return 0;
}
