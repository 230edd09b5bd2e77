#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bsdiff/diff/pack_trial.h"
#include "bsdiff/diff/packed_blocks.h"
#include "tests/unit/erofs_fixture.h"
#include "tests/unit/payload_fixture.h"

#define IMAGE_MAX (3U << 20)
#define FILE_MAX (700U << 10)
#define LEN_MAX (1U << 20)

struct lab {
	uint8_t *image;
	uint8_t *other;
	uint8_t *content;
	uint8_t *unpacked;
};

static int lab_take(void **state)
{
	struct lab *lab = calloc(1, sizeof *lab);
	if (lab == NULL || (lab->image = malloc(IMAGE_MAX)) == NULL || (lab->other = malloc(IMAGE_MAX)) == NULL ||
	    (lab->content = malloc(2 * FILE_MAX)) == NULL || (lab->unpacked = malloc(LEN_MAX)) == NULL) {
		return -1;
	}
	*state = lab;
	return 0;
}

static int lab_drop(void **state)
{
	struct lab *lab = *state;
	free(lab->image);
	free(lab->other);
	free(lab->content);
	free(lab->unpacked);
	free(lab);
	return 0;
}

/* What compresses to a half or so: pieces of before, and letters. */
static void content_make(uint64_t *seed, uint8_t *out, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t n = 1 + fixture_random(seed) % 40, back = 1 + fixture_random(seed) % 60000;
		bool again = at >= back && fixture_random(seed) % 3 != 0;
		for (size_t i = 0; i < n && at < len; i++, at++) {
			out[at] = again ? out[at - back] : (uint8_t)(fixture_random(seed) >> 58);
		}
	}
}

/* Two files: one of many clusters, one of few. */
static void image_make(uint64_t *seed, const struct lab *lab, struct erofs_fixture *fs, unsigned level, bool full)
{
	erofs_fixture_begin(fs, lab->image, IMAGE_MAX, level, full);
	content_make(seed, lab->content, FILE_MAX + 50000);
	erofs_fixture_file(fs, lab->content, FILE_MAX - fixture_random(seed) % 5000);
	erofs_fixture_file(fs, lab->content + FILE_MAX, 50000);
	erofs_fixture_end(fs);
}

static struct dcd_packed_blocks image_find(const uint8_t *data, size_t len)
{
	struct dcd_packed_blocks blocks = { 0 };
	const struct dcd_bytes image = { data, len };
	assert_int_equal(dcd_erofs_blocks_find(&image, LEN_MAX, &blocks), 0);
	return blocks;
}

static size_t block_content(const struct lab *lab, const uint8_t *image, const struct dcd_packed_block *block)
{
	size_t len, coded;
	assert_int_equal(
		dcd_packer_measure(block->method, lab->unpacked, LEN_MAX, image + block->offset, block->coded, &len, &coded), 0);
	assert_int_equal(len, block->len);
	return len;
}

static void every_packed_cluster_is_found_with_what_follows_it(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 21;
	for (unsigned round = 0; round < 6; round++) {
		struct erofs_fixture fs;
		image_make(&seed, lab, &fs, round % 3 == 0 ? 1 : round % 3 == 1 ? 9 : 12, round % 2 == 0);
		struct dcd_packed_blocks blocks = image_find(fs.data, fs.len);
		assert_true(fs.clusters > 60);
		assert_int_equal(blocks.count, fs.clusters);
		dcd_packed_blocks_sort(&blocks);
		size_t at = 0, followed = 0;
		for (size_t i = 0; i < blocks.count; i++) {
			const struct dcd_packed_block *block = &blocks.items[i];
			assert_int_equal(block->coded, EROFS_UNIT);
			size_t len = block_content(lab, fs.data, block);
			/* Units between that didn't shrink lie there as they are; the second file's content is behind the
			 * first's. */
			while (memcmp(lab->content + at, lab->unpacked, len) != 0) {
				at = at < FILE_MAX && at + EROFS_UNIT + len > FILE_MAX ? FILE_MAX : at + EROFS_UNIT;
				assert_true(at + len <= FILE_MAX + 50000);
			}
			at += block->len;
			assert_memory_equal(block->behind, lab->content + at, block->behind_len);
			followed += block->behind_len == sizeof block->behind;
		}
		assert_in_range(followed, blocks.count - 2, blocks.count);
		dcd_packed_blocks_free(&blocks);
	}
}

static void parameters_are_found_for_nearly_every_cluster(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 22;
	size_t carried = 0, followed = 0;
	const struct dcd_encode_options options = { .segment_size = 1U << 20, .alg = &dcd_sha256, .threads = 1 };
	for (unsigned round = 0; round < 6; round++) {
		struct erofs_fixture fs;
		image_make(&seed, lab, &fs, round % 2 == 0 ? 1 : 9, true);
		struct dcd_packed_blocks blocks = image_find(fs.data, fs.len);
		bool *wanted = malloc(blocks.count * sizeof *wanted);
		memset(wanted, true, blocks.count * sizeof *wanted);
		const struct dcd_bytes image = { fs.data, fs.len };
		assert_int_equal(dcd_pack_trial_run(&image, &blocks, wanted, &options), 0);
		size_t known = 0;
		for (size_t i = 0; i < blocks.count; i++) {
			uint32_t params = blocks.items[i].params;
			known += params != 0;
			carried += params != 0 && DCD_EROFS_CARRIED(params) != 0;
			followed += (params & DCD_EROFS_FOLLOWED) != 0;
		}
		assert_in_range(known, blocks.count - (round % 2 == 0 ? 0 : 1), blocks.count);
		dcd_packed_blocks_free(&blocks);
		free(wanted);
	}
	assert_true(carried > 0);
	assert_true(followed > 0);
}

/* The other release of the image: bytes are changed, put in and left out. */
static void content_edit(uint64_t *seed, uint8_t *content, size_t len)
{
	for (unsigned i = 0; i < 12; i++) {
		size_t at = fixture_random(seed) % (len - 100), n = 1 + fixture_random(seed) % 90;
		if (i % 3 == 0) {
			memmove(content + at + n, content + at, len - at - n);
		} else if (i % 3 == 1) {
			memmove(content + at, content + at + n, len - at - n);
		}
		fixture_fill(seed, content + at, n / 8 + 1);
	}
}

static void payload_apply(const struct fixture_payload *p, const uint8_t *base, size_t base_len, const uint8_t *image, size_t len)
{
	struct fixture_base reader;
	uint8_t *out = malloc(len);
	fixture_base_open(&reader, base, base_len);
	assert_int_equal(fixture_apply(p, &reader.reader, out), 0);
	assert_memory_equal(out, image, len);
	free(out);
}

static void a_new_release_is_made_of_its_clusters_contents(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 23;
	for (unsigned round = 0; round < 6; round++) {
		struct erofs_fixture fs;
		unsigned level = round % 3 == 0 ? 1 : round % 3 == 1 ? 9 : 12;
		image_make(&seed, lab, &fs, level, round % 2 == 0);
		memcpy(lab->other, fs.data, fs.len);
		size_t base_len = fs.len;
		erofs_fixture_begin(&fs, lab->image, IMAGE_MAX, level, round % 2 == 0);
		content_edit(&seed, lab->content, FILE_MAX);
		erofs_fixture_file(&fs, lab->content, FILE_MAX - 6000);
		erofs_fixture_file(&fs, lab->content + FILE_MAX, 50000);
		erofs_fixture_end(&fs);
		struct dcd_encode_options options = { .segment_size = 64U << (10 + round % 3), .alg = &dcd_sha256, .threads = 2 };
		struct fixture_payload open, kept;
		assert_int_equal(fixture_encode(lab->other, base_len, fs.data, fs.len, &options, &open), 0);
		options.keep_packed = true;
		assert_int_equal(fixture_encode(lab->other, base_len, fs.data, fs.len, &options, &kept), 0);
		assert_in_range(open.len, 1, kept.len - 1);
		assert_int_equal(dcd_le32_get(open.data + DCD_HEADER_FEATURES), DCD_FEATURE_PACK(DCD_PACK_EROFS));
		payload_apply(&open, lab->other, base_len, fs.data, fs.len);
		free(open.data);
		free(kept.data);
	}
}

/* Blocks are in bounds, don't overlap, and unpack, whatever the image says. */
static void blocks_check(const struct lab *lab, const uint8_t *image, size_t len)
{
	struct dcd_packed_blocks blocks = image_find(image, len);
	size_t before = blocks.count;
	dcd_packed_blocks_sort(&blocks);
	assert_int_equal(blocks.count, before);
	for (size_t i = 0; i < blocks.count; i += 1 + i / 4) {
		assert_true(dcd_range_inside(blocks.items[i].offset, blocks.items[i].coded, len));
		(void)block_content(lab, image, &blocks.items[i]);
	}
	dcd_packed_blocks_free(&blocks);
}

static void a_hostile_image_is_read_in_bounds(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 24;
	struct erofs_fixture fs;
	for (unsigned round = 0; round < 400; round++) {
		if (round % 100 == 0) {
			image_make(&seed, lab, &fs, 1, round % 200 == 0);
		}
		/* Heads, indexes, names: what is read as a structure. */
		memcpy(lab->other, fs.data, fs.len);
		for (unsigned n = 1 + (unsigned)(fixture_random(&seed) % 6); n > 0; n--) {
			static const uint32_t places[][2] = { { 1024, 128 },
							      { EROFS_ROOT * 32, 100 },
							      { EROFS_FILES_AT * EROFS_UNIT, 800 },
							      { (EROFS_FILES_AT + EROFS_NODE_UNITS) * EROFS_UNIT, 100 } };
			const uint32_t *place = places[fixture_random(&seed) % 4];
			uint8_t *at = lab->other + place[0] + fixture_random(&seed) % place[1];
			uint64_t bit = 1U << fixture_random(&seed) % 8;
			*at = (uint8_t)(fixture_random(&seed) % 2 == 0 ? bit ^ *at : fixture_random(&seed));
		}
		/* A tight copy, so that a sanitizer sees a byte too many. */
		size_t len = round % 3 == 0 ? (size_t)(fixture_random(&seed) % fs.len) : fs.len;
		uint8_t *tight = malloc(len + 1);
		memcpy(tight, lab->other, len);
		blocks_check(lab, tight, len);
		free(tight);
	}
}

static void directories_that_hold_themselves_end(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 25;
	struct erofs_fixture fs;
	image_make(&seed, lab, &fs, 1, true);
	/* The first file becomes a directory as long as can be said, of the root's own bytes, in the longer form of a node. */
	uint8_t *node = fs.data + erofs_fixture_number(0) * 32;
	dcd_le16_put(node, 1);
	dcd_le16_put(node + 4, 0040755);
	dcd_le64_put(node + 8, UINT64_MAX);
	dcd_le32_put(node + 16, 0);
	blocks_check(lab, fs.data, fs.len);
}

/* The second file says that its clusters are those of the first. */
static void clusters_of_two_files_are_listed_once(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 26;
	struct erofs_fixture fs;
	image_make(&seed, lab, &fs, 1, true);
	size_t one = (size_t)erofs_fixture_number(0) * 32, two = (size_t)erofs_fixture_number(1) * 32;
	struct dcd_packed_blocks blocks = image_find(fs.data, fs.len);
	size_t whole = blocks.count;
	dcd_packed_blocks_free(&blocks);
	memcpy(fs.data + two, fs.data + one, 32 + 16 + 8 * (FILE_MAX / EROFS_UNIT + 1));
	blocks = image_find(fs.data, fs.len);
	assert_in_range(blocks.count, 1, whole - 1);
	dcd_packed_blocks_free(&blocks);
	blocks_check(lab, fs.data, fs.len);
}

static void what_is_not_such_an_erofs_has_no_blocks(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 27;
	struct erofs_fixture fs;
	/* Where, and what is put there: another magic, block size, folder's block size, feature, and none of padding. */
	static const uint8_t edits[][2] = { { 0, 1 }, { 12, 9 }, { 90, 1 }, { 81, 1 }, { 80, 0 } };
	for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
		image_make(&seed, lab, &fs, 1, true);
		fs.data[1024 + edits[i][0]] = edits[i][1];
		struct dcd_packed_blocks blocks = image_find(fs.data, fs.len);
		assert_int_equal(blocks.count, 0);
		dcd_packed_blocks_free(&blocks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_packed_cluster_is_found_with_what_follows_it),
		cmocka_unit_test(parameters_are_found_for_nearly_every_cluster),
		cmocka_unit_test(a_new_release_is_made_of_its_clusters_contents),
		cmocka_unit_test(a_hostile_image_is_read_in_bounds),
		cmocka_unit_test(directories_that_hold_themselves_end),
		cmocka_unit_test(clusters_of_two_files_are_listed_once),
		cmocka_unit_test(what_is_not_such_an_erofs_has_no_blocks),
	};
	return cmocka_run_group_tests(tests, lab_take, lab_drop);
}
