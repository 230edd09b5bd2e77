#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "manifest/json/json.h"

static int parse(const char *text, struct dcd_json **ret)
{
	struct dcd_diag diag;
	return dcd_json_parse((const uint8_t *)text, strlen(text), "test", ret, &diag);
}

static void assert_refused(const char *text)
{
	struct dcd_json *document = NULL;
	assert_int_equal(parse(text, &document), DCD_ERR_MALFORMED);
	assert_null(document);
}

static void what_the_contract_excludes_is_refused(void **state)
{
	(void)state;
	assert_refused("");
	assert_refused("{");
	assert_refused("{} x");
	assert_refused("{\"a\":1,\"a\":2}");
	assert_refused("{\"a\":1.0}");
	assert_refused("{\"a\":1e3}");
	assert_refused("{\"a\":1E3}");
	assert_refused("{\"a\":9223372036854775808}");
	assert_refused("{\"a\":\"\\u0000\"}");
	assert_refused("{\"a\":\"\xff\"}");
	assert_refused("{\"a\":\"\\ud800\"}");
}

static void depth_is_bounded_before_anything_recurses(void **state)
{
	(void)state;
	struct dcd_json *document = NULL;
	char text[2 * DCD_JSON_DEPTH_MAX + 4];
	memset(text, '[', DCD_JSON_DEPTH_MAX);
	memset(text + DCD_JSON_DEPTH_MAX, ']', DCD_JSON_DEPTH_MAX);
	text[2 * DCD_JSON_DEPTH_MAX] = '\0';
	assert_int_equal(parse(text, &document), 0);
	dcd_json_free(document);

	size_t many = 1U << 20;
	uint8_t *deep = malloc(many);
	assert_non_null(deep);
	memset(deep, '[', many);
	document = NULL;
	assert_int_equal(dcd_json_parse(deep, many, "deep", &document, NULL), DCD_ERR_MALFORMED);
	free(deep);
}

static void brackets_dots_and_exponents_inside_strings_are_text(void **state)
{
	(void)state;
	struct dcd_json *document = NULL;
	assert_int_equal(
		parse("{\"a.E1e5\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ \\\" 1.5 \\\\\",\"b\":true,\"c\":false}", &document),
		0);
	assert_true(dcd_json_is_string(dcd_json_member(document, "a.E1e5")));
	assert_true(dcd_json_bool(dcd_json_member(document, "b")));
	dcd_json_free(document);
}

static void getters_hold_types_and_bounds(void **state)
{
	(void)state;
	struct dcd_json *document = NULL;
	struct dcd_diag diag;
	assert_int_equal(parse("{\"n\":-1,\"m\":7,\"s\":\"four\",\"h\":\"00\",\"o\":{},\"a\":[1]}", &document), 0);
	uint64_t n = 99;
	const char *s = NULL;
	struct dcd_hash hash;
	const struct dcd_json *node = NULL;
	assert_int_equal(dcd_json_get_u64(document, "n", "t", 0, 10, &n, &diag), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_json_get_u64(document, "m", "t", 8, 10, &n, &diag), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_json_get_u64(document, "m", "t", 0, 6, &n, &diag), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_json_get_u64(document, "s", "t", 0, 6, &n, &diag), DCD_ERR_MALFORMED);
	assert_int_equal(n, 99);
	assert_int_equal(dcd_json_get_u64(document, "m", "t", 7, 7, &n, &diag), 0);
	assert_int_equal(n, 7);
	assert_int_equal(dcd_json_get_string(document, "s", "t", 3, &s, &diag), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_json_get_string(document, "s", "t", 4, &s, &diag), 0);
	assert_string_equal(s, "four");
	assert_int_equal(dcd_json_get_hash(document, "h", "t", &hash, &diag), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_json_get_object(document, "a", "t", &node, &diag), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_json_get_array(document, "missing", "the file", &node, &diag), DCD_ERR_MALFORMED);
	assert_non_null(strstr(diag.text, "the file"));
	assert_non_null(strstr(diag.text, "missing"));
	assert_null(dcd_json_member(NULL, "x"));
	dcd_json_free(document);
}

static void what_is_written_reads_back(void **state)
{
	(void)state;
	struct dcd_json *object = dcd_json_new_object();
	struct dcd_json *array = dcd_json_new_array();
	assert_int_equal(dcd_json_append_string(array, "x"), 0);
	assert_int_equal(dcd_json_set(object, "list", array), 0);
	assert_int_equal(dcd_json_set(object, "none", NULL), DCD_ERR_NO_MEMORY);
	assert_int_equal(dcd_json_set_u64(object, "n", UINT64_MAX), DCD_ERR_USAGE);
	assert_int_equal(dcd_json_set_u64(object, "n", INT64_MAX), 0);
	assert_int_equal(dcd_json_set_bool(object, "yes", true), 0);
	char *text = dcd_json_text(object, true);
	struct dcd_json *back = NULL;
	assert_int_equal(parse(text, &back), 0);
	assert_int_equal(dcd_json_integer(dcd_json_member(back, "n")), INT64_MAX);
	assert_string_equal(dcd_json_string(dcd_json_item(dcd_json_member(back, "list"), 0)), "x");
	assert_int_equal(dcd_json_count(back), 3);
	free(text);
	dcd_json_free(object);
	dcd_json_free(back);
}

/* What jansson asks for; the linker sends it here. */
static unsigned long asked, fail_at = ULONG_MAX;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	return asked++ == fail_at ? NULL : __real_malloc(size);
}

/* Its lexer reads on behind a buffer that couldn't grow, its writer leaves out what found no room: an allocation that fails must
 * end both. */
static void without_memory_nothing_is_read_or_written_by_halves(void **state)
{
	static const char text[] =
		"{\"a name that outgrows the first buffer\":\"a value that outgrows it too, and the second one as well\","
		"\"list\":[\"escaped \\\" and \\u00e9 in a string of more than sixteen bytes\",{\"a\":1}]}";
	struct dcd_json *whole = NULL;
	(void)state;
	fail_at = ULONG_MAX;
	assert_int_equal(parse(text, &whole), 0);
	char *expected = dcd_json_text(whole, true);
	assert_non_null(expected);
	int failures = 0, ends = 0;
	for (fail_at = 0; ends < 2; fail_at++) {
		struct dcd_json *document = NULL;
		asked = 0;
		int err = parse(text, &document);
		bool struck = asked > fail_at;
		assert_int_equal(err, struck ? DCD_ERR_NO_MEMORY : 0);
		dcd_json_free(document);
		asked = 0;
		char *written = dcd_json_text(whole, true);
		assert_true(asked > fail_at ? written == NULL : strcmp(written, expected) == 0);
		failures += struck || asked > fail_at;
		ends += !struck && asked <= fail_at;
		free(written);
	}
	assert_true(failures > 10);
	fail_at = ULONG_MAX;
	free(expected);
	dcd_json_free(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_contract_excludes_is_refused),
		cmocka_unit_test(depth_is_bounded_before_anything_recurses),
		cmocka_unit_test(brackets_dots_and_exponents_inside_strings_are_text),
		cmocka_unit_test(getters_hold_types_and_bounds),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(without_memory_nothing_is_read_or_written_by_halves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
