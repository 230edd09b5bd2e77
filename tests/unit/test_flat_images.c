/* Segments of the flat image, whose plain bytes need not be in memory: each is what was there when all of it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/le.h"
#include "bsdiff/codec/deflate_pack.h"
#include "bsdiff/diff/flat_images.h"
#include "tests/unit/payload_fixture.h"

#define IMAGE_MAX (2U << 20)
#define TEXT_MAX 30000U
#define SEG DCD_SEGMENT_SIZE_MIN

/* Noise, and now and then a gzip member of a text; in the two images only the texts differ. */
static size_t image_make(uint64_t seed, uint8_t *image, uint8_t *text, char letter, void *memory)
{
	static const uint8_t head[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3 };
	size_t at = 0;
	while (at < IMAGE_MAX - 200000) {
		size_t noise = fixture_random(&seed) % 40000, len = 1 + fixture_random(&seed) % TEXT_MAX, n;
		fixture_fill(&seed, image + at, noise);
		at += noise;
		for (size_t i = 0; i < len; i++) {
			text[i] = (uint8_t)(i % 97 == 0 ? letter : "etaoin shrdlu"[fixture_random(&seed) % 13]);
		}
		memcpy(image + at, head, sizeof head);
		at += sizeof head;
		assert_int_equal(dcd_deflate_pack(9 | DCD_DEFLATE_GZIP, image + at, IMAGE_MAX - at, text, len, memory,
						  dcd_deflate_memory(), &n),
				 0);
		at += n + 8;
		dcd_le32_put(image + at - 8, 0); /* nobody looks at the checksum */
		dcd_le32_put(image + at - 4, (uint32_t)len);
	}
	return at;
}

static void assert_segments(const struct dcd_flat_images *flat, uint32_t segment_size, const uint8_t *whole)
{
	struct dcd_byte_buffer room = { 0 };
	uint64_t segments = dcd_div_ceil_u64(flat->image_len, segment_size), end = 0;
	for (uint64_t i = 0; i < segments; i++) {
		struct dcd_flat_segment segment = dcd_flat_segment_at(flat, segment_size, i);
		assert_int_equal(dcd_flat_segment_fill(flat, &segment, &room), 0);
		assert_true(segment.segment.offset <= end); /* a block on the edge is in both */
		end = segment.segment.offset + segment.segment.len;
		assert_memory_equal(segment.segment.data, whole + segment.segment.offset, segment.segment.len);
	}
	assert_true(end == flat->image.len);
	dcd_byte_buffer_free(&room);
}

/* Behind [from, end) and in blocks everything is still there. */
static void assert_kept(const struct dcd_flat_images *flat, uint64_t from, uint64_t end, const uint8_t *whole)
{
	size_t block = 0;
	for (uint64_t at = 0; at < flat->image.len; at++) {
		while (block < flat->blocks.count && flat->at[block] + flat->blocks.items[block].len <= at) {
			block++;
		}
		bool opened = block < flat->blocks.count && flat->at[block] <= at;
		assert_true(flat->image.data[at] == whole[at] || (!opened && from <= at && at < end));
	}
}

static void segments_are_whole_when_plain_bytes_of_the_flat_image_are_forgotten(void **state)
{
	(void)state;
	uint8_t *base = malloc(IMAGE_MAX), *image = malloc(IMAGE_MAX), *text = malloc(TEXT_MAX);
	void *memory = malloc(dcd_deflate_memory());
	const struct dcd_encode_options options = { .segment_size = SEG, .effort = 1, .alg = &dcd_sha256 };
	for (uint64_t seed = 1; seed <= 4; seed++) {
		const struct dcd_bytes old = { base, image_make(seed, base, text, 'a', memory) };
		const struct dcd_bytes new = { image, image_make(seed, image, text, 'b', memory) };
		struct dcd_flat_images flat = { 0 };
		assert_int_equal(dcd_flat_images_make(&old, &new, &options, &flat), 0);
		assert_true(flat.blocks.count > 10);
		uint8_t *whole = malloc(flat.image.len);
		memcpy(whole, flat.image.data, flat.image.len);
		uint64_t from = flat.image.len / 3 + seed, end = flat.image.len - flat.image.len / 5;
		dcd_flat_image_forget(&flat, from, end);
		assert_kept(&flat, from, end, whole);
		assert_memory_not_equal(flat.image.data, whole, flat.image.len); /* something did go */
		dcd_flat_image_forget(&flat, 0, flat.image.len);
		for (uint32_t size = SEG; size <= 1U << 20; size *= 4) {
			assert_segments(&flat, size, whole);
		}
		dcd_flat_base_forget(&flat, flat.base_len + 1);
		for (size_t i = 0; i < flat.base_blocks.count; i++) {
			assert_true(flat.base_at[i] >= flat.base_len && flat.base.data[flat.base_at[i]] != 0);
		}
		free(whole);
		dcd_flat_images_free(&flat);
	}
	free(memory);
	free(text);
	free(image);
	free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_whole_when_plain_bytes_of_the_flat_image_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
