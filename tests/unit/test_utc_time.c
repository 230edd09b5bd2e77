#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "manifest/sign/utc_time.h"

static void times_have_the_form_that_tuf_asks_for(void **state)
{
	(void)state;
	char text[DCD_UTC_TIME_SIZE];
	assert_int_equal(dcd_utc_time_format(0, text), 0);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	assert_int_equal(dcd_utc_time_format(1925000000, text), 0);
	assert_string_equal(text, "2031-01-01T02:13:20Z");
	assert_int_equal(dcd_utc_time_format(INT64_C(253402300799), text), 0);
	assert_string_equal(text, "9999-12-31T23:59:59Z");
}

static void times_without_such_a_form_are_refused(void **state)
{
	(void)state;
	char text[DCD_UTC_TIME_SIZE] = "untouched";
	assert_int_equal(dcd_utc_time_format(-1, text), DCD_ERR_USAGE);
	assert_int_equal(dcd_utc_time_format(INT64_C(253402300800), text), DCD_ERR_USAGE);
	assert_int_equal(dcd_utc_time_format(INT64_MAX, text), DCD_ERR_USAGE);
	assert_string_equal(text, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_have_the_form_that_tuf_asks_for),
		cmocka_unit_test(times_without_such_a_form_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
