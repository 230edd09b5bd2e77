#include "bsdiff/diff/seed_finder.h"

#include <string.h>

#include "base/checked.h"

#define ALIGNED_MIN 32     /* a match on a diagonal that is known already, when anchoring */
#define SUFFIX_MIN 12      /* a match anywhere costs a control triple */
#define BETTER_BY 8        /* ... and must beat the current diagonal by this many bytes, as in bsdiff */
#define NEAR_WINDOW 16384U /* bytes before and behind a diagonal */
#define NEAR_PROBE 32U
#define NEAR_MIN 12U
#define MISSED_STEP 2  /* from a place without a match to the next: matches grow backwards over what was stepped over */
#define ALIGNED_SKIP 8 /* bytes that agree on the current diagonal need no search */

/* The base position that pairs with segment position `at` on the diagonal of `copy`; false outside the base. */
static bool diagonal_base(const struct dcd_seed_finder *finder, const struct dcd_copy *copy, uint32_t at, uint64_t *ret)
{
	/* Modulo 2^64; positions before the base's begin come out huge. */
	*ret = copy->base + at - copy->at;
	return *ret < finder->base.len;
}

/* How long segment and base agree from `at` on the diagonal of `copy`. */
static uint32_t diagonal_match(const struct dcd_seed_finder *finder, const struct dcd_segment *segment,
			       const struct dcd_copy *copy, uint32_t at, uint32_t end)
{
	uint64_t base;
	if (!diagonal_base(finder, copy, at, &base)) {
		return 0;
	}
	size_t max = (size_t)dcd_min_u64(end - at, finder->base.len - base);
	return (uint32_t)dcd_common_prefix(segment->data + at, finder->base.data + base, max);
}

/* Grows an exact match backwards, not below `floor`. */
static void match_grow_back(const struct dcd_seed_finder *finder, const struct dcd_segment *segment, struct dcd_copy *match,
			    uint32_t floor)
{
	while (match->at > floor && match->base > 0 && segment->data[match->at - 1] == finder->base.data[match->base - 1]) {
		match->at--;
		match->base--;
		match->len++;
	}
}

/*
 * The same bytes may stand in many places, as in tables. Moves the match to the one nearest to where the diagonal of `last`
 * leads, within NEAR_WINDOW, when at least NEAR_MIN bytes agree there and as many as did.
 */
static void match_move_near(const struct dcd_seed_finder *finder, const struct dcd_segment *segment, const struct dcd_copy *last,
			    struct dcd_copy *match)
{
	uint64_t expected, best = match->base;
	uint32_t probe = match->len < NEAR_PROBE ? match->len : NEAR_PROBE;
	if (!diagonal_base(finder, last, match->at, &expected) || match->len < NEAR_MIN) {
		return;
	}
	uint64_t best_distance = match->base > expected ? match->base - expected : expected - match->base;
	if (best_distance <= NEAR_PROBE) {
		return;
	}
	/* Only what is nearer than the best wins. */
	uint64_t reach = dcd_min_u64(best_distance - 1, NEAR_WINDOW), from = expected - dcd_min_u64(expected, reach);
	uint64_t window_end = dcd_min_u64(expected + NEAR_WINDOW, finder->base.len);
	uint64_t end = dcd_min_u64(window_end, expected + reach + probe);
	while (from < end && end - from >= probe) {
		const uint8_t *hit = memmem(finder->base.data + from, end - from, segment->data + match->at, probe);
		if (hit == NULL) {
			break;
		}
		uint64_t at = (uint64_t)(hit - finder->base.data), distance = at > expected ? at - expected : expected - at;
		size_t max = (size_t)dcd_min_u64(match->len, finder->base.len - at);
		if (distance < best_distance &&
		    dcd_common_prefix(segment->data + match->at, finder->base.data + at, max) == match->len) {
			best = at;
			best_distance = distance;
			end = dcd_min_u64(window_end, expected + best_distance - 1 + probe);
		}
		from = at + 1;
	}
	match->base = best;
}

/* An exact match at `at` that is worth an anchor: the last diagonal, the segment's own place, then any block. */
static bool anchor_at(const struct dcd_seed_finder *finder, const struct dcd_segment *segment, struct dcd_block_window *window,
		      const struct dcd_copy *last, uint32_t at, struct dcd_copy *ret)
{
	const struct dcd_copy home = { 0, 0, segment->offset };
	const struct dcd_copy *diagonals[] = { last, &home };
	for (size_t i = 0; i < 2; i++) {
		uint32_t len = diagonal_match(finder, segment, diagonals[i], at, segment->len);
		if (len >= ALIGNED_MIN) {
			*ret = (struct dcd_copy){ at, len, diagonals[i]->base + at - diagonals[i]->at };
			return true;
		}
	}
	if (segment->len - at < dcd_block_index_block_size(finder->blocks)) {
		return false;
	}
	uint64_t base;
	dcd_block_window_move(finder->blocks, window, segment->data, segment->len, at);
	if (!dcd_block_index_find(finder->blocks, window, segment->data, &base)) {
		return false;
	}
	*ret = (struct dcd_copy){ at, 0, base };
	ret->len = diagonal_match(finder, segment, ret, at, segment->len);
	match_move_near(finder, segment, last, ret);
	return true;
}

int dcd_seed_finder_blocks(const struct dcd_seed_finder *finder, const struct dcd_segment *segment, struct dcd_copy_list *ret)
{
	ret->count = 0;
	const struct dcd_copy_list *known = finder->anchors == NULL ? NULL : &finder->anchors[segment->index];
	if (known != NULL && known->capacity > 0) {
		return dcd_copy_list_copy(known, ret);
	}
	if (finder->blocks == NULL) {
		return 0;
	}
	struct dcd_block_window window = { 0 };
	struct dcd_copy last = { 0, 0, segment->offset };
	uint32_t at = 0;
	while (segment->len - at >= ALIGNED_MIN) {
		struct dcd_copy match;
		if (!anchor_at(finder, segment, &window, &last, at, &match)) {
			at++;
			continue;
		}
		match_grow_back(finder, segment, &match, last.at + last.len);
		int err = dcd_copy_list_add(ret, match);
		if (err != 0) {
			return err;
		}
		last = match;
		at = match.at + match.len;
	}
	return 0;
}

/* Bytes of [at, at + len) that agree on the diagonal of `copy`. */
static uint32_t diagonal_score(const struct dcd_seed_finder *finder, const struct dcd_segment *segment,
			       const struct dcd_copy *copy, uint32_t at, uint32_t len)
{
	uint32_t score = 0;
	for (uint32_t i = 0; i < len; i++) {
		uint64_t base;
		score += diagonal_base(finder, copy, at + i, &base) && finder->base.data[base] == segment->data[at + i];
	}
	return score;
}

/* Searches segment[from..end) for matches; *last is the seed before it and becomes the last one found. */
static int gap_fill(const struct dcd_seed_finder *finder, const struct dcd_segment *segment, uint32_t from, uint32_t end,
		    struct dcd_copy *last, struct dcd_copy_list *ret)
{
	uint32_t at = from, missed = 0;
	while (end - at >= SUFFIX_MIN) {
		uint32_t aligned = diagonal_match(finder, segment, last, at, end);
		if (aligned >= ALIGNED_SKIP) {
			at += aligned;
			missed = 0;
			continue;
		}
		struct dcd_copy match = { at, 0, 0 };
		match.len = (uint32_t)dcd_suffix_index_find(finder->suffixes, segment->data + at, end - at, &match.base);
		if (match.len < SUFFIX_MIN || match.len <= diagonal_score(finder, segment, last, at, match.len) + BETTER_BY) {
			missed++;
			uint32_t step = MISSED_STEP + (missed >> finder->patience);
			at = step < end - at ? at + step : end;
			continue;
		}
		match_move_near(finder, segment, last, &match);
		match_grow_back(finder, segment, &match, last->at + last->len);
		int err = dcd_copy_list_add(ret, match);
		if (err != 0) {
			return err;
		}
		*last = match;
		at = match.at + match.len;
		missed = 0;
	}
	return 0;
}

int dcd_seed_finder_fill(const struct dcd_seed_finder *finder, const struct dcd_segment *segment,
			 const struct dcd_copy_list *anchors, struct dcd_copy_list *ret)
{
	ret->count = 0;
	struct dcd_copy last = { 0, 0, segment->offset };
	for (size_t i = 0; i <= anchors->count; i++) {
		uint32_t gap_end = i < anchors->count ? anchors->items[i].at : segment->len;
		if (finder->suffixes != NULL) {
			int err = gap_fill(finder, segment, last.at + last.len, gap_end, &last, ret);
			if (err != 0) {
				return err;
			}
		}
		if (i < anchors->count) {
			int err = dcd_copy_list_add(ret, anchors->items[i]);
			if (err != 0) {
				return err;
			}
			last = anchors->items[i];
		}
	}
	return 0;
}
