#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bsdiff/diff/suffix_index.h"
#include "tests/unit/payload_fixture.h"

/* The longest match by looking everywhere in the ranges. */
static size_t reference_find(const struct dcd_bytes *base, const struct dcd_base_range *ranges, size_t count, const uint8_t *data,
			     size_t len)
{
	size_t best = 0;
	for (size_t r = 0; r < count; r++) {
		for (uint64_t at = ranges[r].offset; at < ranges[r].offset + ranges[r].len; at++) {
			size_t max = base->len - at < len ? (size_t)(base->len - at) : len;
			size_t n = dcd_common_prefix(data, base->data + at, max);
			best = n > best ? n : best;
		}
	}
	return best;
}

static void the_longest_match_is_found_in_one_range_exactly(void **state)
{
	(void)state;
	static uint8_t data[3000], wanted[64];
	uint64_t seed = 12;
	for (size_t i = 0; i < sizeof data; i++) {
		data[i] = (uint8_t)(fixture_random(&seed) % 3);
	}
	const struct dcd_bytes base = { data, sizeof data };
	const struct dcd_base_range whole = { 0, sizeof data };
	struct dcd_suffix_index *index;
	assert_int_equal(dcd_suffix_index_new(&base, &whole, 1, &index), 0);
	for (int round = 0; round < 3000; round++) {
		uint64_t at = UINT64_MAX;
		for (size_t i = 0; i < sizeof wanted; i++) {
			wanted[i] = (uint8_t)(fixture_random(&seed) % 3);
		}
		size_t len = fixture_random(&seed) % (sizeof wanted + 1);
		size_t found = dcd_suffix_index_find(index, wanted, len, &at);
		size_t best = reference_find(&base, &whole, 1, wanted, len);
		assert_int_equal(found, best < 3 ? 0 : best);
		if (found > 0) {
			assert_memory_equal(data + at, wanted, found);
		}
	}
	dcd_suffix_index_free(index);
}

static void matches_in_joined_ranges_are_real_matches_of_the_base(void **state)
{
	(void)state;
	static uint8_t data[4096];
	uint64_t seed = 77;
	fixture_fill(&seed, data, sizeof data);
	const struct dcd_bytes base = { data, sizeof data };
	const struct dcd_base_range ranges[] = { { 100, 200 }, { 1000, 1 }, { 2000, 2096 } };
	struct dcd_suffix_index *index;
	assert_int_equal(dcd_suffix_index_new(&base, ranges, 3, &index), 0);
	uint64_t at;
	assert_int_equal(dcd_suffix_index_find(index, data + 150, 400, &at), 400); /* runs on behind its range */
	assert_int_equal(at, 150);
	assert_int_equal(dcd_suffix_index_find(index, data + 4000, 96, &at), 96);
	assert_int_equal(at, 4000);
	/* 290..300 and 1000 lie side by side in the index, but not in the base. */
	uint8_t seam[11];
	memcpy(seam, data + 290, 10);
	seam[10] = data[1000];
	assert_true(dcd_suffix_index_find(index, seam, 11, &at) <= 10 || data[300] == data[1000]);
	dcd_suffix_index_free(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_match_is_found_in_one_range_exactly),
		cmocka_unit_test(matches_in_joined_ranges_are_real_matches_of_the_base),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
