/* Blocks that lie in two places, of the segment and of the base: what a recipe may say of them, and what comes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/varint.h"
#include "bsdiff/apply/repack.h"
#include "tests/unit/payload_fixture.h"

/* A packer whose blocks are their own numbers: 64 of them, whatever the content. */
static int counting_pack(enum dcd_pack_method method, uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src,
			 size_t src_len, void *memory, size_t memory_size, size_t *ret_len)
{
	(void)src;
	(void)memory;
	(void)memory_size;
	assert_int_equal(method, DCD_PACK_DEFLATE);
	assert_int_equal(params, 9);
	assert_int_equal(src_len, 100);
	assert_true(capacity >= 64);
	for (size_t i = 0; i < 64; i++) {
		dst[i] = (uint8_t)i;
	}
	*ret_len = 64;
	return 0;
}

/* Unpacking is adding 1; what is longer than the block's compressed bytes is what is left of them. */
static int adding_unpack(enum dcd_pack_method method, uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len,
			 void *memory, size_t memory_size)
{
	(void)memory;
	(void)memory_size;
	assert_int_equal(method, DCD_PACK_DEFLATE);
	for (size_t i = 0; i < dst_len; i++) {
		dst[i] = (uint8_t)(i < src_len ? src[i] + 1U : src_len);
	}
	return 0;
}

static const struct dcd_packer pieces_packer = { .unpack = adding_unpack,
						 .pack = counting_pack,
						 .features = DCD_FEATURE_PACK(DCD_PACK_DEFLATE) };

/* A recipe over tight buffers, and a base of the bytes 0, 1, 2, ... */
struct pieces_lab {
	struct dcd_repack r;
	struct fixture_base base;
	uint8_t base_bytes[250];
	uint8_t *recipe;
	uint8_t *memory;
	uint8_t *out;
};

#define PIECES_LONGEST 100 /* so that a packed block has 164 bytes at most */

static int pieces_open(struct pieces_lab *lab, const uint64_t *values, size_t count, size_t out_len)
{
	const struct dcd_frame_tools tools = { .packer = &pieces_packer, .base = &lab->base.reader };
	uint8_t recipe[256];
	size_t len = 0, size = (size_t)dcd_repack_memory(4, 1, PIECES_LONGEST, 1);
	for (size_t i = 0; i < count; i++) {
		len += dcd_varint_put(recipe + len, values[i]);
	}
	for (size_t i = 0; i < sizeof lab->base_bytes; i++) {
		lab->base_bytes[i] = (uint8_t)i;
	}
	fixture_base_open(&lab->base, lab->base_bytes, sizeof lab->base_bytes);
	lab->recipe = malloc(len);
	lab->memory = malloc(size);
	lab->out = malloc(out_len);
	memcpy(lab->recipe, recipe, len);
	memset(lab->out, 0xee, out_len);
	uint8_t *left = lab->memory;
	return dcd_repack_open(&lab->r, lab->recipe, len, &tools, lab->out, out_len, &left, &size);
}

static void pieces_close(struct pieces_lab *lab)
{
	free(lab->recipe);
	free(lab->memory);
	free(lab->out);
}

/* A piece of the segment: `before` and `kept` of its packed bytes, `skip` of these in the segment before. */
struct cut {
	uint64_t skip;
	uint64_t before;
	uint64_t kept;
	size_t out_len;
	int err;
	size_t first; /* number of the byte that comes first, else */
	size_t count;
};

static void cut_check(const struct cut *cut)
{
	const uint64_t values[] = {
		0, 100,         PIECES_LONGEST, 1,  1, 0, cut->skip, 2 << 2 | 3, DCD_PACK_DEFLATE | DCD_PACK_SPLIT,
		9, cut->before, cut->kept,      100
	};
	struct pieces_lab lab;
	uint8_t *at;
	size_t room;
	assert_int_equal(pieces_open(&lab, values, sizeof values / sizeof values[0], cut->out_len), 0);
	int err = dcd_repack_room(&lab.r, &at, &room);
	if (err == 0) {
		assert_int_equal(room, 2);
		memset(at, 0xaa, 2);
		assert_int_equal(dcd_repack_advance(&lab.r, 2), 0);
		assert_int_equal(dcd_repack_room(&lab.r, &at, &room), 0);
		assert_int_equal(room, 100);
		memset(at, 'x', room);
		err = dcd_repack_advance(&lab.r, room);
	}
	assert_int_equal(err, cut->err);
	for (size_t i = 0; err == 0 && i < cut->out_len; i++) {
		assert_int_equal(lab.out[i], i < 2 ? 0xaaU : i - 2 < cut->count ? cut->first + i - 2 : 0xeeU);
	}
	if (err == 0) {
		assert_int_equal(dcd_repack_room(&lab.r, &at, &room), 0);
		assert_int_equal(room, cut->out_len - 2 - cut->count);
	}
	pieces_close(&lab);
}

static void of_a_block_in_pieces_the_segment_has_what_is_kept(void **state)
{
	static const struct cut cuts[] = {
		{ 0, 0, 64, 80, 0, 0, 64 },
		{ 0, 0, 40, 80, 0, 0, 40 },
		{ 0, 40, 24, 80, 0, 40, 24 },
		{ 0, 63, 1, 80, 0, 63, 1 },
		{ 0, 10, 20, 80, 0, 10, 20 },
		{ 7, 10, 20, 80, 0, 17, 13 }, /* begun in the segment before */
		{ 19, 10, 20, 80, 0, 29, 1 }, /* all but a byte of it */
		{ 0, 10, 20, 12, 0, 10, 10 }, /* goes on in the next */
		{ 5, 10, 30, 12, 0, 15, 10 }, /* both */
		{ 0, 10, 55, 80, DCD_ERR_WRONG_BASE, 0, 0 },
		{ 0, 64, 1, 80, DCD_ERR_WRONG_BASE, 0, 0 },
		{ 0, 65, 1, 80, DCD_ERR_WRONG_BASE, 0, 0 },
		{ 0, 164, 164, 80, DCD_ERR_WRONG_BASE, 0, 0 },
		{ 0, 165, 1, 80, DCD_ERR_MALFORMED, 0, 0 },
		{ 0, 0, 165, 80, DCD_ERR_MALFORMED, 0, 0 },
		{ 0, UINT64_MAX, 2, 80, DCD_ERR_MALFORMED, 0, 0 },
		{ 0, 10, 0, 80, DCD_ERR_MALFORMED, 0, 0 },
		{ 20, 10, 20, 80, DCD_ERR_MALFORMED, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
		cut_check(&cuts[i]);
	}
}

/* A piece of 20 bytes, and behind it a block that says nothing of how it is packed, or another piece. */
static int next_check(uint64_t next, size_t out_len)
{
	const uint64_t values[] = {
		0, 200, PIECES_LONGEST, 1, 1, 0, 0, 3, DCD_PACK_DEFLATE | DCD_PACK_SPLIT, 9, 10, 20, 100, next
	};
	struct pieces_lab lab;
	uint8_t *at;
	size_t room;
	assert_int_equal(pieces_open(&lab, values, sizeof values / sizeof values[0], out_len), 0);
	int err = 0;
	for (int i = 0; err == 0 && i < 2; i++) {
		err = dcd_repack_room(&lab.r, &at, &room);
		if (err == 0) {
			assert_int_equal(room, 100);
			memset(at, 'x', room);
			err = dcd_repack_advance(&lab.r, room);
		}
	}
	for (size_t i = 0; err == 0 && i < 84; i++) {
		assert_int_equal(lab.out[i], i < 20 ? 10 + i : i - 20);
	}
	pieces_close(&lab);
	return err;
}

static void the_block_behind_a_piece_is_a_whole_one(void **state)
{
	(void)state;
	assert_int_equal(next_check(0, 90), 0);
	assert_int_equal(next_check(0, 84), 0);
	/* Only the last block may run on, in pieces or not. */
	assert_int_equal(next_check(0, 19), DCD_ERR_WRONG_BASE);
	assert_int_equal(next_check(0, 20), DCD_ERR_MALFORMED);
}

/* One block that was begun in the segment before, and isn't in pieces. */
static int whole_check(uint64_t skip, uint8_t *ret_first)
{
	const uint64_t values[] = { 0, 100, PIECES_LONGEST, 1, 1, 0, skip, 3, DCD_PACK_DEFLATE, 9, 100 };
	struct pieces_lab lab;
	uint8_t *at;
	size_t room;
	assert_int_equal(pieces_open(&lab, values, sizeof values / sizeof values[0], 80), 0);
	assert_int_equal(dcd_repack_room(&lab.r, &at, &room), 0);
	memset(at, 'x', room);
	int err = dcd_repack_advance(&lab.r, room);
	*ret_first = lab.out[0];
	pieces_close(&lab);
	return err;
}

static void a_whole_block_has_a_byte_in_the_segment(void **state)
{
	uint8_t first;
	(void)state;
	assert_int_equal(whole_check(63, &first), 0);
	assert_int_equal(first, 63);
	assert_int_equal(whole_check(64, &first), DCD_ERR_WRONG_BASE);
	assert_int_equal(whole_check(65, &first), DCD_ERR_WRONG_BASE);
}

static void methods_are_known_whether_in_pieces_or_not(void **state)
{
	/* Numbers beyond those of pieces say nothing of what follows. */
	static const struct {
		uint64_t method;
		size_t left_out;
	} cases[] = { { DCD_PACK_ZSTD | DCD_PACK_SPLIT, 0 },
		      { 15 | DCD_PACK_SPLIT, 0 },
		      { 2 * DCD_PACK_SPLIT | DCD_PACK_DEFLATE, 2 },
		      { 3 * DCD_PACK_SPLIT | DCD_PACK_DEFLATE, 2 } };
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const uint64_t values[] = { 0, 100, PIECES_LONGEST, 1, 1, 0, 0, 3, cases[i].method, 9, 100, 20, 100 };
		struct pieces_lab lab;
		uint8_t *at;
		size_t room;
		assert_int_equal(pieces_open(&lab, values, sizeof values / sizeof values[0] - cases[i].left_out, 80), 0);
		assert_int_equal(dcd_repack_room(&lab.r, &at, &room), DCD_ERR_UNSUPPORTED);
		pieces_close(&lab);
	}
}

/* Three blocks of the base; the one in the middle goes on elsewhere. */
static void a_block_of_the_base_goes_on_where_the_recipe_says(void **state)
{
	const uint64_t values[] = { 0,
				    300,
				    PIECES_LONGEST,
				    1,
				    1,
				    4,
				    10 << 3 | 7,
				    DCD_PACK_DEFLATE,
				    20,
				    5,
				    100,     /* 20 bytes from 5 others, and from 100 on */
				    12 << 3, /* from 110 on */
				    3 << 3 | 1,
				    DCD_PACK_SPLIT,
				    200,    /* and at 200 */
				    4 << 3, /* from 122 on */
				    0 };
	static const uint8_t expected[60] = { 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 10,  10,  10,  10,  10,
					      10,  10,  10,  10,  10,  111, 112, 113, 114, 115, 116, 117, 118, 119, 120,
					      121, 122, 201, 202, 203, 15,  15,  15,  15,  15,  123, 124, 125, 126, 4,
					      4,   4,   4,   4,   4,   4,   4,   4,   4,   4,   4,   4,   4,   4,   4 };
	struct pieces_lab lab;
	uint8_t out[60];
	(void)state;
	assert_int_equal(pieces_open(&lab, values, sizeof values / sizeof values[0], 10), 0);
	assert_int_equal(lab.r.reader.size, 250 + 5 + 60);
	assert_int_equal(lab.r.reader.read(lab.r.reader.context, 255, out, sizeof out), 0);
	assert_memory_equal(out, expected, sizeof out);
	for (size_t i = 0; i < sizeof out; i++) { /* each alone, where the search may end at any of the entries */
		assert_int_equal(lab.r.reader.read(lab.r.reader.context, 255 + i, out, 1), 0);
		assert_int_equal(out[0], expected[i]);
	}
	assert_int_equal(lab.r.reader.read(lab.r.reader.context, 315, out, 1), DCD_ERR_MALFORMED);
	pieces_close(&lab);
}

/* Opens a recipe with these entries for blocks of the base; reads a byte of the first one when it opens. */
static int base_check(const uint64_t *entries, size_t count, uint64_t blocks)
{
	uint64_t values[32] = { 0, 300, PIECES_LONGEST, 1, 1, blocks };
	struct pieces_lab lab;
	uint8_t byte;
	memcpy(values + 6, entries, count * sizeof *entries);
	values[6 + count] = 0; /* skip */
	int err = pieces_open(&lab, values, 7 + count, 10);
	err = err != 0 ? err : lab.r.reader.read(lab.r.reader.context, 250, &byte, 1);
	pieces_close(&lab);
	return err;
}

static void where_a_block_goes_on_is_refused_unless_there_is_one_and_room(void **state)
{
	enum { FIRST = 10 << 3 | 3, MORE = 3 << 3 | 1, GO = DCD_PACK_SPLIT };
	static const struct {
		uint64_t entries[10];
		size_t count;
		uint64_t blocks;
		int err;
	} cases[] = {
		{ { FIRST, DCD_PACK_DEFLATE, 20, MORE, GO, 200 }, 6, 2, 0 },
		{ { FIRST, DCD_PACK_DEFLATE, 20, MORE, GO, 247 }, 6, 2, 0 },
		{ { FIRST, DCD_PACK_DEFLATE, 20, MORE, GO, 248 }, 6, 2, DCD_ERR_WRONG_BASE },
		{ { FIRST, DCD_PACK_DEFLATE, 20, MORE, GO, UINT64_MAX - 3 }, 6, 2, DCD_ERR_WRONG_BASE },
		{ { FIRST, DCD_PACK_DEFLATE, 20, MORE, GO, UINT64_MAX - 2 }, 6, 2, DCD_ERR_MALFORMED },
		{ { FIRST, DCD_PACK_DEFLATE, 20, 154 << 3 | 1, GO, 0 }, 6, 2, 0 }, /* 164 in all */
		{ { FIRST, DCD_PACK_DEFLATE, 20, 155 << 3 | 1, GO, 0 }, 6, 2, DCD_ERR_MALFORMED },
		{ { FIRST, DCD_PACK_DEFLATE, 20, UINT64_MAX - 6, GO, 0 }, 6, 2, DCD_ERR_MALFORMED },
		{ { FIRST, DCD_PACK_DEFLATE, 20, 0 << 3 | 1, GO, 0 }, 6, 2, DCD_ERR_MALFORMED },
		{ { FIRST, DCD_PACK_DEFLATE, 20, MORE | 2, GO, 20, 200 }, 7, 2, DCD_ERR_MALFORMED },
		{ { FIRST, DCD_PACK_DEFLATE, 20, MORE | 4, GO, 0, 0, 200 }, 8, 2, DCD_ERR_MALFORMED },
		{ { MORE, GO, 200, FIRST, DCD_PACK_DEFLATE, 20 }, 6, 2, DCD_ERR_MALFORMED },
		{ { FIRST, DCD_PACK_DEFLATE, 20, MORE, GO, 200, MORE, GO, 210 }, 9, 3, DCD_ERR_MALFORMED },
		{ { FIRST, DCD_PACK_DEFLATE | GO, 20 },
		  3,
		  1,
		  DCD_ERR_UNSUPPORTED }, /* of the base there are no pieces by method */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		assert_int_equal(base_check(cases[i].entries, cases[i].count, cases[i].blocks), cases[i].err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_block_in_pieces_the_segment_has_what_is_kept),
		cmocka_unit_test(the_block_behind_a_piece_is_a_whole_one),
		cmocka_unit_test(a_whole_block_has_a_byte_in_the_segment),
		cmocka_unit_test(methods_are_known_whether_in_pieces_or_not),
		cmocka_unit_test(a_block_of_the_base_goes_on_where_the_recipe_says),
		cmocka_unit_test(where_a_block_goes_on_is_refused_unless_there_is_one_and_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
