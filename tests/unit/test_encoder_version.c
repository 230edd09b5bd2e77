#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hex.h"
#include "base/le.h"
#include "base/varint.h"
#include "bsdiff/codec/deflate_pack.h"
#include "tests/unit/payload_fixture.h"
#include "tests/unit/program_fixture.h"

/*
 * What the encoder of this version makes of the pair below. Caches and other machines trust that one version means one output
 * (bsdiff/diff/encode.h). When this test fails because the output was changed: raise DCD_ENCODER_VERSION, and put the version and
 * the hash that the test prints here. When it should not have changed, the change has a defect.
 */
#define PINNED_VERSION 6
#define PINNED_OUTPUT "d08f88fbaf0fbfba3478f440aa36ea44c87261cd425d42fa44a6ee8c00985b63"

#define TEXT 50000U
#define PLAIN (5U << 18) /* beyond what a low effort searches by suffix array alone */
#define SIZE (PLAIN + PROGRAM_SIZE + 2 * TEXT)

struct image {
	uint8_t *data;
	size_t len;
};

static void text_make(uint64_t *seed, uint8_t *text)
{
	for (size_t i = 0; i < TEXT; i++) {
		bool again = i > 600 && fixture_random(seed) % 8 != 0;
		text[i] = again ? text[i - 1 - fixture_random(seed) % 4 * 199]
				: (uint8_t)("etaoin shrdlu"[fixture_random(seed) % 13]);
	}
}

/* A gzip member behind the image. */
static void member_add(struct image *image, const uint8_t *text)
{
	static const uint8_t head[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3 };
	void *memory = malloc(dcd_deflate_memory());
	size_t n;
	memcpy(image->data + image->len, head, sizeof head);
	image->len += sizeof head;
	assert_int_equal(dcd_deflate_pack(9 | DCD_DEFLATE_GZIP, image->data + image->len, SIZE - image->len, text, TEXT, memory,
					  dcd_deflate_memory(), &n),
			 0);
	image->len += n;
	dcd_le32_put(image->data + image->len, 0); /* nobody looks at the checksum */
	dcd_le32_put(image->data + image->len + 4, TEXT);
	image->len += 8;
	free(memory);
}

/* Bytes that move and change, a program, a compressed file: a release before or after. */
static struct image image_make(bool after)
{
	struct image image = { calloc(1, SIZE), PLAIN + PROGRAM_SIZE };
	uint64_t seed = 99;
	uint8_t *text = malloc(TEXT);
	assert_non_null(image.data);
	fixture_fill(&seed, image.data, PLAIN);
	text_make(&seed, text);
	/* Texts that have much in common and nothing for long: of many matches, which? */
	uint64_t of_its_own = after ? 7 : 8;
	text_make(&of_its_own, image.data + PLAIN / 2);
	if (after) {
		memmove(image.data + 70000, image.data + 200000, 300000);
		for (size_t at = 600; at < PLAIN; at += 9000) {
			image.data[at] ^= 0x11;
		}
		text[TEXT / 2] ^= 1;
	}
	program_make(image.data + PLAIN, after ? 60 : PROGRAM_FUNCTIONS);
	member_add(&image, text);
	free(text);
	return image;
}

/* Adds a delta frame: its streams as they were before compression, so that another zstd gives the same. */
static void frame_hash(struct dcd_hash_state *hash, const uint8_t *frame, size_t len)
{
	struct dcd_decoder zstd = dcd_zstd_decoder();
	uint64_t raw[DCD_STREAM_COUNT], coded[DCD_STREAM_COUNT];
	uint8_t heads[DCD_STREAM_COUNT][2];
	size_t pos = 1;
	for (unsigned i = 0; i < frame[0]; i++) {
		memcpy(heads[i], frame + pos, 2);
		pos += 2;
		assert_true(dcd_varint_get(frame, len, &pos, &raw[i]) && dcd_varint_get(frame, len, &pos, &coded[i]));
	}
	void *memory = malloc(zstd.memory_size);
	for (unsigned i = 0; i < frame[0]; i++) {
		uint8_t *data = malloc((size_t)raw[i]);
		if (heads[i][1] == DCD_CODEC_ZSTD) {
			assert_int_equal(
				zstd.decode(data, (size_t)raw[i], frame + pos, (size_t)coded[i], memory, zstd.memory_size), 0);
		} else {
			memcpy(data, frame + pos, (size_t)raw[i]);
		}
		pos += (size_t)coded[i];
		dcd_sha256.update(hash, &heads[i][0], 1);
		dcd_sha256.update(hash, data, (size_t)raw[i]);
		free(data);
	}
	free(memory);
}

static unsigned payload_hash(struct dcd_hash_state *hash, const struct fixture_payload *payload)
{
	struct dcd_payload view;
	assert_int_equal(dcd_payload_open(payload->data, (size_t)payload->result.table_length, &dcd_sha256, &view), 0);
	size_t at = (size_t)payload->result.table_length;
	unsigned filters = 0;
	for (uint32_t i = 0; i < view.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&view, i, &entry);
		const uint8_t what[2] = { (uint8_t)entry.kind, (uint8_t)entry.filter };
		dcd_sha256.update(hash, what, sizeof what);
		if (entry.kind == DCD_FRAME_DELTA) {
			frame_hash(hash, payload->data + at, entry.frame_length);
		}
		filters |= entry.filter;
		at += entry.frame_length;
	}
	return filters;
}

static void the_encoder_makes_what_its_version_promises(void **state)
{
	(void)state;
	struct image base = image_make(false), image = image_make(true);
	struct dcd_hash_state hash;
	dcd_sha256.init(&hash);
	unsigned filters = 0;
	for (int effort = 1; effort <= 6; effort += 5) {
		const struct dcd_encode_options options = { .segment_size = 1U << 17, .effort = effort, .alg = &dcd_sha256 };
		struct fixture_payload payload;
		assert_int_equal(fixture_encode(base.data, base.len, image.data, image.len, &options, &payload), 0);
		filters |= payload_hash(&hash, &payload);
		free(payload.data);
	}
	struct dcd_hash output;
	char hex[DCD_HASH_HEX_SIZE];
	dcd_sha256.finish(&hash, &output);
	dcd_hash_to_hex(&output, hex);
	assert_int_equal(filters, DCD_FILTER_REFERENCES | DCD_FILTER_REPACKED);
	if (DCD_ENCODER_VERSION != PINNED_VERSION || strcmp(hex, PINNED_OUTPUT) != 0) {
		print_message("encoder version %d gives %s; this file says what to do\n", DCD_ENCODER_VERSION, hex);
	}
	assert_int_equal(DCD_ENCODER_VERSION, PINNED_VERSION);
	assert_string_equal(hex, PINNED_OUTPUT);
	free(base.data);
	free(image.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_encoder_makes_what_its_version_promises) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
