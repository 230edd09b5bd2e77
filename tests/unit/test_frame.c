#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/varint.h"
#include "tests/unit/payload_fixture.h"

#define SEG DCD_SEGMENT_SIZE_MIN

/* A delta frame by hand, with stored streams. */
struct hand {
	uint8_t streams[DCD_STREAM_COUNT][256];
	size_t lens[DCD_STREAM_COUNT];
	uint8_t frame[1200];
	size_t frame_len;
};

static void hand_varint(struct hand *h, enum dcd_stream id, uint64_t value)
{
	h->lens[id] += dcd_varint_put(h->streams[id] + h->lens[id], value);
}

static void hand_triple(struct hand *h, uint64_t extra, uint64_t copy, int64_t distance)
{
	hand_varint(h, DCD_STREAM_CONTROL, extra);
	hand_varint(h, DCD_STREAM_CONTROL, copy);
	hand_varint(h, DCD_STREAM_CONTROL, dcd_zigzag(distance));
}

/* What was put row by row becomes a table: the number of rows, then column by column. */
static void hand_table(struct hand *h, enum dcd_stream id, size_t columns)
{
	uint64_t values[64];
	size_t count = 0, pos = 0;
	while (pos < h->lens[id] && dcd_varint_get(h->streams[id], h->lens[id], &pos, &values[count])) {
		count++;
	}
	h->lens[id] = 0;
	if (count > 0) {
		hand_varint(h, id, count / columns);
	}
	for (size_t column = 0; column < columns; column++) {
		for (size_t i = column; i < count; i += columns) {
			hand_varint(h, id, values[i]);
		}
	}
}

static void hand_pack(struct hand *h)
{
	hand_table(h, DCD_STREAM_CONTROL, 3);
	hand_table(h, DCD_STREAM_RUNS, 2);
	h->frame[0] = 0;
	h->frame_len = 1;
	for (unsigned id = 0; id < DCD_STREAM_COUNT; id++) {
		if (h->lens[id] > 0) {
			h->frame[0]++;
			h->frame[h->frame_len++] = (uint8_t)id;
			h->frame[h->frame_len++] = DCD_CODEC_STORED;
			h->frame_len += dcd_varint_put(h->frame + h->frame_len, h->lens[id]);
			h->frame_len += dcd_varint_put(h->frame + h->frame_len, h->lens[id]);
		}
	}
	for (unsigned id = 0; id < DCD_STREAM_COUNT; id++) {
		memcpy(h->frame + h->frame_len, h->streams[id], h->lens[id]);
		h->frame_len += h->lens[id];
	}
}

static uint8_t base_bytes[3 * SEG];

/* Decodes h as the 16 bytes at offset 32 of an image; tight buffers for the sanitizers. */
static int hand_decode(struct hand *h, uint8_t out[16])
{
	for (size_t i = 0; i < sizeof base_bytes; i++) {
		base_bytes[i] = (uint8_t)i;
	}
	struct dcd_decoder zstd = dcd_zstd_decoder();
	struct dcd_packer packer = dcd_block_packer();
	struct fixture_base base;
	fixture_base_open(&base, base_bytes, sizeof base_bytes);
	const size_t workspace_size = zstd.memory_size + 16 + 1024;
	void *workspace = malloc(workspace_size);
	uint8_t *frame = malloc(h->frame_len), *segment = malloc(16);
	memcpy(frame, h->frame, h->frame_len);
	const struct dcd_frame_tools tools = { &dcd_sha256, &zstd, &base.reader, workspace, workspace_size, &packer };
	const struct dcd_payload_entry entry = {
		.kind = DCD_FRAME_DELTA, .frame_length = (uint32_t)h->frame_len, .segment_length = 16, .segment_offset = 32
	};
	int err = dcd_frame_decode(&entry, frame, h->frame_len, &tools, segment);
	memcpy(out, segment, 16);
	free(segment);
	free(frame);
	free(workspace);
	return err;
}

static void a_hand_made_delta_decodes_as_the_format_says(void **state)
{
	(void)state;
	struct hand h = { 0 };
	hand_triple(&h, 2, 6, -32); /* base 0..6 */
	hand_triple(&h, 0, 7, 94);  /* base 100..107 */
	hand_triple(&h, 1, 0, 0);
	memcpy(h.streams[DCD_STREAM_EXTRA], "\xaa\xbb\xcc", 3);
	h.lens[DCD_STREAM_EXTRA] = 3;
	hand_varint(&h, DCD_STREAM_RUNS, 5); /* a difference at the last byte of the first copy */
	hand_varint(&h, DCD_STREAM_RUNS, 1);
	hand_varint(&h, DCD_STREAM_RUNS, 0); /* and at the first of the second */
	hand_varint(&h, DCD_STREAM_RUNS, 1);
	memcpy(h.streams[DCD_STREAM_LITERALS], "\x10\xff", 2);
	h.lens[DCD_STREAM_LITERALS] = 2;
	hand_pack(&h);
	uint8_t out[16];
	assert_int_equal(hand_decode(&h, out), 0);
	const uint8_t wanted[16] = { 0xaa, 0xbb, 0, 1, 2, 3, 4, 0x15, 99, 101, 102, 103, 104, 105, 106, 0xcc };
	assert_memory_equal(out, wanted, 16);
}

static int decode_triples(const int64_t triples[][3], size_t count, size_t extra)
{
	struct hand h = { 0 };
	uint8_t out[16];
	for (size_t i = 0; i < count; i++) {
		hand_triple(&h, (uint64_t)triples[i][0], (uint64_t)triples[i][1], triples[i][2]);
	}
	h.lens[DCD_STREAM_EXTRA] = extra;
	hand_pack(&h);
	return hand_decode(&h, out);
}

static void control_that_lies_about_lengths_is_refused(void **state)
{
	(void)state;
	assert_int_equal(decode_triples((const int64_t[][3]){ { 0, 16, 0 } }, 1, 0), 0);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 0, 17, 0 } }, 1, 0), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 0, 15, 0 } }, 1, 0), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 0, -1, 0 } }, 1, 0), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { -1, 17, 0 } }, 1, 0), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 8, 8, 0 } }, 1, 7), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 8, 9, 0 } }, 1, 8), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 8, 16, 0 } }, 1, 8), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 8, 8, 0 } }, 1, 8), 0);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 8, 8, 0 } }, 1, 9), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 0, 16, 0 }, { 0, 1, 0 } }, 2, 0), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 0, 0, 0 }, { 0, 16, 0 } }, 2, 0), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 16, 0, 1 } }, 1, 16), DCD_ERR_MALFORMED);
}

static void base_offsets_that_leave_the_base_are_refused(void **state)
{
	(void)state;
	const int64_t end = (int64_t)sizeof base_bytes;
	assert_int_equal(decode_triples((const int64_t[][3]){ { 0, 16, end - 16 - 32 } }, 1, 0), 0);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 0, 16, end - 15 - 32 } }, 1, 0), DCD_ERR_WRONG_BASE);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 0, 16, -33 } }, 1, 0), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 0, 16, INT64_MIN } }, 1, 0), DCD_ERR_MALFORMED);
	assert_int_equal(decode_triples((const int64_t[][3]){ { 0, 16, INT64_MAX } }, 1, 0), DCD_ERR_WRONG_BASE);
}

static void runs_and_literals_must_be_used_up_exactly(void **state)
{
	(void)state;
	static const struct {
		uint64_t zero, literal;
		size_t literals;
		int err;
	} cases[] = {
		{ 0, 16, 16, 0 },
		{ 15, 1, 1, 0 },
		{ 16, 1, 1, DCD_ERR_MALFORMED },
		{ 15, 2, 2, DCD_ERR_MALFORMED },
		{ 15, 1, 2, DCD_ERR_MALFORMED },
		{ 14, 2, 1, DCD_ERR_MALFORMED },
		{ 3, 0, 0, DCD_ERR_MALFORMED },
		{ UINT64_MAX, UINT64_MAX, 1, DCD_ERR_MALFORMED },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct hand h = { 0 };
		uint8_t out[16];
		hand_triple(&h, 0, 16, 0);
		hand_varint(&h, DCD_STREAM_RUNS, cases[i].zero);
		hand_varint(&h, DCD_STREAM_RUNS, cases[i].literal);
		h.lens[DCD_STREAM_LITERALS] = cases[i].literals;
		hand_pack(&h);
		assert_int_equal(hand_decode(&h, out), cases[i].err);
	}
}

static void heads_with_unknown_streams_or_codecs_need_a_newer_reader(void **state)
{
	(void)state;
	struct hand good = { 0 };
	uint8_t out[16];
	hand_triple(&good, 0, 16, 0);
	hand_pack(&good);
	struct hand h = good;
	h.frame[1] = DCD_STREAM_COUNT;
	assert_int_equal(hand_decode(&h, out), DCD_ERR_UNSUPPORTED);
	h = good;
	h.frame[2] = 2;
	assert_int_equal(hand_decode(&h, out), DCD_ERR_UNSUPPORTED);
	h = good;
	h.frame[h.frame_len++] = 0; /* a trailing byte */
	assert_int_equal(hand_decode(&h, out), DCD_ERR_MALFORMED);
	for (size_t cut = 1; cut < good.frame_len; cut++) {
		h = good;
		h.frame_len = cut;
		assert_int_equal(hand_decode(&h, out), DCD_ERR_MALFORMED);
	}
}

/* An image whose segments are one of each kind, and its payload. */
static uint8_t old_image[4 * SEG], new_image[4 * SEG];

static void make_kinds(struct fixture_payload *ret)
{
	uint64_t seed = 17;
	fixture_fill(&seed, old_image, sizeof old_image);
	memcpy(new_image, old_image, sizeof new_image);
	memset(new_image, 0, SEG);
	for (size_t i = 0; i < SEG; i += 20) {
		new_image[2 * SEG + i]++;
	}
	for (size_t i = 0; i < SEG; i++) {
		new_image[3 * SEG + i] = (uint8_t)("lorem ipsum"[fixture_random(&seed) % 11]);
	}
	const struct dcd_encode_options options = { .segment_size = SEG, .alg = &dcd_sha256 };
	assert_int_equal(fixture_encode(old_image, sizeof old_image, new_image, sizeof new_image, &options, ret), 0);
}

static void any_changed_byte_of_a_frame_is_refused_before_decoding(void **state)
{
	(void)state;
	struct fixture_payload p = { 0 };
	make_kinds(&p);
	struct fixture_base base;
	fixture_base_open(&base, old_image, sizeof old_image);
	static uint8_t out[4 * SEG];
	assert_int_equal(fixture_apply(&p, &base.reader, out), 0);
	assert_memory_equal(out, new_image, sizeof out);
	for (size_t i = (size_t)p.result.table_length; i < p.len; i++) {
		p.data[i] ^= (uint8_t)(1U << (i % 8));
		assert_int_equal(fixture_apply(&p, &base.reader, out), DCD_ERR_HASH);
		p.data[i] ^= (uint8_t)(1U << (i % 8));
	}
	free(p.data);
}

static void a_wrong_base_is_told_from_a_wrong_payload(void **state)
{
	(void)state;
	struct fixture_payload p = { 0 };
	make_kinds(&p);
	static uint8_t damaged[4 * SEG], out[4 * SEG];
	struct fixture_base base;
	for (size_t segment = 1; segment <= 2; segment++) {
		memcpy(damaged, old_image, sizeof damaged);
		damaged[segment * SEG + 33] ^= 4;
		fixture_base_open(&base, damaged, sizeof damaged);
		assert_int_equal(fixture_apply(&p, &base.reader, out), DCD_ERR_WRONG_BASE);
	}
	/* A base that ends early. */
	fixture_base_open(&base, old_image, SEG + 5);
	assert_int_equal(fixture_apply(&p, &base.reader, out), DCD_ERR_WRONG_BASE);
	assert_int_equal(fixture_apply(&p, NULL, out), DCD_ERR_UNSUPPORTED);
	free(p.data);
}

/* As if SHA-256 were broken: random damage goes straight into the decoder, which must stay inside its buffers (asan, ubsan). */
static void forged_frames_stay_inside_their_buffers(void **state)
{
	(void)state;
	struct fixture_payload p = { 0 };
	make_kinds(&p);
	struct dcd_payload payload;
	assert_int_equal(dcd_payload_open(p.data, (size_t)p.result.table_length, &dcd_sha256, &payload), 0);
	struct dcd_decoder zstd = dcd_zstd_decoder();
	struct dcd_packer packer = dcd_block_packer();
	size_t workspace_size = dcd_frame_memory_size(&payload, &zstd);
	void *workspace = malloc(workspace_size);
	struct fixture_base base;
	fixture_base_open(&base, old_image, sizeof old_image);
	const struct dcd_frame_tools tools = { &dcd_sha256, &zstd, &base.reader, workspace, workspace_size, &packer };
	uint64_t seed = 4;
	size_t at = (size_t)p.result.table_length;
	for (uint32_t i = 2; i < 4; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&payload, i, &entry);
		uint8_t *frame = malloc(entry.frame_length), *segment = malloc(SEG);
		unsigned refused = 0;
		for (int round = 0; round < 20000; round++) {
			memcpy(frame, p.data + at, entry.frame_length);
			for (uint64_t n = 1 + fixture_random(&seed) % 4; n > 0; n--) {
				size_t where = fixture_random(&seed) % (n % 2 == 0 ? 16 : entry.frame_length);
				frame[where] = (uint8_t)(fixture_random(&seed) >> 33);
			}
			refused += dcd_frame_decode(&entry, frame, entry.frame_length, &tools, segment) != 0;
		}
		assert_true(refused > 0);
		at += entry.frame_length;
		free(segment);
		free(frame);
	}
	free(workspace);
	free(p.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hand_made_delta_decodes_as_the_format_says),
		cmocka_unit_test(control_that_lies_about_lengths_is_refused),
		cmocka_unit_test(base_offsets_that_leave_the_base_are_refused),
		cmocka_unit_test(runs_and_literals_must_be_used_up_exactly),
		cmocka_unit_test(heads_with_unknown_streams_or_codecs_need_a_newer_reader),
		cmocka_unit_test(any_changed_byte_of_a_frame_is_refused_before_decoding),
		cmocka_unit_test(a_wrong_base_is_told_from_a_wrong_payload),
		cmocka_unit_test(forged_frames_stay_inside_their_buffers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
