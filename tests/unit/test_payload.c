#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/le.h"
#include "tests/unit/payload_fixture.h"

#define SEG DCD_SEGMENT_SIZE_MIN

static uint8_t old_image[5 * SEG], new_image[5 * SEG - 9];

static void make(struct fixture_payload *ret)
{
	uint64_t seed = 23;
	fixture_fill(&seed, old_image, sizeof old_image);
	memcpy(new_image, old_image, sizeof new_image);
	memset(new_image, 0, SEG);
	for (size_t i = 0; i < SEG; i += 30) {
		new_image[2 * SEG + i]++;
	}
	fixture_fill(&seed, new_image + 3 * SEG, SEG);
	const struct dcd_encode_options options = { .segment_size = SEG, .alg = &dcd_sha256 };
	assert_int_equal(fixture_encode(old_image, sizeof old_image, new_image, sizeof new_image, &options, ret), 0);
}

static int open_table(const uint8_t *data, size_t len, struct dcd_payload *ret)
{
	uint8_t *tight = malloc(len > 0 ? len : 1);
	memcpy(tight, data, len);
	int err = dcd_payload_open(tight, len, &dcd_sha256, ret);
	free(tight);
	return err;
}

static void a_written_table_reads_back(void **state)
{
	(void)state;
	struct fixture_payload p = { 0 };
	make(&p);
	struct dcd_payload payload;
	assert_int_equal(dcd_payload_open(p.data, (size_t)p.result.table_length, &dcd_sha256, &payload), 0);
	assert_int_equal(payload.segment_count, 5);
	assert_int_equal(payload.image_size, sizeof new_image);
	assert_int_equal(payload.base_size, sizeof old_image);
	assert_int_equal(dcd_payload_frames_offset(&payload) + payload.frames_length, p.len);
	struct dcd_payload_entry entry;
	dcd_payload_entry(&payload, 4, &entry);
	assert_int_equal(entry.kind, DCD_FRAME_SAME);
	assert_int_equal(entry.segment_length, SEG - 9);
	assert_int_equal(entry.segment_offset, 4 * SEG);
	free(p.data);
}

/*
 * Every bit of header and table: refused when opened, or by the table's own hash. Opening alone can't see a changed frame
 * hash or base id, or a larger max_scratch; the hash in the signed manifest sees everything.
 */
static void every_flipped_bit_is_refused_by_structure_or_by_hash(void **state)
{
	(void)state;
	struct fixture_payload p = { 0 };
	make(&p);
	size_t len = (size_t)p.result.table_length, opened = 0;
	for (size_t bit = 0; bit < 8 * len; bit++) {
		p.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		struct dcd_payload payload;
		struct dcd_hash hash;
		dcd_hash_once(&dcd_sha256, p.data, len, &hash);
		assert_false(dcd_hash_equal(&hash, &p.result.table_hash));
		opened += open_table(p.data, len, &payload) == 0;
		p.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
	}
	/* base size, base id, max_scratch, two frame hashes: nothing else may pass, and nothing else does. */
	assert_true(opened <= 8 * (8 + 32 + 4 + 2 * 32));
	free(p.data);
}

static void every_length_but_the_right_one_is_refused(void **state)
{
	(void)state;
	struct fixture_payload p = { 0 };
	make(&p);
	struct dcd_payload payload;
	for (size_t len = 0; len < p.len; len++) {
		assert_int_equal(open_table(p.data, len, &payload), len == p.result.table_length ? 0 : DCD_ERR_MALFORMED);
	}
	free(p.data);
}

/* Sets one field and expects one error. */
static void expect_u32(size_t offset, uint32_t value, int err)
{
	struct fixture_payload p = { 0 };
	struct dcd_payload payload;
	make(&p);
	dcd_le32_put(p.data + offset, value);
	assert_int_equal(open_table(p.data, (size_t)p.result.table_length, &payload), err);
	free(p.data);
}

static void what_a_newer_writer_may_add_is_unsupported_not_guessed(void **state)
{
	(void)state;
	expect_u32(DCD_HEADER_MAGIC, 0x12345678, DCD_ERR_UNSUPPORTED);
	expect_u32(DCD_HEADER_VERSION, (uint32_t)DCD_FORMAT_ENTRY_SIZE << 16 | 2, DCD_ERR_UNSUPPORTED);
	expect_u32(DCD_HEADER_FEATURES, 1U << 31, DCD_ERR_UNSUPPORTED);
	expect_u32(DCD_FORMAT_HEADER_SIZE + DCD_ENTRY_KIND, 4, DCD_ERR_UNSUPPORTED);
	expect_u32(DCD_FORMAT_HEADER_SIZE + DCD_ENTRY_KIND, 1U << 8, DCD_ERR_UNSUPPORTED); /* a filter where none belongs */
	expect_u32(DCD_FORMAT_HEADER_SIZE + DCD_ENTRY_KIND, 4U << 8, DCD_ERR_UNSUPPORTED); /* a filter to come */
}

static void fields_out_of_bounds_are_malformed(void **state)
{
	(void)state;
	expect_u32(DCD_HEADER_SEGMENT_SIZE, 0, DCD_ERR_MALFORMED);
	expect_u32(DCD_HEADER_SEGMENT_SIZE, SEG + 1, DCD_ERR_MALFORMED);
	expect_u32(DCD_HEADER_SEGMENT_SIZE, 2 * SEG, DCD_ERR_MALFORMED);
	expect_u32(DCD_HEADER_SEGMENT_COUNT, 4, DCD_ERR_MALFORMED);
	expect_u32(DCD_HEADER_SEGMENT_COUNT, UINT32_MAX, DCD_ERR_MALFORMED);
	expect_u32(DCD_HEADER_IMAGE_SIZE + 4, UINT32_MAX, DCD_ERR_MALFORMED);
	expect_u32(DCD_HEADER_MAX_FRAME, 0, DCD_ERR_MALFORMED);
	expect_u32(DCD_HEADER_MAX_SCRATCH, UINT32_MAX, DCD_ERR_MALFORMED);
	expect_u32(DCD_HEADER_FRAMES_LENGTH, 1, DCD_ERR_MALFORMED);
	/* Nothing of this payload is repacked. */
	expect_u32(DCD_HEADER_FEATURES, 1, DCD_ERR_MALFORMED);
	expect_u32(DCD_HEADER_PACK_MEMORY, 1, DCD_ERR_MALFORMED);
	expect_u32(DCD_HEADER_PACK_MARK, 1, DCD_ERR_MALFORMED);
	expect_u32(DCD_FORMAT_HEADER_SIZE + DCD_ENTRY_KIND, 1U << 24, DCD_ERR_MALFORMED);  /* reserved */
	expect_u32(DCD_FORMAT_HEADER_SIZE + DCD_ENTRY_FRAME_LENGTH, 1, DCD_ERR_MALFORMED); /* of a zero frame */
	expect_u32(DCD_FORMAT_HEADER_SIZE + DCD_ENTRY_SEGMENT_HASH, 1, DCD_ERR_HASH);
	expect_u32(DCD_HEADER_IMAGE_ID, 1, DCD_ERR_HASH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_written_table_reads_back),
		cmocka_unit_test(every_flipped_bit_is_refused_by_structure_or_by_hash),
		cmocka_unit_test(every_length_but_the_right_one_is_refused),
		cmocka_unit_test(what_a_newer_writer_may_add_is_unsupported_not_guessed),
		cmocka_unit_test(fields_out_of_bounds_are_malformed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
