#include "bsdiff/diff/suffix_index.h"

#include <divsufsort.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "bsdiff/diff/large_memory.h"

/*
 * The directory jumps to the suffixes with the same first bits: most of a binary search's cache misses. Fewer bits for short
 * texts, where more would cost more to fill than they save.
 */
#define SHORT_TEXT (1U << 18)
#define SHORT_BITS 16
#define LONG_BITS 22
#define PREFIX 3 /* bytes that have these bits */

/* Two suffixes that agree this long are as good as equal: keeps periodic data from costing its square. */
#define COMPARE_MAX 512

struct dcd_suffix_index {
	struct dcd_bytes base;
	const uint8_t *text;
	uint8_t *owned_text; /* null when the text is the base itself */
	uint32_t text_len;
	int32_t *suffixes;
	uint32_t *directory;
	unsigned bits; /* of a directory key */
	struct dcd_base_range *ranges;
	uint32_t *range_at; /* where each range begins in the text */
	size_t range_count;
};

size_t dcd_common_prefix(const uint8_t *a, const uint8_t *b, size_t max)
{
	size_t i = 0;
	for (; max - i >= 8; i += 8) {
		uint64_t x, y;
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y) {
			break;
		}
	}
	while (i < max && a[i] == b[i]) {
		i++;
	}
	return i;
}

static uint32_t prefix_key(const uint8_t *data, size_t len, unsigned bits)
{
	uint32_t key = 0;
	for (size_t i = 0; i < PREFIX; i++) {
		key = key << 8 | (i < len ? data[i] : 0U);
	}
	return key >> (8 * PREFIX - bits);
}

static size_t directory_size(const struct dcd_suffix_index *index)
{
	return (((size_t)1 << index->bits) + 1) * sizeof *index->directory;
}

static size_t suffixes_size(const struct dcd_suffix_index *index)
{
	return (index->text_len + (size_t)1) * sizeof *index->suffixes;
}

static void directory_fill(struct dcd_suffix_index *index)
{
	uint32_t *directory = index->directory;
	for (uint32_t i = 0; i < index->text_len; i++) {
		directory[prefix_key(index->text + i, index->text_len - i, index->bits) + 1]++;
	}
	for (uint32_t key = 1; key <= 1U << index->bits; key++) {
		directory[key] += directory[key - 1];
	}
}

/* Puts the ranges one behind the other, unless they are one. */
static int text_gather(struct dcd_suffix_index *index)
{
	if (index->range_count == 1) {
		index->text = index->base.data + index->ranges[0].offset;
		return 0;
	}
	index->owned_text = dcd_large_alloc(index->text_len);
	if (index->owned_text == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < index->range_count; i++) {
		memcpy(index->owned_text + index->range_at[i], index->base.data + index->ranges[i].offset, index->ranges[i].len);
	}
	index->text = index->owned_text;
	return 0;
}

static int index_build(struct dcd_suffix_index *index, const struct dcd_base_range *ranges)
{
	index->ranges = calloc(index->range_count + 1, sizeof *index->ranges);
	index->range_at = calloc(index->range_count + 1, sizeof *index->range_at);
	if (index->ranges == NULL || index->range_at == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	uint64_t total = 0;
	for (size_t i = 0; i < index->range_count; i++) {
		index->ranges[i] = ranges[i];
		index->range_at[i] = (uint32_t)total;
		total += ranges[i].len;
		if (total > DCD_SUFFIX_TEXT_MAX) {
			return DCD_ERR_BUG;
		}
	}
	index->text_len = (uint32_t)total;
	index->bits = index->text_len < SHORT_TEXT ? SHORT_BITS : LONG_BITS;
	index->directory = dcd_large_alloc(directory_size(index));
	index->suffixes = dcd_large_alloc(suffixes_size(index));
	int err = index->suffixes == NULL || index->directory == NULL ? DCD_ERR_NO_MEMORY : text_gather(index);
	if (err != 0) {
		return err;
	}
	if (index->text_len > 0 && divsufsort(index->text, index->suffixes, (int32_t)index->text_len) != 0) {
		return DCD_ERR_NO_MEMORY;
	}
	directory_fill(index);
	return 0;
}

int dcd_suffix_index_new(const struct dcd_bytes *base, const struct dcd_base_range *ranges, size_t count,
			 struct dcd_suffix_index **ret)
{
	struct dcd_suffix_index *index = calloc(1, sizeof *index);
	if (index == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	index->base = *base;
	index->range_count = count;
	int err = index_build(index, ranges);
	if (err != 0) {
		dcd_suffix_index_free(index);
		return err;
	}
	*ret = index;
	return 0;
}

void dcd_suffix_index_free(struct dcd_suffix_index *index)
{
	if (index == NULL) {
		return;
	}
	dcd_large_free(index->owned_text, index->text_len);
	dcd_large_free(index->suffixes, suffixes_size(index));
	dcd_large_free(index->directory, directory_size(index));
	free(index->ranges);
	free(index->range_at);
	free(index);
}

static uint64_t text_to_base(const struct dcd_suffix_index *index, uint32_t at)
{
	size_t low = 0, high = index->range_count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (index->range_at[middle] <= at) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return index->ranges[low].offset + (at - index->range_at[low]);
}

/* The place in the text that agrees longest, capped; *ret_len of it. */
static uint32_t text_find(const struct dcd_suffix_index *index, const uint8_t *data, size_t len, size_t *ret_len)
{
	uint32_t key = prefix_key(data, len, index->bits);
	uint32_t low = index->directory[key], high = index->directory[key + 1];
	/* What the suffixes below low and from high on are known to share with data: comparisons may begin there. */
	size_t low_common = 0, high_common = 0, best = 0;
	uint32_t best_at = 0;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		uint32_t at = (uint32_t)index->suffixes[middle];
		/* Wherever the search goes on, it waits for memory there: both places are asked for now. */
		__builtin_prefetch(&index->suffixes[low + (middle - low) / 2]);
		__builtin_prefetch(&index->suffixes[middle + 1 + (high - middle - 1) / 2]);
		size_t max = (size_t)dcd_min_u64(dcd_min_u64(len, COMPARE_MAX), index->text_len - at);
		size_t from = low_common < high_common ? low_common : high_common;
		size_t common = from + dcd_common_prefix(data + from, index->text + at + from, max - from);
		if (common > best) {
			best = common;
			best_at = at;
		}
		if (common == COMPARE_MAX || common == len) {
			break;
		}
		if (common == index->text_len - at || index->text[at + common] < data[common]) {
			low = middle + 1;
			low_common = common;
		} else {
			high = middle;
			high_common = common;
		}
	}
	*ret_len = best;
	return best_at;
}

size_t dcd_suffix_index_find(const struct dcd_suffix_index *index, const uint8_t *data, size_t len, uint64_t *ret_base)
{
	if (len < PREFIX || index->text_len == 0) {
		return 0;
	}
	size_t common;
	uint32_t at = text_find(index, data, len, &common);
	if (common < PREFIX) {
		return 0;
	}
	/* The text may have joined what the base has apart, and the base goes on where the text's range ends. */
	uint64_t base = text_to_base(index, at);
	*ret_base = base;
	return dcd_common_prefix(data, index->base.data + base, (size_t)dcd_min_u64(len, index->base.len - base));
}
