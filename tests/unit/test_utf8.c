#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/diag.h"
#include "base/utf8.h"

static void expect_clean(const char *from, const char *to)
{
	char text[64];
	(void)strcpy(text, from);
	dcd_utf8_clean(text);
	assert_string_equal(text, to);
}

static void text_that_is_in_order_stays_as_it_is(void **state)
{
	(void)state;
	expect_clean("", "");
	expect_clean("plain ~", "plain ~");
	expect_clean("\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82\xf4\x8f\xbf\xbf",
		     "\xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x99\x82\xf4\x8f\xbf\xbf");
}

static void what_is_no_utf8_is_replaced_byte_by_byte(void **state)
{
	(void)state;
	expect_clean("\xff\xfe", "??");
	expect_clean("a\x80z", "a?z");
	expect_clean("\xc0\xaf", "??");
	expect_clean("\xe0\x80\x80", "???");
	expect_clean("\xed\xa0\x80", "???");
	expect_clean("\xf4\x90\x80\x80", "????");
	expect_clean("\xe2\x82", "??");
	expect_clean("\xe2", "?");
	expect_clean("\xf0\x9f\x99", "???");
}

static void control_characters_never_reach_a_terminal(void **state)
{
	(void)state;
	expect_clean("a\033[2J\nb\177", "a?[2J?b?");
	expect_clean("\xc2\x9b"
		     "31m",
		     "??31m");
}

static void a_sentence_is_utf8_also_where_it_was_cut(void **state)
{
	(void)state;
	char name[DCD_DIAG_TEXT + 2] = "x";
	for (size_t i = 1; i < DCD_DIAG_TEXT; i += 2) {
		memcpy(name + i, "\xc3\xa9", 3);
	}
	for (int shift = 0; shift < 2; shift++) {
		struct dcd_diag diag = { 0 };
		char again[DCD_DIAG_TEXT];
		assert_int_equal(dcd_diag_set(&diag, DCD_ERR_IO, "%s", name + shift), DCD_ERR_IO);
		(void)strcpy(again, diag.text);
		dcd_utf8_clean(again);
		assert_string_equal(diag.text, again);
		(void)dcd_diag_prefix(&diag, DCD_ERR_IO, shift == 0 ? "ab" : "abc");
		(void)strcpy(again, diag.text);
		dcd_utf8_clean(again);
		assert_string_equal(diag.text, again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_that_is_in_order_stays_as_it_is),
		cmocka_unit_test(what_is_no_utf8_is_replaced_byte_by_byte),
		cmocka_unit_test(control_characters_never_reach_a_terminal),
		cmocka_unit_test(a_sentence_is_utf8_also_where_it_was_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
