#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bsdiff/codec/zstd_decode.h"
#include "bsdiff/codec/zstd_encode.h"

static const char text[] = "to be, or not to be, that is the question: whether to be or not to be is a question";

static size_t encode(uint8_t *out, size_t capacity)
{
	struct dcd_zstd_encoder *encoder;
	size_t len;
	assert_int_equal(dcd_zstd_encoder_new(&encoder), 0);
	assert_int_equal(dcd_zstd_encode(encoder, 19, out, capacity, (const uint8_t *)text, sizeof text, &len), 0);
	assert_int_equal(dcd_zstd_encode(encoder, 19, out, len - 1, (const uint8_t *)text, sizeof text, &len), DCD_ERR_SIZE);
	assert_int_equal(dcd_zstd_encode(encoder, 19, out, capacity, (const uint8_t *)text, sizeof text, &len), 0);
	dcd_zstd_encoder_free(encoder);
	return len;
}

static int decode(const uint8_t *coded, size_t coded_len, size_t dst_len)
{
	struct dcd_decoder decoder = dcd_zstd_decoder();
	void *memory = malloc(decoder.memory_size);
	uint8_t *tight = malloc(coded_len + 1), *dst = malloc(dst_len + 1);
	memcpy(tight, coded, coded_len);
	int err = decoder.decode(dst, dst_len, tight, coded_len, memory, decoder.memory_size);
	if (err == 0 && dst_len == sizeof text) {
		assert_memory_equal(dst, text, sizeof text);
	}
	free(dst);
	free(tight);
	free(memory);
	return err;
}

static void a_frame_decodes_only_as_what_it_declares(void **state)
{
	(void)state;
	uint8_t coded[400];
	size_t len = encode(coded, sizeof coded);
	assert_int_equal(decode(coded, len, sizeof text), 0);
	assert_int_equal(decode(coded, len, sizeof text - 1), DCD_ERR_MALFORMED);
	assert_int_equal(decode(coded, len, sizeof text + 1), DCD_ERR_MALFORMED);
	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(decode(coded, cut, sizeof text), DCD_ERR_MALFORMED);
	}
}

static void trailing_bytes_and_skippable_frames_are_refused(void **state)
{
	(void)state;
	uint8_t coded[800];
	size_t len = encode(coded, 400);
	coded[len] = 0;
	assert_int_equal(decode(coded, len + 1, sizeof text), DCD_ERR_MALFORMED);
	const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2 };
	memcpy(coded + len, skippable, sizeof skippable);
	assert_int_equal(decode(coded, len + sizeof skippable, sizeof text), DCD_ERR_MALFORMED);
	assert_int_equal(decode(skippable, sizeof skippable, 0), DCD_ERR_MALFORMED);
	assert_int_equal(decode(skippable, sizeof skippable, 2), DCD_ERR_MALFORMED);
	memcpy(coded + len, coded, len);
	assert_int_equal(decode(coded, 2 * len, sizeof text), DCD_ERR_MALFORMED);
	assert_int_equal(decode(coded, 2 * len, 2 * sizeof text), DCD_ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_decodes_only_as_what_it_declares),
		cmocka_unit_test(trailing_bytes_and_skippable_frames_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
