#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/pace.h"

/* Times and sizes here are sums of powers of two: a double holds them exactly. */
#define BEGAN 1024.0
#define EVERY 0.5

static void the_first_the_due_and_the_last_are_shown(void **state)
{
	(void)state;
	struct dcd_pace pace;
	struct dcd_pace_view view;
	dcd_pace_begin(&pace, BEGAN);
	assert_true(dcd_pace_due(&pace, BEGAN, EVERY, 0, 100, &view));
	assert_false(dcd_pace_due(&pace, BEGAN + 0.25, EVERY, 10, 100, &view));
	assert_true(dcd_pace_due(&pace, BEGAN + 0.5, EVERY, 20, 100, &view));
	assert_false(dcd_pace_due(&pace, BEGAN + 0.75, EVERY, 99, 100, &view));
	assert_true(dcd_pace_due(&pace, BEGAN + 0.8125, EVERY, 100, 100, &view));
}

static void rate_and_time_left_are_of_the_whole_run(void **state)
{
	(void)state;
	struct dcd_pace pace;
	struct dcd_pace_view view;
	dcd_pace_begin(&pace, BEGAN);
	assert_true(dcd_pace_due(&pace, BEGAN + 2, EVERY, 256, 1024, &view));
	assert_true(view.percent == 25);
	assert_true(view.rate == 128);
	assert_true(view.left == 6);
	assert_true(dcd_pace_due(&pace, BEGAN + 4, EVERY, 2048, 1024, &view));
	assert_true(view.percent == 100);
	assert_true(view.left == 0);
}

static void what_is_not_known_yet_is_none(void **state)
{
	(void)state;
	struct dcd_pace pace;
	struct dcd_pace_view view;
	dcd_pace_begin(&pace, BEGAN);
	assert_true(dcd_pace_due(&pace, BEGAN, EVERY, 4096, 8192, &view)); /* no time has passed */
	assert_true(view.rate == 0);
	assert_true(view.left == 0);
	assert_true(dcd_pace_due(&pace, BEGAN + 1, EVERY, 4096, 0, &view)); /* no total */
	assert_true(view.percent == 0);
	assert_true(view.rate == 4096);
	assert_true(view.left == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_the_due_and_the_last_are_shown),
		cmocka_unit_test(rate_and_time_left_are_of_the_whole_run),
		cmocka_unit_test(what_is_not_known_yet_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
