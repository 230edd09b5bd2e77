#include "bsdiff/diff/copy_list.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* An extension of the segment's own place without a seed is only worth a control triple from this length on. */
#define UNSEEDED_MIN 16

/* Two copies on one diagonal with no more than this between them cost less as one copy with differences. */
#define JOIN_MAX 24

int dcd_copy_list_add(struct dcd_copy_list *list, struct dcd_copy copy)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
		struct dcd_copy *grown = reallocarray(list->items, capacity, sizeof *grown);
		if (grown == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
		list->items = grown;
		list->capacity = capacity;
	}
	list->items[list->count++] = copy;
	return 0;
}

int dcd_copy_list_copy(const struct dcd_copy_list *from, struct dcd_copy_list *to)
{
	size_t capacity = from->count > 0 ? from->count : 1;
	if (to->capacity < capacity) {
		struct dcd_copy *grown = reallocarray(to->items, capacity, sizeof *grown);
		if (grown == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
		to->items = grown;
		to->capacity = capacity;
	}
	if (from->count > 0) {
		memcpy(to->items, from->items, from->count * sizeof *to->items);
	}
	to->count = from->count;
	return 0;
}

void dcd_copy_list_free(struct dcd_copy_list *list)
{
	free(list->items);
	*list = (struct dcd_copy_list){ 0 };
}

/* The length n <= max for which a[0..n) and b[0..n) have the best surplus of equal over different bytes; step -1 reads backwards.
 */
static uint32_t best_length(const uint8_t *a, const uint8_t *b, uint32_t max, int step)
{
	int64_t score = 0, best_score = 0;
	uint32_t best = 0;
	for (uint32_t i = 0; i < max; i++) {
		score += *a == *b ? 1 : -1;
		a += step;
		b += step;
		if (score > best_score) {
			best_score = score;
			best = i + 1;
		}
	}
	return best;
}

/* How far the copy may grow over the gap of `gap` bytes behind it. */
static uint32_t forward_length(const struct dcd_copy *copy, uint32_t gap, const struct dcd_bytes *base,
			       const struct dcd_segment *segment)
{
	uint64_t base_end = copy->base + copy->len;
	uint64_t room = base_end <= base->len ? base->len - base_end : 0;
	uint32_t max = room < gap ? (uint32_t)room : gap;
	return max == 0 ? 0 : best_length(segment->data + copy->at + copy->len, base->data + base_end, max, 1);
}

static uint32_t backward_length(const struct dcd_copy *copy, uint32_t gap, const struct dcd_bytes *base,
				const struct dcd_segment *segment)
{
	uint32_t max = copy->base < gap ? (uint32_t)copy->base : gap;
	return max == 0 ? 0 : best_length(segment->data + copy->at - 1, base->data + copy->base - 1, max, -1);
}

/* `left` and `right` both want the `overlap` bytes before right: how many of them left should get. */
static uint32_t best_split(const struct dcd_copy *left, const struct dcd_copy *right, uint32_t overlap,
			   const struct dcd_bytes *base, const struct dcd_segment *segment)
{
	const uint8_t *from_left = base->data + left->base + left->len - overlap;
	const uint8_t *from_right = base->data + right->base;
	const uint8_t *wanted = segment->data + right->at;
	int64_t score = 0, best_score = 0;
	uint32_t best = 0;
	for (uint32_t i = 0; i < overlap; i++) {
		score += (from_left[i] == wanted[i]) - (from_right[i] == wanted[i]);
		if (score > best_score) {
			best_score = score;
			best = i + 1;
		}
	}
	return best;
}

static bool same_diagonal(const struct dcd_copy *a, const struct dcd_copy *b)
{
	return a->base - a->at == b->base - b->at; /* modulo 2^64: the difference may be negative */
}

/* Grows `left` and `right` into the gap between them. */
static void gap_share(struct dcd_copy *left, struct dcd_copy *right, const struct dcd_bytes *base,
		      const struct dcd_segment *segment)
{
	uint32_t gap = right->at - (left->at + left->len);
	uint32_t forward = forward_length(left, gap, base, segment);
	uint32_t backward = backward_length(right, gap, base, segment);
	left->len += forward;
	right->at -= backward;
	right->base -= backward;
	right->len += backward;
	if (forward > gap - backward) {
		uint32_t overlap = forward - (gap - backward);
		uint32_t for_left = best_split(left, right, overlap, base, segment);
		left->len -= overlap - for_left;
		right->at += for_left;
		right->base += for_left;
		right->len -= for_left;
	}
}

static int copy_emit(struct dcd_copy_list *list, struct dcd_copy copy, bool seeded)
{
	return copy.len == 0 || (!seeded && copy.len < UNSEEDED_MIN) ? 0 : dcd_copy_list_add(list, copy);
}

int dcd_copy_list_extend(const struct dcd_copy_list *seeds, const struct dcd_bytes *base, const struct dcd_segment *segment,
			 struct dcd_copy_list *ret)
{
	ret->count = 0;
	/* Before the first seed, what the base has at the segment's own place is the best guess. */
	struct dcd_copy left = { 0, 0, segment->offset };
	bool seeded = false;
	for (size_t i = 0; i < seeds->count; i++) {
		struct dcd_copy right = seeds->items[i];
		gap_share(&left, &right, base, segment);
		if (same_diagonal(&left, &right) && right.at - (left.at + left.len) <= JOIN_MAX && (seeded || left.len > 0)) {
			left.len = right.at + right.len - left.at;
			seeded = true;
			continue;
		}
		int err = copy_emit(ret, left, seeded);
		if (err != 0) {
			return err;
		}
		left = right;
		seeded = true;
	}
	left.len += forward_length(&left, segment->len - (left.at + left.len), base, segment);
	return copy_emit(ret, left, seeded);
}
