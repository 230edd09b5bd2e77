/* Gzip members that an erofs keeps in two places: found, laid open, and made again, each piece where it belongs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bsdiff/codec/deflate_pack.h"
#include "bsdiff/diff/flat_images.h"
#include "bsdiff/diff/pack_trial.h"
#include "bsdiff/diff/packed_blocks.h"
#include "tests/unit/erofs_fixture.h"
#include "tests/unit/payload_fixture.h"

#define IMAGE_MAX (2U << 20)
#define TEXT_MAX (700U << 10)
#define MEMBER_MAX (200U << 10)
#define LEN_MAX (1U << 20)
#define HEAD 10U
#define TRAILER 8U

struct lab {
	uint8_t *image;
	uint8_t *other;
	uint8_t *text;
	uint8_t *unpacked;
	uint8_t *member;
	void *packer;
};

static int lab_take(void **state)
{
	struct lab *lab = calloc(1, sizeof *lab);
	if (lab == NULL || (lab->image = malloc(IMAGE_MAX)) == NULL || (lab->other = malloc(IMAGE_MAX)) == NULL ||
	    (lab->text = malloc(TEXT_MAX)) == NULL || (lab->unpacked = malloc(LEN_MAX)) == NULL ||
	    (lab->member = malloc(MEMBER_MAX)) == NULL || (lab->packer = malloc(dcd_deflate_memory())) == NULL) {
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
	free(lab->text);
	free(lab->unpacked);
	free(lab->member);
	free(lab->packer);
	free(lab);
	return 0;
}

static void text_fill(uint64_t *seed, uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool again = i > 600 && fixture_random(seed) % 4 != 0;
		text[i] = again ? text[i - 1 - fixture_random(seed) % 4 * 199]
				: (uint8_t)("etaoin shrdlu"[fixture_random(seed) % 13]);
	}
}

/* The member of text[0..len), in lab->member. */
static size_t member_make(const struct lab *lab, size_t len)
{
	static const uint8_t head[HEAD] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3 };
	size_t n;
	memcpy(lab->member, head, sizeof head);
	assert_int_equal(dcd_deflate_pack(9 | DCD_DEFLATE_GZIP, lab->member + HEAD, MEMBER_MAX - HEAD, lab->text, len,
					  lab->packer, dcd_deflate_memory(), &n),
			 0);
	dcd_le32_put(lab->member + HEAD + n, 0); /* nobody looks at the checksum */
	dcd_le32_put(lab->member + HEAD + n + 4, (uint32_t)len);
	return HEAD + n + TRAILER;
}

/* A text whose member's last `tail` bytes, less one at most, lie behind the node. */
static size_t member_with_tail(const struct lab *lab, uint64_t *seed, size_t tail)
{
	text_fill(seed, lab->text, TEXT_MAX);
	size_t len = 15000, size = member_make(lab, len);
	while (size < EROFS_UNIT || (size % EROFS_UNIT != tail && size % EROFS_UNIT != tail + 1)) {
		/* A byte of text takes less than one. */
		size_t missing = (tail + EROFS_UNIT - size % EROFS_UNIT) % EROFS_UNIT;
		len += missing > 20 ? missing - 10 : 1;
		size = member_make(lab, len);
	}
	return size;
}

static void image_begin(struct erofs_fixture *fs, uint8_t *data, uint32_t features)
{
	erofs_fixture_begin(fs, data, IMAGE_MAX, 9, false);
	dcd_le32_put(data + 1024 + 80, features);
}

static struct dcd_packed_blocks image_find(const uint8_t *data, size_t len)
{
	struct dcd_packed_blocks blocks = { 0 };
	const struct dcd_bytes image = { data, len };
	assert_int_equal(dcd_packed_blocks_find(&image, LEN_MAX, &blocks), 0);
	return blocks;
}

static void a_member_in_two_places_is_two_pieces_of_one_block(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 31;
	for (unsigned round = 0; round < 12; round++) {
		struct erofs_fixture fs;
		image_begin(&fs, lab->image, round % 3 == 0 ? 0 : 1);
		size_t len, size, start = fs.len;
		do {
			len = 20000 + fixture_random(&seed) % 50000;
			text_fill(&seed, lab->text, len);
			size = member_make(lab, len);
		} while (size % EROFS_UNIT < 700 || size % EROFS_UNIT > 3700);
		size_t behind = erofs_fixture_inline(&fs, lab->member, size, round % 2 == 0, round / 4);
		erofs_fixture_end(&fs);
		assert_true(behind < start);
		struct dcd_packed_blocks blocks = image_find(fs.data, fs.len);
		assert_int_equal(blocks.count, 2);
		const struct dcd_packed_block *tail = &blocks.items[0], *head = &blocks.items[1];
		size_t whole = size - HEAD - TRAILER, first = size / EROFS_UNIT * EROFS_UNIT - HEAD;
		assert_int_equal(tail->offset, behind);
		assert_int_equal(tail->other, start + HEAD);
		assert_int_equal(tail->before, first);
		assert_int_equal(tail->coded, whole - first);
		assert_int_equal(head->offset, start + HEAD);
		assert_int_equal(head->other, behind);
		assert_int_equal(head->before, 0);
		assert_int_equal(head->coded, first);
		struct dcd_byte_buffer room = { 0 };
		const struct dcd_bytes image = { fs.data, fs.len };
		for (size_t i = 0; i < 2; i++) {
			assert_int_equal(blocks.items[i].whole, whole);
			assert_int_equal(blocks.items[i].len, len);
			assert_int_equal(blocks.items[i].method, DCD_PACK_DEFLATE);
			assert_int_equal(dcd_packed_block_unpack(&image, &blocks.items[i], &room, lab->unpacked), 0);
			assert_memory_equal(lab->unpacked, lab->text, len);
		}
		dcd_byte_buffer_free(&room);
		dcd_packed_blocks_free(&blocks);
	}
}

/* How many blocks an image has with lab->member alone. */
static size_t blocks_count(const struct lab *lab, size_t size)
{
	struct erofs_fixture fs;
	image_begin(&fs, lab->image, 0);
	(void)erofs_fixture_inline(&fs, lab->member, size, false, 0);
	erofs_fixture_end(&fs);
	struct dcd_packed_blocks blocks = image_find(fs.data, fs.len);
	size_t ret = blocks.count;
	assert_true(ret == 0 || blocks.items[ret - 1].before == 0);
	dcd_packed_blocks_free(&blocks);
	return ret;
}

static void a_last_piece_that_is_not_worth_its_content_stays_as_it_is(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 32;
	size_t counts[3] = { 0, 0, 0 };
	for (size_t tail = TRAILER + 80; tail < TRAILER + 180; tail += 5) {
		size_t length = member_with_tail(lab, &seed, tail), content = dcd_le32_get(lab->member + length - 4);
		size_t count = blocks_count(lab, length);
		assert_int_equal(count, length % EROFS_UNIT - TRAILER < content / 128 ? 1 : 2);
		counts[count]++;
	}
	assert_true(counts[1] > 2 && counts[2] > 2);
	/* All of the stream in whole units, the trailer behind the node. */
	assert_int_equal(blocks_count(lab, member_with_tail(lab, &seed, TRAILER - 2)), 0);
	/* A long content that packs to little. */
	size_t size;
	memset(lab->text, 'z', TEXT_MAX);
	for (size_t len = 500, zeros = TEXT_MAX - 60000;; len += 100) {
		text_fill(&seed, lab->text + zeros, len);
		size = member_make(lab, zeros + len);
		if (size > EROFS_UNIT + 200 && size < EROFS_UNIT + 1000) {
			break;
		}
		assert_true(len < 60000);
	}
	assert_int_equal(blocks_count(lab, size), 1);
}

static void what_is_no_such_file_is_left_alone(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 33;
	size_t size = member_with_tail(lab, &seed, 2000);
	/* Where, from the image or the node, and what is put there: no magic; another mode; another layout; no inline part;
	 * longer. */
	static const struct {
		bool data;
		unsigned at;
		unsigned value;
	} edits[] = { { true, 0, 0x8b1e }, { false, 4, 0120777 }, { false, 0, 4 << 1 }, { false, 8, 8192 }, { false, 8, 65535 } };
	for (size_t i = 0; i <= sizeof edits / sizeof edits[0]; i++) {
		struct erofs_fixture fs;
		image_begin(&fs, lab->image, 0);
		size_t start = fs.len, node = (size_t)erofs_fixture_number(0) * 32;
		(void)erofs_fixture_inline(&fs, lab->member, size, false, 0);
		erofs_fixture_end(&fs);
		if (i > 0) {
			dcd_le16_put(fs.data + (edits[i - 1].data ? start : node) + edits[i - 1].at,
				     (uint16_t)edits[i - 1].value);
		}
		struct dcd_packed_blocks blocks = image_find(fs.data, fs.len);
		assert_int_equal(blocks.count, i == 0 ? 2 : 0);
		dcd_packed_blocks_free(&blocks);
	}
}

static void a_last_part_across_two_units_is_not_believed(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 34;
	size_t size = member_with_tail(lab, &seed, 2000), tail = size % EROFS_UNIT;
	for (unsigned attributes = 0; attributes < 2; attributes++) {
		struct erofs_fixture fs;
		image_begin(&fs, lab->image, 0);
		size_t node = (size_t)erofs_fixture_number(0) * 32;
		(void)erofs_fixture_inline(&fs, lab->member, size, false, 0);
		erofs_fixture_end(&fs);
		/* Attributes before it, so that it ends with the unit, and one more. */
		unsigned count = (unsigned)((EROFS_UNIT - 32 - tail - 12) / 4 + 1 + attributes);
		size_t behind = node + 32 + 12 + 4 * (count - 1);
		memmove(fs.data + behind, fs.data + node + 32, tail);
		dcd_le16_put(fs.data + node + 2, (uint16_t)count);
		struct dcd_packed_blocks blocks = image_find(fs.data, fs.len);
		assert_int_equal(blocks.count, attributes == 0 ? 2 : 0);
		dcd_packed_blocks_free(&blocks);
	}
}

/* All that is read lies in the image: of a last part behind its end nothing is seen, nor of an empty first part at its end. */
static void parts_behind_the_images_end_are_not_read(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 38;
	size_t size = member_with_tail(lab, &seed, 2000), tail = size % EROFS_UNIT;
	struct erofs_fixture fs;
	image_begin(&fs, lab->image, 0);
	size_t node = (size_t)erofs_fixture_number(0) * 32, behind = node + 32 + 12 + 4 * (size_t)65534;
	(void)erofs_fixture_inline(&fs, lab->member, size, false, 0);
	erofs_fixture_end(&fs);
	dcd_le16_put(fs.data + node + 2, 65535);
	assert_true(behind > fs.len);
	memcpy(fs.data + behind, fs.data + node + 32, tail);
	for (size_t len = fs.len; len <= behind + tail; len += behind + tail - fs.len) {
		struct dcd_packed_blocks blocks = image_find(fs.data, len);
		assert_int_equal(blocks.count, len == fs.len ? 0 : 2);
		dcd_packed_blocks_free(&blocks);
	}
	dcd_le16_put(fs.data + node + 2, 0);
	dcd_le32_put(fs.data + node + 8, 100);
	dcd_le32_put(fs.data + node + 16, (uint32_t)(fs.len / EROFS_UNIT));
	uint8_t *tight = malloc(fs.len);
	memcpy(tight, fs.data, fs.len);
	struct dcd_packed_blocks blocks = image_find(tight, fs.len);
	assert_int_equal(blocks.count, 0);
	dcd_packed_blocks_free(&blocks);
	free(tight);
}

static void both_pieces_get_the_parameters_that_fit_the_whole(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 35;
	struct erofs_fixture fs;
	image_begin(&fs, lab->image, 0);
	(void)erofs_fixture_inline(&fs, lab->member, member_with_tail(lab, &seed, 1500), false, 0);
	erofs_fixture_end(&fs);
	const struct dcd_encode_options options = { .segment_size = 1U << 20, .alg = &dcd_sha256, .threads = 1 };
	const struct dcd_bytes image = { fs.data, fs.len };
	/* The second is the first piece: it alone teaches what fits. */
	static const bool wanted[][2] = { { true, true }, { false, true }, { true, false } };
	for (size_t i = 0; i < 3; i++) {
		struct dcd_packed_blocks blocks = image_find(fs.data, fs.len);
		assert_int_equal(dcd_pack_trial_run(&image, &blocks, wanted[i], &options), 0);
		assert_int_equal(blocks.items[0].params, i == 0 ? 9 | DCD_DEFLATE_GZIP : 0);
		assert_int_equal(blocks.items[1].params, i < 2 ? 9 | DCD_DEFLATE_GZIP : 0);
		dcd_packed_blocks_free(&blocks);
	}
}

/* Files of an image: each text from its own seed, with some bytes changed, and where the last bytes go. */
struct member {
	uint64_t seed;
	size_t len;
	size_t changed; /* that byte is another one; 0: none */
	bool plain;     /* all in one place */
};

static size_t image_make(const struct lab *lab, uint8_t *data, const struct member *members, size_t count)
{
	struct erofs_fixture fs;
	image_begin(&fs, data, 0);
	for (size_t i = 0; i < count; i++) {
		uint64_t seed = members[i].seed;
		text_fill(&seed, lab->text, members[i].len);
		lab->text[members[i].changed] ^= members[i].changed != 0;
		size_t size = member_make(lab, members[i].len);
		/* So many attributes leave no room for a last part. */
		(void)erofs_fixture_inline(&fs, lab->member, size, i % 2 == 0, members[i].plain ? 1010 : 0);
	}
	erofs_fixture_end(&fs);
	return fs.len;
}

static void flat_make(const uint8_t *base, size_t base_len, const uint8_t *image, size_t len, struct dcd_flat_images *ret)
{
	static const struct dcd_encode_options options = { .segment_size = 64U << 10, .alg = &dcd_sha256, .threads = 1 };
	const struct dcd_bytes old = { base, base_len }, new = { image, len };
	*ret = (struct dcd_flat_images){ 0 };
	assert_int_equal(dcd_flat_images_make(&old, &new, &options, ret), 0);
}

static void a_block_in_two_pieces_is_in_the_flat_base_once_and_in_the_flat_image_twice(void **state)
{
	const struct lab *lab = *state;
	/* Two files of the base are alike; one file doesn't change; of one, only the last bytes do. */
	static const struct member old[] = {
		{ 1, 40000, 0, false }, { 2, 50000, 0, false }, { 1, 40000, 0, false }, { 4, 60000, 0, false }
	};
	static const struct member new[] = { { 1, 40000, 700, false }, { 2, 50000, 0, false }, { 4, 60000, 59990, false } };
	size_t base_len = image_make(lab, lab->other, old, 4), len = image_make(lab, lab->image, new, 3);
	struct dcd_flat_images flat;
	flat_make(lab->other, base_len, lab->image, len, &flat);
	assert_int_equal(flat.features, DCD_FEATURE_PACK(DCD_PACK_DEFLATE) | DCD_FEATURE_SPLIT);
	assert_int_equal(flat.base_blocks.count, 2);
	assert_int_equal(flat.blocks.count, 4);
	assert_int_equal(flat.base.len, base_len + 40000 + 60000);
	for (size_t i = 0; i < 2; i++) {
		uint64_t seed = i == 0 ? 1 : 4;
		assert_int_equal(flat.base_blocks.items[i].before, 0);
		text_fill(&seed, lab->text, flat.base_blocks.items[i].len);
		assert_memory_equal(flat.base.data + flat.base_at[i], lab->text, flat.base_blocks.items[i].len);
		lab->text[i == 0 ? 700 : 59990] ^= 1;
		assert_memory_equal(flat.image.data + flat.at[i], lab->text, flat.base_blocks.items[i].len);
		assert_memory_equal(flat.image.data + flat.at[2 + i], lab->text, flat.base_blocks.items[i].len);
	}
	dcd_flat_images_free(&flat);
}

static void a_member_that_only_lies_otherwise_is_copied_as_it_is(void **state)
{
	const struct lab *lab = *state;
	static const struct member apart[] = { { 1, 40000, 0, false } }, together[] = { { 1, 40000, 0, true } };
	size_t base_len = image_make(lab, lab->other, apart, 1), len = image_make(lab, lab->image, together, 1);
	struct dcd_flat_images flat;
	flat_make(lab->other, base_len, lab->image, len, &flat);
	assert_int_equal(flat.blocks.count, 0);
	flat_make(lab->image, len, lab->other, base_len, &flat);
	assert_int_equal(flat.blocks.count, 0);
}

/* Encodes, and applies to the exact image; how long the payload is. */
static size_t payload_check(const uint8_t *base, size_t base_len, const uint8_t *image, size_t len,
			    const struct dcd_encode_options *options, uint32_t *ret_features)
{
	struct fixture_payload p;
	struct fixture_base reader;
	uint8_t *out = malloc(len);
	assert_int_equal(fixture_encode(base, base_len, image, len, options, &p), 0);
	*ret_features = dcd_le32_get(p.data + DCD_HEADER_FEATURES);
	assert_true(dcd_le32_get(p.data + DCD_HEADER_PACK_MARK) == 0);
	fixture_base_open(&reader, base, base_len);
	assert_int_equal(fixture_apply(&p, &reader.reader, out), 0);
	assert_memory_equal(out, image, len);
	free(p.data);
	free(out);
	return p.len;
}

static void a_new_release_is_made_of_its_members_contents(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 36;
	static const uint32_t sizes[] = { 4096, 16384, 1U << 20 };
	for (unsigned round = 0; round < 6; round++) {
		struct member members[6];
		for (size_t i = 0; i < 6; i++) {
			members[i] = (struct member){ 1 + fixture_random(&seed) % 1000, 20000 + fixture_random(&seed) % 60000, 0,
						      false };
		}
		size_t base_len = image_make(lab, lab->other, members, 6);
		for (size_t i = 0; i < 5; i++) {
			members[i].changed = 1 + fixture_random(&seed) % 5000;
		}
		members[4].plain = round % 2 == 0;
		members[3].len -= 100;
		size_t len = image_make(lab, lab->image, members, 6);
		uint32_t features;
		struct dcd_encode_options options = { .segment_size = sizes[round % 3], .alg = &dcd_sha256, .threads = 2 };
		size_t open = payload_check(lab->other, base_len, lab->image, len, &options, &features);
		assert_int_equal(features, DCD_FEATURE_PACK(DCD_PACK_DEFLATE) | DCD_FEATURE_SPLIT);
		options.keep_packed = true;
		size_t kept = payload_check(lab->other, base_len, lab->image, len, &options, &features);
		assert_int_equal(features, 0);
		assert_true(open < kept / 2);
	}
}

/* Blocks are in bounds, don't overlap, and unpack from their pieces. */
static void blocks_check(const struct lab *lab, const uint8_t *data, size_t len)
{
	struct dcd_packed_blocks blocks = image_find(data, len);
	const struct dcd_bytes image = { data, len };
	struct dcd_byte_buffer room = { 0 };
	uint64_t end = 0;
	for (size_t i = 0; i < blocks.count; i++) {
		const struct dcd_packed_block *block = &blocks.items[i];
		uint32_t whole = dcd_packed_block_whole(block);
		assert_true(block->offset >= end && dcd_range_inside(block->offset, block->coded, len));
		end = block->offset + block->coded;
		assert_true(block->coded <= whole && block->before <= whole - block->coded);
		assert_true(dcd_range_inside(block->other, whole - block->coded, len));
		assert_int_equal(dcd_packed_block_unpack(&image, block, &room, lab->unpacked), 0);
	}
	dcd_byte_buffer_free(&room);
	dcd_packed_blocks_free(&blocks);
}

/* Changes numbers of the super block, the root and the nodes: a few bits, or what a file of other places would have. */
static void image_damage(uint64_t *seed, uint8_t *data)
{
	for (unsigned n = 1 + (unsigned)(fixture_random(seed) % 5); n > 0; n--) {
		size_t node = (size_t)erofs_fixture_number((unsigned)(fixture_random(seed) % 3)) * 32;
		uint16_t word = (uint16_t)(fixture_random(seed) % 150);
		switch (fixture_random(seed) % 5) {
		case 0:
			data[1024 + fixture_random(seed) % 128] ^= (uint8_t)(1U << fixture_random(seed) % 8);
			break;
		case 1:
			data[EROFS_ROOT * 32 + fixture_random(seed) % 100] ^= (uint8_t)(1U << fixture_random(seed) % 8);
			break;
		case 2: /* other blocks, maybe those of another file or its own node's */
			dcd_le16_put(data + node + 16, word);
			break;
		case 3: /* another length in units */
			data[node + 9] = (uint8_t)((data[node + 9] & 15) | fixture_random(seed) % 16 << 4);
			break;
		default:
			data[node + fixture_random(seed) % 32] ^= (uint8_t)(1U << fixture_random(seed) % 8);
		}
	}
}

static void a_hostile_image_is_read_in_bounds_and_made_exactly(void **state)
{
	const struct lab *lab = *state;
	uint64_t seed = 37;
	struct member members[3];
	size_t base_len = 0, len = 0;
	uint8_t *pair[2] = { malloc(IMAGE_MAX), malloc(IMAGE_MAX) };
	for (unsigned round = 0; round < 300; round++) {
		if (round % 60 == 0) {
			for (size_t i = 0; i < 3; i++) {
				members[i] = (struct member){ 1 + i, 15000 + fixture_random(&seed) % 20000, 0, false };
			}
			base_len = image_make(lab, lab->other, members, 3);
			members[1].changed = members[2].changed = 900;
			len = image_make(lab, lab->image, members, 3);
		}
		memcpy(pair[0], lab->other, base_len);
		memcpy(pair[1], lab->image, len);
		image_damage(&seed, pair[0]);
		image_damage(&seed, pair[1]);
		size_t cut = round % 4 == 0 ? (size_t)(fixture_random(&seed) % len) : len;
		uint8_t *tight = malloc(cut + 1);
		memcpy(tight, pair[1], cut);
		blocks_check(lab, tight, cut);
		free(tight);
		if (round % 5 == 0) {
			uint32_t features;
			const struct dcd_encode_options options = {
				.segment_size = 4096U << round % 3, .effort = 1, .alg = &dcd_sha256, .threads = 1
			};
			(void)payload_check(pair[0], base_len, pair[1], cut > 0 ? cut : 1, &options, &features);
		}
	}
	free(pair[0]);
	free(pair[1]);
}

static void units_of_two_files_are_believed_once(void **state)
{
	const struct lab *lab = *state;
	static const struct member alike[] = { { 1, 40000, 0, false }, { 1, 40000, 0, false } };
	size_t len = image_make(lab, lab->image, alike, 2);
	struct dcd_packed_blocks blocks = image_find(lab->image, len);
	assert_int_equal(blocks.count, 4);
	dcd_packed_blocks_free(&blocks);
	uint8_t *nodes[2] = { lab->image + erofs_fixture_number(0) * 32, lab->image + erofs_fixture_number(1) * 32 };
	dcd_le32_put(nodes[1] + 16, dcd_le32_get(nodes[0] + 16));
	blocks = image_find(lab->image, len);
	assert_int_equal(blocks.count, 2);
	dcd_packed_blocks_free(&blocks);
}

/* Nodes that name units by the thousand, the same ones each, cost no more than a step: what one doesn't get it doesn't keep. */
static void a_file_that_begins_in_units_of_another_takes_none(void **state)
{
	const struct lab *lab = *state;
	static const struct member alike[] = { { 1, 40000, 0, false }, { 1, 40000, 0, false }, { 1, 40000, 0, false } };
	size_t len = image_make(lab, lab->image, alike, 3);
	uint8_t *nodes[3];
	uint32_t starts[3];
	for (unsigned i = 0; i < 3; i++) {
		nodes[i] = lab->image + erofs_fixture_number(i) * 32;
		starts[i] = dcd_le32_get(nodes[i] + 16);
	}
	/* The last name is looked at first. It has the first file's units; the next one would have these and those behind them.
	 */
	dcd_le32_put(nodes[2] + 16, starts[0]);
	dcd_le32_put(nodes[1] + 16, starts[0]);
	dcd_le32_put(nodes[1] + 8, dcd_le32_get(nodes[1] + 8) + (starts[1] - starts[0]) * EROFS_UNIT);
	dcd_le32_put(nodes[0] + 16, starts[1]);
	struct dcd_packed_blocks blocks = image_find(lab->image, len);
	assert_int_equal(blocks.count, 4);
	dcd_packed_blocks_free(&blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_member_in_two_places_is_two_pieces_of_one_block),
		cmocka_unit_test(a_last_piece_that_is_not_worth_its_content_stays_as_it_is),
		cmocka_unit_test(what_is_no_such_file_is_left_alone),
		cmocka_unit_test(a_last_part_across_two_units_is_not_believed),
		cmocka_unit_test(parts_behind_the_images_end_are_not_read),
		cmocka_unit_test(both_pieces_get_the_parameters_that_fit_the_whole),
		cmocka_unit_test(a_block_in_two_pieces_is_in_the_flat_base_once_and_in_the_flat_image_twice),
		cmocka_unit_test(a_member_that_only_lies_otherwise_is_copied_as_it_is),
		cmocka_unit_test(a_new_release_is_made_of_its_members_contents),
		cmocka_unit_test(a_hostile_image_is_read_in_bounds_and_made_exactly),
		cmocka_unit_test(units_of_two_files_are_believed_once),
		cmocka_unit_test(a_file_that_begins_in_units_of_another_takes_none),
	};
	return cmocka_run_group_tests(tests, lab_take, lab_drop);
}
