#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "manifest/tuf/tuf_time.h"

static void assert_time(const char *text, int64_t expected)
{
	int64_t seconds = -1;
	assert_true(tuf_time_parse(text, &seconds));
	assert_int_equal(seconds, expected);
}

static void times_become_seconds_since_1970(void **state)
{
	(void)state;
	assert_time("1970-01-01T00:00:00Z", 0);
	assert_time("2000-02-29T12:34:56Z", 951827696);
	assert_time("2026-11-22T20:42:24Z", 1795380144);
	assert_time("2100-03-01T00:00:00Z", 4107542400);
	assert_time("9999-12-31T23:59:59Z", 253402300799);
	assert_time("1969-12-31T23:59:59Z", -1);
	/* RFC 3339, as in roots that go-tuf signed. */
	assert_time("2026-11-22T20:42:24.999Z", 1795380144);
	assert_time("2026-11-22T14:42:24.99008-06:00", 1795380144);
	assert_time("2026-11-23T02:12:24+05:30", 1795380144);
	assert_time("2026-11-22T20:42:24-00:00", 1795380144);
}

static void any_other_form_is_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"",
		"2031-01-01",
		"2031-01-01T00:00:00",
		"2031-01-01T00:00:00z",
		"2031-01-01 00:00:00Z",
		"2031-01-01T00:00:00.Z",
		"2031-01-01T00:00:00.1234567890Z",
		"2031-01-01T00:00:00.5",
		"2031-01-01T00:00:00,5Z",
		"2031-01-01T00:00:00+00",
		"2031-01-01T00:00:00+0000",
		"2031-01-01T00:00:00+24:00",
		"2031-01-01T00:00:00-00:60",
		"2031-01-01T00:00:00-0x:00",
		"2031-01-01T00:00:00+00:00Z",
		"2031-1-01T00:00:00Z",
		"2031-13-01T00:00:00Z",
		"2031-00-01T00:00:00Z",
		"2031-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"2031-01-32T00:00:00Z",
		"2031-01-01T24:00:00Z",
		"2031-01-01T00:60:00Z",
		"2031-01-01T00:00:60Z",
		"+031-01-01T00:00:00Z",
		"2031-01-01T00:00:00ZZ",
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		int64_t seconds = 7;
		assert_false(tuf_time_parse(wrong[i], &seconds));
		assert_int_equal(seconds, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_become_seconds_since_1970),
		cmocka_unit_test(any_other_form_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
