#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/payload_fixture.h"
#include "tests/unit/program_fixture.h"

#define SEG DCD_SEGMENT_SIZE_MIN
#define IMAGE_MAX (24 * SEG)

/* Something like a file: stretches of random bytes, zeros, periods and text. */
static size_t make_base(uint64_t *seed, uint8_t *data)
{
	static const size_t edges[] = { 0, 1, SEG - 1, SEG, SEG + 1, 2 * SEG, 5 * SEG + 77 };
	size_t len = fixture_random(seed) % 3 == 0 ? edges[fixture_random(seed) % 7] : fixture_random(seed) % (IMAGE_MAX / 2);
	for (size_t at = 0; at < len;) {
		size_t n = 1 + fixture_random(seed) % (3 * SEG);
		n = n < len - at ? n : len - at;
		switch (fixture_random(seed) % 4) {
		case 0:
			memset(data + at, 0, n);
			break;
		case 1:
			for (size_t i = 0, period = 1 + fixture_random(seed) % 40; i < n; i++) {
				data[at + i] = (uint8_t)(i % period * 37);
			}
			break;
		case 2:
			for (size_t i = 0; i < n; i++) {
				data[at + i] = (uint8_t)("etaoin shrdlu"[fixture_random(seed) % 13]);
			}
			break;
		default:
			fixture_fill(seed, data + at, n);
		}
		at += n;
	}
	return len;
}

/* One edit of data[0..len) with room for IMAGE_MAX; the new length. */
static size_t edit(uint64_t *seed, uint8_t *data, size_t len)
{
	size_t at = len > 0 ? fixture_random(seed) % len : 0;
	size_t n = fixture_random(seed) % (fixture_random(seed) % 2 == 0 ? 40 : 3000);
	size_t rest = len - at;
	switch (fixture_random(seed) % 6) {
	case 0: /* overwrite */
		fixture_fill(seed, data + at, n < rest ? n : rest);
		return len;
	case 1: /* insert */
		n = n < IMAGE_MAX - len ? n : IMAGE_MAX - len;
		memmove(data + at + n, data + at, rest);
		fixture_fill(seed, data + at, n);
		return len + n;
	case 2: /* delete */
		n = n < rest ? n : rest;
		memmove(data + at, data + at + n, rest - n);
		return len - n;
	case 3: /* move */
		n = n < rest ? n : rest;
		if (len > 0) {
			memmove(data + fixture_random(seed) % (len - n + 1), data + at, n);
		}
		return len;
	case 4: /* zeros */
		memset(data + at, 0, n < rest ? n : rest);
		return len;
	default: /* a change every few bytes, as relocated pointers make */
		for (size_t i = at; i < len && i < at + 8 * n; i += 5 + fixture_random(seed) % 20) {
			data[i] = (uint8_t)(data[i] + 3);
		}
		return len;
	}
}

static void check_round_trip(const uint8_t *base, size_t base_len, const uint8_t *image, size_t len, uint32_t segment_size,
			     int effort)
{
	const struct dcd_encode_options options = {
		.segment_size = segment_size, .effort = effort, .threads = 2, .alg = &dcd_sha256
	};
	struct fixture_payload p = { 0 };
	assert_int_equal(fixture_encode(base, base_len, image, len, &options, &p), 0);
	struct fixture_base reader;
	fixture_base_open(&reader, base, base_len);
	uint8_t *out = malloc(len + 1);
	assert_int_equal(fixture_apply(&p, base == NULL ? NULL : &reader.reader, out), 0);
	assert_memory_equal(out, image, len);
	free(out);
	free(p.data);
}

static void thousands_of_edited_images_round_trip_exactly(void **state)
{
	(void)state;
	static uint8_t base[IMAGE_MAX], image[IMAGE_MAX];
	static const uint32_t sizes[] = { SEG, 4 * SEG, DCD_SEGMENT_SIZE_DEFAULT };
	uint64_t seed = 20260101;
	for (int round = 0; round < 2000; round++) {
		size_t base_len = make_base(&seed, base), len = base_len;
		memcpy(image, base, base_len);
		for (uint64_t edits = fixture_random(&seed) % 12; edits > 0; edits--) {
			len = edit(&seed, image, len);
		}
		if (fixture_random(&seed) % 16 == 0) {
			len = make_base(&seed, image); /* nothing to do with the base */
		}
		check_round_trip(base, base_len, image, len, sizes[round % 3], 1 + round % 7);
	}
}

static void images_at_the_edges_round_trip(void **state)
{
	(void)state;
	static uint8_t base[2 * SEG + 1], image[2 * SEG + 1];
	static const size_t lens[] = { 0, 1, SEG - 1, SEG, SEG + 1, 2 * SEG, 2 * SEG + 1 };
	uint64_t seed = 5;
	fixture_fill(&seed, base, sizeof base);
	memcpy(image, base, sizeof image);
	image[100] ^= 1;
	for (size_t i = 0; i < 7; i++) {
		check_round_trip(NULL, 0, image, lens[i], SEG, 6);
		for (size_t j = 0; j < 7; j++) {
			check_round_trip(base, lens[j], image, lens[i], SEG, 6);
		}
	}
}

/* A base above whole_base_max of low efforts, so that blocks, coverage and pieces do the work. */
static void large_bases_round_trip_through_blocks_and_pieces(void **state)
{
	(void)state;
	const size_t len = 5U << 20;
	uint8_t *base = malloc(len), *image = malloc(len);
	uint64_t seed = 99;
	fixture_fill(&seed, base, len);
	memset(base + (1U << 20), 0, 1U << 19);
	/* Rotated by an odd amount, then damaged here and there. */
	memcpy(image, base + 777777, len - 777777);
	memcpy(image + len - 777777, base, 777777);
	for (size_t i = 0; i < len; i += 1 + fixture_random(&seed) % 9000) {
		image[i] ^= 0x55;
	}
	const struct dcd_encode_options options = { .segment_size = 1U << 18, .effort = 2, .alg = &dcd_sha256 };
	struct fixture_payload p = { 0 };
	assert_int_equal(fixture_encode(base, len, image, len, &options, &p), 0);
	assert_true(p.len < len / 50);
	free(p.data);
	check_round_trip(base, len, image, len, 1U << 18, 2);
	free(base);
	free(image);
}

static void any_number_of_threads_gives_the_same_bytes(void **state)
{
	(void)state;
	const size_t len = 3U << 20;
	uint8_t *base = malloc(len), *image = malloc(len);
	uint64_t seed = 7;
	fixture_fill(&seed, base, len);
	memcpy(image, base + 1000, len - 1000);
	fixture_fill(&seed, image + len - 1000, 1000);
	struct fixture_payload first = { 0 };
	for (int threads = 1; threads <= 7; threads += 2) {
		const struct dcd_encode_options options = {
			.segment_size = 1U << 16, .effort = 2, .threads = threads, .alg = &dcd_sha256
		};
		struct fixture_payload p = { 0 };
		assert_int_equal(fixture_encode(base, len, image, len, &options, &p), 0);
		if (first.data == NULL) {
			first = p;
			continue;
		}
		assert_int_equal(p.len, first.len);
		assert_memory_equal(p.data, first.data, p.len);
		free(p.data);
	}
	free(first.data);
	free(base);
	free(image);
}

static void each_segment_gets_the_cheapest_kind(void **state)
{
	(void)state;
	static uint8_t base[4 * SEG], image[4 * SEG];
	uint64_t seed = 11;
	fixture_fill(&seed, base, sizeof base);
	memcpy(image, base, sizeof image);
	memset(image, 0, SEG);
	image[2 * SEG + 9] ^= 1;
	fixture_fill(&seed, image + 3 * SEG, SEG);
	const struct dcd_encode_options options = { .segment_size = SEG, .alg = &dcd_sha256 };
	struct fixture_payload p = { 0 };
	assert_int_equal(fixture_encode(base, sizeof base, image, sizeof image, &options, &p), 0);
	for (size_t kind = 0; kind < 4; kind++) {
		assert_int_equal(p.result.frames[kind], 1);
		assert_int_equal(p.data[DCD_FORMAT_HEADER_SIZE + kind * DCD_FORMAT_ENTRY_SIZE + DCD_ENTRY_KIND], kind);
	}
	/* Full, stored: one byte over the segment. Delta: a few dozen bytes. */
	assert_true(p.len < p.result.table_length + SEG + 1 + 64);
	free(p.data);
}

/* Time is the assertion: ctest's limit is 300 s, a quadratic matcher needs hours. */
static void hostile_regularity_does_not_go_quadratic(void **state)
{
	(void)state;
	const size_t len = 8U << 20;
	uint8_t *base = malloc(len), *image = malloc(len);
	static const size_t periods[] = { 1, 2, 31, 4096, 65537 };
	for (size_t k = 0; k < 5; k++) {
		for (size_t i = 0; i < len; i++) {
			base[i] = (uint8_t)(1 + i % periods[k] * 7);
			image[i] = (uint8_t)(1 + (i + 13) % periods[k] * 7 + (i % 50021 == 0));
		}
		for (int effort = 3; effort <= 6; effort += 3) {
			check_round_trip(base, len, image, len, DCD_SEGMENT_SIZE_DEFAULT, effort);
		}
	}
	free(base);
	free(image);
}

static void the_image_id_agrees_with_the_payload_and_depends_on_the_segment_size(void **state)
{
	(void)state;
	static uint8_t image[3 * SEG + 5];
	uint64_t seed = 3;
	fixture_fill(&seed, image, sizeof image);
	struct dcd_encode_options options = { .segment_size = SEG, .alg = &dcd_sha256 };
	struct fixture_payload p = { 0 };
	struct dcd_bytes bytes = { image, sizeof image };
	struct dcd_hash id, other;
	assert_int_equal(fixture_encode(NULL, 0, image, sizeof image, &options, &p), 0);
	assert_int_equal(dcd_encode_image_id(&bytes, &options, &id, NULL), 0);
	assert_true(dcd_hash_equal(&id, &p.result.image_id));
	options.segment_size = 2 * SEG;
	assert_int_equal(dcd_encode_image_id(&bytes, &options, &other, NULL), 0);
	assert_false(dcd_hash_equal(&id, &other));
	free(p.data);
}

static void options_out_of_bounds_are_refused(void **state)
{
	(void)state;
	const struct dcd_encode_options wrong[] = {
		{ .segment_size = SEG / 2, .alg = &dcd_sha256 },
		{ .segment_size = SEG + 1, .alg = &dcd_sha256 },
		{ .segment_size = 2U * DCD_SEGMENT_SIZE_MAX, .alg = &dcd_sha256 },
		{ .effort = 10, .alg = &dcd_sha256 },
		{ .effort = -1, .alg = &dcd_sha256 },
		{ .threads = -1, .alg = &dcd_sha256 },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct fixture_payload p = { 0 };
		assert_int_equal(fixture_encode(NULL, 0, (const uint8_t *)"x", 1, &wrong[i], &p), DCD_ERR_USAGE);
	}
}

/* Programs among other bytes, at odd places, their code moved and edited. */
static void programs_whose_code_moved_round_trip_in_a_few_hundred_bytes(void **state)
{
	(void)state;
	const size_t len = 2 * PROGRAM_SIZE + 5000;
	uint8_t *base = calloc(1, len), *image = calloc(1, len);
	uint64_t seed = 8;
	fixture_fill(&seed, base, 3000);
	memcpy(image, base, 3000);
	program_make(base + 3000, PROGRAM_FUNCTIONS);
	program_make(image + 2900, 50); /* the program itself lies elsewhere, too */
	program_make(base + 4000 + PROGRAM_SIZE, 10);
	program_make(image + 4000 + PROGRAM_SIZE, 300);
	const struct dcd_encode_options options = { .segment_size = 1U << 17, .alg = &dcd_sha256 };
	struct fixture_payload p = { 0 };
	assert_int_equal(fixture_encode(base, len, image, len, &options, &p), 0);
	assert_true(p.len < 2500);
	unsigned filtered = 0;
	for (size_t i = 0; i < (len >> 17) + 1; i++) {
		filtered +=
			p.data[DCD_FORMAT_HEADER_SIZE + i * DCD_FORMAT_ENTRY_SIZE + DCD_ENTRY_FILTER] == DCD_FILTER_REFERENCES;
	}
	assert_true(filtered >= 2);
	free(p.data);
	for (int round = 0; round < 60; round++) {
		image[fixture_random(&seed) % len] ^= 0x20;
		size_t new_len = edit(&seed, image, len - 4000 < IMAGE_MAX ? len - 4000 : IMAGE_MAX / 2);
		(void)new_len;
		check_round_trip(base, len - fixture_random(&seed) % 5000, image, len, SEG << round % 7, 1 + round % 7);
	}
	free(image);
	free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousands_of_edited_images_round_trip_exactly),
		cmocka_unit_test(images_at_the_edges_round_trip),
		cmocka_unit_test(programs_whose_code_moved_round_trip_in_a_few_hundred_bytes),
		cmocka_unit_test(large_bases_round_trip_through_blocks_and_pieces),
		cmocka_unit_test(any_number_of_threads_gives_the_same_bytes),
		cmocka_unit_test(each_segment_gets_the_cheapest_kind),
		cmocka_unit_test(hostile_regularity_does_not_go_quadratic),
		cmocka_unit_test(the_image_id_agrees_with_the_payload_and_depends_on_the_segment_size),
		cmocka_unit_test(options_out_of_bounds_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
