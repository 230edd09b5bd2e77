#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bsdiff/diff/ref_samples.h"

static uint64_t next(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 20;
}

static bool in_order(const struct dcd_ref_sample *a, const struct dcd_ref_sample *b)
{
	if (a->module != b->module) {
		return a->module < b->module;
	}
	if (a->target != b->target) {
		return (int64_t)a->target < (int64_t)b->target;
	}
	return a->shift <= b->shift;
}

/* A number that hangs on what is in a list, not on the order. */
static uint64_t content(const struct dcd_ref_sample *items, size_t count)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < count; i++) {
		uint64_t hash = (items[i].module + 1) * UINT64_C(0x9e3779b97f4a7c15) + items[i].target;
		hash = (hash ^ hash >> 31) * UINT64_C(0xbf58476d1ce4e5b9) + items[i].shift;
		sum += (hash ^ hash >> 29) * UINT64_C(0x94d049bb133111eb);
	}
	return sum;
}

/* Sorts `count` samples of so many modules, targets and shifts. */
static void sort_some(size_t count, uint64_t modules, uint64_t targets, uint64_t scale, uint64_t shifts)
{
	struct dcd_ref_sample *items = calloc(count + 1, sizeof *items);
	assert_non_null(items);
	uint64_t seed = count + targets;
	for (size_t i = 0; i < count; i++) {
		items[i] = (struct dcd_ref_sample){ (uint32_t)(next(&seed) % modules),
						    (next(&seed) % targets - targets / 2) * scale, next(&seed) % shifts * scale };
	}
	uint64_t before = content(items, count);
	dcd_ref_samples_sort(items, count);
	for (size_t i = 1; i < count; i++) {
		assert_true(in_order(&items[i - 1], &items[i]));
	}
	assert_true(content(items, count) == before);
	free(items);
}

static void lists_of_any_length_come_out_sorted(void **state)
{
	(void)state;
	for (size_t count = 0; count < 5; count++) {
		sort_some(count, 2, 3, 1, 2);
	}
	sort_some(511, 3, 100, 1, 5);
	sort_some(512, 3, 100, 1, 5);
	sort_some(20000, 1, 1000, 4, 3);
	sort_some(20000, 5000, 10, 1, 2);
}

static void targets_of_all_64_bits_are_sorted_as_signed(void **state)
{
	(void)state;
	sort_some(20000, UINT32_MAX, UINT64_MAX, 1, UINT64_MAX);
	sort_some(20000, 2, 1U << 20, UINT64_C(0x100000001), 1U << 10);
}

static void one_target_with_many_shifts_is_sorted(void **state)
{
	(void)state;
	sort_some(20000, 1, 1, 1, UINT64_MAX);
	sort_some(20000, 1, 2, 1, 7);
}

static void of_samples_that_are_alike_two_stay(void **state)
{
	(void)state;
	struct dcd_ref_samples list = { 0 };
	const struct dcd_ref_sample often = { 1, 100, 4 };
	for (size_t i = 0; i < 500000; i++) {
		const struct dcd_ref_sample other = { 0, i / 4 % 30000, 8 };
		assert_int_equal(dcd_ref_samples_add(&list, i % 2 == 0 ? &often : &other, 1), 0);
	}
	/* 250,000 of one and 250,000 of 15,000 others: not many more than two of each are kept. */
	assert_in_range(list.capacity, 30002, 1U << 18);
	size_t alike = 0, ends = 0;
	for (size_t i = 0; i < list.count; i++) {
		alike += list.items[i].module == 1;
		ends += list.items[i].module == 0 && list.items[i].target == 29999;
	}
	assert_in_range(alike, 2, list.count);
	assert_in_range(ends, 2, list.count);
	dcd_ref_samples_free(&list);
	assert_null(list.items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_of_any_length_come_out_sorted),
		cmocka_unit_test(targets_of_all_64_bits_are_sorted_as_signed),
		cmocka_unit_test(one_target_with_many_shifts_is_sorted),
		cmocka_unit_test(of_samples_that_are_alike_two_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
