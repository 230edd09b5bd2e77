#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hex.h"

static void a_hash_survives_the_way_to_text_and_back(void **state)
{
	(void)state;
	struct dcd_hash hash, back;
	for (size_t i = 0; i < DCD_HASH_SIZE; i++) {
		hash.bytes[i] = (uint8_t)(i * 7 + 0x80);
	}
	char text[DCD_HASH_HEX_SIZE];
	dcd_hash_to_hex(&hash, text);
	assert_true(dcd_hash_from_hex(text, &back));
	assert_true(dcd_hash_equal(&hash, &back));
}

static void upper_case_and_wrong_lengths_are_refused(void **state)
{
	(void)state;
	uint8_t out[4];
	assert_true(dcd_hex_decode("00ffa9", 6, out));
	assert_int_equal(out[1], 0xff);
	assert_false(dcd_hex_decode("00FFa9", 6, out));
	assert_false(dcd_hex_decode("00f", 3, out));
	assert_false(dcd_hex_decode("0g", 2, out));
	struct dcd_hash hash;
	assert_false(dcd_hash_from_hex("", &hash));
	assert_false(dcd_hash_from_hex("00", &hash));
	assert_false(dcd_hash_from_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550", &hash));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hash_survives_the_way_to_text_and_back),
		cmocka_unit_test(upper_case_and_wrong_lengths_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
