#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bsdiff/diff/base_coverage.h"

static void only_whole_granules_are_covered_and_the_rest_comes_back_in_pieces(void **state)
{
	(void)state;
	struct dcd_base_coverage *coverage;
	const uint64_t len = 10 * DCD_COVERAGE_GRANULE + 5;
	assert_int_equal(dcd_base_coverage_new(len, &coverage), 0);
	dcd_base_coverage_mark(coverage, 1, 3 * DCD_COVERAGE_GRANULE);                        /* covers granules 1 and 2 */
	dcd_base_coverage_mark(coverage, 9 * DCD_COVERAGE_GRANULE, DCD_COVERAGE_GRANULE + 5); /* to the very end */
	struct dcd_base_range *ranges;
	size_t count;
	uint64_t next;
	assert_int_equal(dcd_base_coverage_rest(coverage, 0, len, &ranges, &count, &next), 0);
	assert_int_equal(count, 2);
	assert_int_equal(ranges[0].offset, 0);
	assert_int_equal(ranges[0].len, DCD_COVERAGE_GRANULE);
	assert_int_equal(ranges[1].offset, 3 * DCD_COVERAGE_GRANULE);
	assert_int_equal(ranges[1].len, 6 * DCD_COVERAGE_GRANULE);
	assert_int_equal(next, len);
	free(ranges);
	assert_int_equal(dcd_base_coverage_rest(coverage, 0, 3 * DCD_COVERAGE_GRANULE, &ranges, &count, &next), 0);
	assert_int_equal(next, 5 * DCD_COVERAGE_GRANULE);
	free(ranges);
	assert_int_equal(dcd_base_coverage_rest(coverage, next, len, &ranges, &count, &next), 0);
	assert_int_equal(count, 1);
	assert_int_equal(ranges[0].len, 4 * DCD_COVERAGE_GRANULE);
	free(ranges);
	dcd_base_coverage_free(coverage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_whole_granules_are_covered_and_the_rest_comes_back_in_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
