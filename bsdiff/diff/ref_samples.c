#include "bsdiff/diff/ref_samples.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Lists shorter than this are let grow. */
#define REDUCE_MIN (1U << 16)

/* ---- sorting ---- */

/* Lists shorter than this aren't worth a table of counts. */
#define RADIX_MIN 512
#define DIGIT_BITS 11
#define DIGITS (1U << DIGIT_BITS)

static int by_all(const void *a, const void *b)
{
	const struct dcd_ref_sample *x = a, *y = b;
	if (x->module != y->module) {
		return x->module < y->module ? -1 : 1;
	}
	if (x->target != y->target) {
		return (int64_t)x->target < (int64_t)y->target ? -1 : 1;
	}
	return x->shift < y->shift ? -1 : x->shift > y->shift;
}

static uint64_t target_key(const struct dcd_ref_sample *sample)
{
	return sample->target ^ UINT64_C(1) << 63; /* signed order */
}

static uint64_t module_key(const struct dcd_ref_sample *sample)
{
	return sample->module;
}

/* One stable pass: by the digit of the key at `low`. */
static void digit_sort(const struct dcd_ref_sample *from, struct dcd_ref_sample *to, size_t count,
		       uint64_t (*key)(const struct dcd_ref_sample *sample), unsigned low)
{
	size_t places[DIGITS] = { 0 }, at = 0;
	for (size_t i = 0; i < count; i++) {
		places[key(&from[i]) >> low & (DIGITS - 1)]++;
	}
	for (size_t i = 0; i < DIGITS; i++) {
		size_t here = places[i];
		places[i] = at;
		at += here;
	}
	for (size_t i = 0; i < count; i++) {
		to[places[key(&from[i]) >> low & (DIGITS - 1)]++] = from[i];
	}
}

/* By the key's digits in which any two differ, from the lowest; each pass changes the arrays' parts. */
static void key_sort(struct dcd_ref_sample **items, struct dcd_ref_sample **other, size_t count,
		     uint64_t (*key)(const struct dcd_ref_sample *sample))
{
	uint64_t differs = 0;
	for (size_t i = 1; i < count; i++) {
		differs |= key(&(*items)[i]) ^ key(&(*items)[0]);
	}
	for (unsigned low = 0; low < 64 && differs >> low != 0; low += DIGIT_BITS) {
		if ((differs >> low & (DIGITS - 1)) != 0) {
			digit_sort(*items, *other, count, key, low);
			struct dcd_ref_sample *swap = *items;
			*items = *other;
			*other = swap;
		}
	}
}

/* What has one module and target, by shift: seldom more than two, and mostly alike. */
static void shifts_sort(struct dcd_ref_sample *items, size_t count)
{
	for (size_t first = 0, end; first < count; first = end) {
		bool ordered = true;
		for (end = first + 1;
		     end < count && items[end].target == items[first].target && items[end].module == items[first].module; end++) {
			ordered = ordered && items[end - 1].shift <= items[end].shift;
		}
		if (!ordered) {
			qsort(items + first, end - first, sizeof *items, by_all);
		}
	}
}

void dcd_ref_samples_sort(struct dcd_ref_sample *items, size_t count)
{
	struct dcd_ref_sample *room = count < RADIX_MIN ? NULL : reallocarray(NULL, count, sizeof *room);
	if (room == NULL) {
		if (count > 1) {
			qsort(items, count, sizeof *items, by_all);
		}
		return;
	}
	struct dcd_ref_sample *sorted = items, *other = room;
	key_sort(&sorted, &other, count, target_key);
	key_sort(&sorted, &other, count, module_key);
	if (sorted != items) {
		memcpy(items, sorted, count * sizeof *items);
	}
	free(room);
	shifts_sort(items, count);
}

/* ---- lists ---- */

/* Sorts, and drops all but two of each. */
static void reduce(struct dcd_ref_samples *samples)
{
	size_t kept = 0;
	dcd_ref_samples_sort(samples->items, samples->count);
	for (size_t i = 0; i < samples->count; i++) {
		bool third = kept >= 2 && by_all(&samples->items[kept - 2], &samples->items[i]) == 0;
		if (!third) {
			samples->items[kept++] = samples->items[i];
		}
	}
	samples->count = kept;
}

static int grow(struct dcd_ref_samples *samples, size_t room)
{
	if (room <= samples->capacity) {
		return 0;
	}
	size_t capacity = room < 32 ? 64 : 2 * room;
	struct dcd_ref_sample *grown = reallocarray(samples->items, capacity, sizeof *grown);
	if (grown == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	samples->items = grown;
	samples->capacity = capacity;
	return 0;
}

int dcd_ref_samples_add(struct dcd_ref_samples *samples, const struct dcd_ref_sample *items, size_t count)
{
	size_t room = samples->count + count;
	if (room > samples->capacity && samples->count >= REDUCE_MIN) {
		reduce(samples);
		room = samples->count + count;
		room = room > samples->capacity / 2 ? samples->capacity + count : room;
	}
	int err = grow(samples, room);
	if (err == 0 && count > 0) {
		memcpy(samples->items + samples->count, items, count * sizeof *items);
		samples->count += count;
	}
	return err;
}

void dcd_ref_samples_free(struct dcd_ref_samples *samples)
{
	free(samples->items);
	*samples = (struct dcd_ref_samples){ 0 };
}
