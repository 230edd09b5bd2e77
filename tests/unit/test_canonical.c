#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "manifest/json/canonical.h"

static void assert_canonical(const char *text, const char *expected)
{
	struct dcd_json *document = NULL;
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(dcd_json_parse((const uint8_t *)text, strlen(text), "test", &document, NULL), 0);
	assert_int_equal(dcd_json_canonical_bytes(document, &data, &len), 0);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(data, expected, len);
	free(data);
	dcd_json_free(document);
}

static void keys_are_sorted_and_white_space_goes(void **state)
{
	(void)state;
	assert_canonical("{ \"b\" : [ 1 , -2 , true , false , null ] , \"a\" : { } , \"B\" : [ ] }",
			 "{\"B\":[],\"a\":{},\"b\":[1,-2,true,false,null]}");
	/* U+FF5E sorts before U+1F600, though its UTF-16 unit is the larger one. */
	assert_canonical("{\"\\ud83d\\ude00\":1,\"\\uff5e\":2,\"z\":3}", "{\"z\":3,\"\xef\xbd\x9e\":2,\"\xf0\x9f\x98\x80\":1}");
}

static void only_quote_and_backslash_are_escaped(void **state)
{
	(void)state;
	assert_canonical("[\"\\\"\\\\\\/\\n\\t\\u00e9\\u001f\"]", "[\"\\\"\\\\/\n\t\xc3\xa9\x1f\"]");
}

static void as_a_file_control_characters_are_escaped(void **state)
{
	(void)state;
	static const char text[] = "[\"\\b\\t\\n\\u000b\\f\\r\\u001f\\\"\x7f\xc3\xa9\"]";
	struct dcd_json *document = NULL;
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(dcd_json_parse((const uint8_t *)text, sizeof text - 1, "test", &document, NULL), 0);
	assert_int_equal(dcd_json_canonical_file_bytes(document, &data, &len), 0);
	assert_int_equal(len, sizeof text - 1);
	assert_memory_equal(data, text, len);
	free(data);
	dcd_json_free(document);
}

static void deep_documents_come_out_whole(void **state)
{
	(void)state;
	assert_canonical("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[7]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
			 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[7]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
}

static void a_tree_deeper_than_can_be_read_has_no_canonical_form(void **state)
{
	(void)state;
	struct dcd_json *tree = dcd_json_new_array();
	for (int i = 0; i < DCD_JSON_DEPTH_MAX; i++) {
		struct dcd_json *outer = dcd_json_new_object();
		assert_int_equal(dcd_json_set(outer, "x", tree), 0);
		tree = outer;
	}
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(dcd_json_canonical_bytes(tree, &data, &len), DCD_ERR_MALFORMED);
	assert_null(data);
	dcd_json_free(tree);
}

static int stop_at_third(void *context, const void *data, size_t len)
{
	(void)data;
	(void)len;
	return ++*(int *)context == 3 ? DCD_ERR_CANCELLED : 0;
}

static void the_writers_error_ends_the_writing(void **state)
{
	(void)state;
	struct dcd_json *document = NULL;
	assert_int_equal(dcd_json_parse((const uint8_t *)"{\"a\":{\"b\":1}}", 13, "test", &document, NULL), 0);
	int calls = 0;
	assert_int_equal(dcd_json_canonical(document, stop_at_third, &calls), DCD_ERR_CANCELLED);
	assert_int_equal(calls, 3);
	dcd_json_free(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_sorted_and_white_space_goes),
		cmocka_unit_test(only_quote_and_backslash_are_escaped),
		cmocka_unit_test(as_a_file_control_characters_are_escaped),
		cmocka_unit_test(deep_documents_come_out_whole),
		cmocka_unit_test(a_tree_deeper_than_can_be_read_has_no_canonical_form),
		cmocka_unit_test(the_writers_error_ends_the_writing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
