#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes_text.h"

static void sizes_are_told_in_the_unit_that_fits(void **state)
{
	(void)state;
	char text[DCD_BYTES_TEXT_SIZE];
	dcd_bytes_text(0, text);
	assert_string_equal(text, "0 B");
	dcd_bytes_text(1023, text);
	assert_string_equal(text, "1023 B");
	dcd_bytes_text(1536, text);
	assert_string_equal(text, "1.5 KiB");
	dcd_bytes_text(5ULL << 40, text);
	assert_string_equal(text, "5.0 TiB");
	dcd_bytes_text(UINT64_MAX, text);
	assert_string_equal(text, "16777216.0 TiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sizes_are_told_in_the_unit_that_fits) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
