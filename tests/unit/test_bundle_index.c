#include "updater/source/bundle_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "updater/source/bundle_format.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MANIFEST "targets/releases/" HASH ".1.0.json"

static char text[8192];

static int parse(const char *entries, const char *version, struct dcd_bundle_index *ret, struct dcd_diag *diag)
{
	int len = snprintf(text, sizeof text,
			   "{\"_type\":\"decade-bundle\",\"entries\":[%s],\"format_version\":1,\"version\":\"%s\"}", entries,
			   version);
	assert_true(len > 0 && (size_t)len < sizeof text);
	return dcd_bundle_index_parse((const uint8_t *)text, (size_t)len, "x.dcb", ret, diag);
}

/* An index of a fixed length of text has its first entry's header at 1024 and data at 1536. */
#define FIRST "{\"name\":\"" MANIFEST "\",\"offset\":1536,\"size\":10}"

static void refused_with(int expected, const char *entries, const char *version, const char *words)
{
	struct dcd_bundle_index index = { 0 };
	struct dcd_diag diag = { 0 };
	assert_int_equal(parse(entries, version, &index, &diag), expected);
	assert_null(index.entries);
	assert_non_null(strstr(diag.text, "x.dcb"));
	assert_non_null(strstr(diag.text, words));
}

static void refused(const char *entries, const char *words)
{
	refused_with(DCD_ERR_MALFORMED, entries, "1.0", words);
}

static void a_good_index_says_where_everything_is(void **state)
{
	(void)state;
	struct dcd_bundle_index index;
	assert_int_equal(parse(FIRST ",{\"name\":\"a\",\"offset\":2560,\"size\":0},{\"name\":\"b\",\"offset\":4096,\"size\":513}",
			       "1.0", &index, NULL),
			 0);
	assert_int_equal(index.count, 3);
	assert_string_equal(index.version, "1.0");
	assert_int_equal(index.end, 4096 + 513);
	assert_int_equal(index.total, 4096 + 1024 + 1024);
	assert_int_equal(dcd_bundle_index_find(&index, "b")->offset, 4096);
	assert_int_equal(dcd_bundle_index_find(&index, MANIFEST)->size, 10);
	assert_null(dcd_bundle_index_find(&index, "c"));
	assert_null(dcd_bundle_index_find(&index, ""));
	dcd_bundle_index_free(&index);
}

static void gaps_are_what_lies_between(void **state)
{
	(void)state;
	struct dcd_bundle_index index;
	assert_int_equal(parse(FIRST ",{\"name\":\"a\",\"offset\":3584,\"size\":0}", "1.0", &index, NULL), 0);
	struct dcd_bundle_gap gap = dcd_bundle_index_gap(&index, 0);
	assert_int_equal(gap.begin, 512 + index.size);
	assert_int_equal(gap.begin + gap.padding, 1024);
	assert_int_equal(gap.begin + gap.length, 1536);
	gap = dcd_bundle_index_gap(&index, 1); /* a long header */
	assert_int_equal(gap.begin, 1546);
	assert_int_equal(gap.padding, 2048 - 1546);
	assert_int_equal(gap.length, 3584 - 1546);
	gap = dcd_bundle_index_gap(&index, 2);
	assert_int_equal(gap.begin, 3584);
	assert_int_equal(gap.padding, 0);
	assert_int_equal(gap.length, DCD_BUNDLE_TRAILER);
	dcd_bundle_index_free(&index);
}

static void entries_that_overlap_or_leave_holes_are_refused(void **state)
{
	(void)state;
	refused("{\"name\":\"" MANIFEST "\",\"offset\":1535,\"size\":10}", "where it can't be");
	refused("{\"name\":\"" MANIFEST "\",\"offset\":2048,\"size\":10}", "where it can't be");
	refused("{\"name\":\"" MANIFEST "\",\"offset\":3072,\"size\":10}", "where it can't be");
	refused("{\"name\":\"" MANIFEST "\",\"offset\":0,\"size\":10}", "where it can't be");
	refused(FIRST ",{\"name\":\"a\",\"offset\":1536,\"size\":1}", "where it can't be");
	refused(FIRST ",{\"name\":\"a\",\"offset\":2561,\"size\":1}", "where it can't be");
}

static void sizes_near_the_end_of_64_bits_do_not_wrap(void **state)
{
	(void)state;
	refused("{\"name\":\"" MANIFEST "\",\"offset\":1536,\"size\":9223372036854775807}", "larger than a file");
	refused("{\"name\":\"" MANIFEST "\",\"offset\":9223372036854775807,\"size\":1}", "where it can't be");
	refused("{\"name\":\"" MANIFEST "\",\"offset\":1536,\"size\":18446744073709551615}", "x.dcb");
	refused("{\"name\":\"" MANIFEST "\",\"offset\":-1,\"size\":1}", "offset");
}

static void names_that_no_repository_has_are_refused(void **state)
{
	(void)state;
	static const char *const names[] = { "",    "/a",       "a//b", "a/../b",        "..",        ".", "a/.", "a\\\\b",
					     "a b", "a\\u001b", "a/",   "decade-bundle", "t\\u00efme" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char entries[1024];
		(void)snprintf(entries, sizeof entries, FIRST ",{\"name\":\"%s\",\"offset\":2560,\"size\":1}", names[i]);
		refused(entries, "x.dcb");
	}
}

static void a_name_may_be_long_but_not_too_long(void **state)
{
	(void)state;
	char name[DCD_BUNDLE_NAME_MAX + 2];
	memset(name, 'n', sizeof name);
	name[DCD_BUNDLE_NAME_MAX + 1] = '\0';
	assert_false(dcd_bundle_name_ok(name));
	name[DCD_BUNDLE_NAME_MAX] = '\0';
	assert_true(dcd_bundle_name_ok(name));
}

static void a_name_twice_is_refused(void **state)
{
	(void)state;
	refused(FIRST ",{\"name\":\"a\",\"offset\":2560,\"size\":0},{\"name\":\"a\",\"offset\":3072,\"size\":0}", "a twice");
}

static void exactly_the_manifest_of_the_version_is_there(void **state)
{
	(void)state;
	refused("{\"name\":\"a\",\"offset\":1536,\"size\":0}", "one release");
	refused_with(DCD_ERR_MALFORMED, FIRST, "1.1", "one release");
	refused_with(DCD_ERR_MALFORMED, FIRST, "", "one release");
	refused(FIRST ",{\"name\":\"targets/releases/" HASH ".2.0.json\",\"offset\":2560,\"size\":0}", "one release");
}

static void refused_text(const char *json, int expected)
{
	struct dcd_bundle_index index = { 0 };
	assert_int_equal(dcd_bundle_index_parse((const uint8_t *)json, strlen(json), "x.dcb", &index, NULL), expected);
	assert_null(index.entries);
}

static void what_is_no_index_is_refused(void **state)
{
	(void)state;
	refused_text("", DCD_ERR_MALFORMED);
	refused_text("[]", DCD_ERR_MALFORMED);
	refused_text("{}", DCD_ERR_MALFORMED);
	refused_text("{\"_type\":\"targets\",\"entries\":[],\"format_version\":1,\"version\":\"1\"}", DCD_ERR_MALFORMED);
	refused_text("{\"_type\":\"decade-bundle\",\"entries\":[],\"format_version\":1,\"version\":\"1\"}", DCD_ERR_MALFORMED);
	refused_text("{\"_type\":\"decade-bundle\",\"entries\":[],\"format_version\":2,\"version\":\"1\"}", DCD_ERR_UNSUPPORTED);
	refused_text("{\"_type\":\"decade-bundle\",\"entries\":[1],\"format_version\":1,\"version\":\"1\"}", DCD_ERR_MALFORMED);
	refused_text("{\"_type\":\"decade-bundle\",\"entries\":[" FIRST "],\"format_version\":1,\"version\":\"1.0\",\"x\":1}",
		     DCD_ERR_MALFORMED);
	refused("{\"name\":\"" MANIFEST "\",\"offset\":1024,\"size\":10,\"mode\":1}", "more of");
}

static void more_entries_than_a_device_keeps_are_refused(void **state)
{
	(void)state;
	size_t room = (DCD_BUNDLE_ENTRIES_MAX + 1) * 64 + 256;
	char *json = malloc(room);
	assert_non_null(json);
	int len = snprintf(json, room, "{\"_type\":\"decade-bundle\",\"format_version\":1,\"version\":\"1\",\"entries\":[");
	for (int i = 0; i <= DCD_BUNDLE_ENTRIES_MAX; i++) {
		len += snprintf(json + len, room - (size_t)len, "%s{\"name\":\"%d\",\"offset\":0,\"size\":0}", i > 0 ? "," : "",
				i);
	}
	len += snprintf(json + len, room - (size_t)len, "]}");
	struct dcd_bundle_index index;
	struct dcd_diag diag = { 0 };
	assert_int_equal(dcd_bundle_index_parse((const uint8_t *)json, (size_t)len, "x.dcb", &index, &diag), DCD_ERR_MALFORMED);
	assert_non_null(strstr(diag.text, "4097 entries"));
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_index_says_where_everything_is),
		cmocka_unit_test(gaps_are_what_lies_between),
		cmocka_unit_test(entries_that_overlap_or_leave_holes_are_refused),
		cmocka_unit_test(sizes_near_the_end_of_64_bits_do_not_wrap),
		cmocka_unit_test(names_that_no_repository_has_are_refused),
		cmocka_unit_test(a_name_may_be_long_but_not_too_long),
		cmocka_unit_test(a_name_twice_is_refused),
		cmocka_unit_test(exactly_the_manifest_of_the_version_is_there),
		cmocka_unit_test(what_is_no_index_is_refused),
		cmocka_unit_test(more_entries_than_a_device_keeps_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
