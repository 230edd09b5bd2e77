#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/repo/repo_text.h"

static void names_that_make_safe_file_names_are_taken(void **state)
{
	(void)state;
	assert_true(repo_name_ok("1.0"));
	assert_true(repo_name_ok("2026.11+git~rc1:a_b-c"));
}

static void names_that_could_leave_a_folder_or_pass_for_an_option_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", ".", "..", ".hidden", "-x", "a/b", "a b", "a\n", "\xc3\xa9" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(repo_name_ok(bad[i]));
	}
	char longest[130];
	memset(longest, 'a', sizeof longest);
	longest[128] = '\0';
	assert_true(repo_name_ok(longest));
	longest[128] = 'a';
	longest[129] = '\0';
	assert_false(repo_name_ok(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_make_safe_file_names_are_taken),
		cmocka_unit_test(names_that_could_leave_a_folder_or_pass_for_an_option_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
