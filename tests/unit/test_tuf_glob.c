#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "manifest/tuf/tuf_glob.h"

static void patterns_match_as_the_specification_and_others_say(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *path;
		bool matches;
	} cases[] = {
		{ "*", "a", true },
		{ "*", "", true },
		{ "*", "a/b", false },
		{ "*/*", "a/b", true },
		{ "a/*", "a/", true },
		{ "a/*", "a", false },
		{ "a/*", "a/b/c", false },
		{ "**", "a/b", false },
		{ "targets/*.tgz", "targets/foo.tgz", true },
		{ "targets/*.tgz", "targets/foo.txt", false },
		{ "foo-version-?.tgz", "foo-version-2.tgz", true },
		{ "foo-version-?.tgz", "foo-version-alpha.tgz", false },
		{ "a?c", "a/c", false },
		{ "?", "\xc3\xa9", true },
		{ "?", "\xf0\x9f\x94\x91", true },
		{ "A", "a", false },
		{ "*.json", ".json", true },
		{ "a*b*c", "aXbXbXc", true },
		{ "a*b*c", "aXbXbX", false },
		{ "[a-c]x", "bx", true },
		{ "[a-c]x", "dx", false },
		{ "[!a-c]x", "dx", true },
		{ "[!a-c]x", "bx", false },
		{ "[!a]x", "/x", false },
		{ "[]]", "]", true },
		{ "[-a]", "-", true },
		{ "[\xc3\xa0-\xc3\xaa]", "\xc3\xa9", true },
		{ "[a", "[a", true },
		{ "[a", "a", false },
		{ "[a/b]", "[a/b]", true },
		{ "\\*", "\\x", true },
		{ "\\*", "*", false },
		{ "", "", true },
		{ "", "a", false },
		{ "/a", "a", false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (tuf_glob_match(cases[i].pattern, cases[i].path) != cases[i].matches) {
			fail_msg("%s against %s", cases[i].pattern, cases[i].path);
		}
	}
}

static void a_hostile_pattern_takes_no_exponential_time(void **state)
{
	(void)state;
	char pattern[4001], path[4001];
	for (size_t i = 0; i + 1 < sizeof pattern; i++) {
		pattern[i] = i % 2 == 0 ? '*' : 'a';
		path[i] = 'a';
	}
	pattern[sizeof pattern - 2] = 'b';
	pattern[sizeof pattern - 1] = path[sizeof path - 1] = '\0';
	assert_false(tuf_glob_match(pattern, path));
}

static void patterns_that_could_hold_a_folder_are_found(void **state)
{
	(void)state;
	assert_true(tuf_glob_may_hold("releases/*", "releases/"));
	assert_true(tuf_glob_may_hold("rel*/1.?.json", "releases/"));
	assert_true(tuf_glob_may_hold("*", ""));
	assert_true(tuf_glob_may_hold("a/b/c", "a/b/"));
	assert_false(tuf_glob_may_hold("*", "releases/"));
	assert_false(tuf_glob_may_hold("firmware/*", "releases/"));
	assert_false(tuf_glob_may_hold("releases", "releases/"));
	assert_false(tuf_glob_may_hold("a/x/c", "a/b/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_the_specification_and_others_say),
		cmocka_unit_test(a_hostile_pattern_takes_no_exponential_time),
		cmocka_unit_test(patterns_that_could_hold_a_folder_are_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
