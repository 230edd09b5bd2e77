#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bsdiff/diff/step_map.h"

static void a_few_moves_become_a_few_steps(void **state)
{
	(void)state;
	struct dcd_ref_sample samples[300];
	for (size_t i = 0; i < 300; i++) {
		samples[i] = (struct dcd_ref_sample){ 0, 0x1000 + 16 * i, i < 100 ? 0 : i < 200 ? 64 : (uint64_t)-32 };
	}
	samples[150].shift = 9999; /* one that disagrees costs less than two steps */
	struct dcd_step_map map = { 0 };
	assert_int_equal(dcd_step_map_fit(&map, samples, 300, 0x1000), 0);
	assert_int_equal(map.count, 2);
	assert_int_equal(map.steps[0].start, 16 * 100);
	assert_int_equal(map.steps[0].shift, 64);
	assert_int_equal(map.steps[1].start, 16 * 200);
	assert_true(map.steps[1].shift == (uint64_t)-32);
	/* The next module's steps are put behind. */
	assert_int_equal(dcd_step_map_fit(&map, samples + 200, 100, 0x1000), 0);
	assert_int_equal(map.count, 3);
	dcd_step_map_free(&map);
}

static void nothing_seen_and_nothing_moved_give_no_steps(void **state)
{
	(void)state;
	struct dcd_ref_sample samples[10] = { { 0 } };
	struct dcd_step_map map = { 0 };
	assert_int_equal(dcd_step_map_fit(&map, samples, 0, 0), 0);
	assert_int_equal(map.count, 0);
	for (size_t i = 0; i < 10; i++) {
		samples[i].target = i;
	}
	assert_int_equal(dcd_step_map_fit(&map, samples, 10, 0), 0);
	assert_int_equal(map.count, 0);
	dcd_step_map_free(&map);
}

static void the_majority_at_one_target_wins_a_stretch(void **state)
{
	(void)state;
	struct dcd_ref_sample samples[60];
	for (size_t i = 0; i < 20; i++) {
		samples[3 * i] = (struct dcd_ref_sample){ 0, 8 * i, i };
		samples[3 * i + 1] = (struct dcd_ref_sample){ 0, 8 * i, 500 };
		samples[3 * i + 2] = (struct dcd_ref_sample){ 0, 8 * i, 500 };
	}
	struct dcd_step_map map = { 0 };
	assert_int_equal(dcd_step_map_fit(&map, samples, 60, 0), 0);
	assert_int_equal(map.count, 1);
	assert_int_equal(map.steps[0].shift, 500);
	dcd_step_map_free(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few_moves_become_a_few_steps),
		cmocka_unit_test(nothing_seen_and_nothing_moved_give_no_steps),
		cmocka_unit_test(the_majority_at_one_target_wins_a_stretch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
