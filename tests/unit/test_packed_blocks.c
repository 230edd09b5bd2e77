/* Blocks in pieces: brought together, unpacked, and found again in another image. Which ones there are is for the finders' tests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bsdiff/codec/deflate_pack.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/diff/packed_blocks.h"

static struct dcd_packed_block first_piece(uint64_t offset, uint64_t other, uint32_t coded, uint32_t whole)
{
	return (struct dcd_packed_block){ .offset = offset, .coded = coded, .whole = whole, .other = other };
}

static struct dcd_packed_block last_piece(uint64_t offset, uint64_t other, uint32_t before, uint32_t whole)
{
	return (struct dcd_packed_block){
		.offset = offset, .coded = whole - before, .whole = whole, .before = before, .other = other
	};
}

static void a_piece_is_sought_where_the_other_image_has_its_bytes(void **state)
{
	(void)state;
	const struct dcd_packed_block whole = { .offset = 500, .coded = 100 };
	const struct dcd_packed_block head = first_piece(1000, 2000, 60, 100), tail = last_piece(2000, 1000, 60, 100);
	const struct dcd_packed_block other_head = first_piece(3000, 4000, 70, 100), other_tail = last_piece(4000, 3000, 70, 100);
	assert_int_equal(dcd_packed_block_twin(&whole, &whole), 500);
	assert_int_equal(dcd_packed_block_twin(&head, &whole), 500);
	assert_int_equal(dcd_packed_block_twin(&tail, &whole), 560);
	assert_int_equal(dcd_packed_block_twin(&head, &head), 1000);
	assert_int_equal(dcd_packed_block_twin(&tail, &head), 2000);
	assert_int_equal(dcd_packed_block_twin(&tail, &tail), 2000);
	/* What is in two places there, here in one. */
	assert_int_equal(dcd_packed_block_twin(&whole, &head), 0);
	assert_int_equal(dcd_packed_block_twin(&tail, &other_head), 0);
	assert_int_equal(dcd_packed_block_twin(&other_head, &head), 0);
	assert_int_equal(dcd_packed_block_twin(&head, &other_tail), 0);
	/* Less than what is there. */
	assert_int_equal(dcd_packed_block_twin(&head, &other_head), 3000);
}

#define TEXT 3000U

static void both_pieces_unpack_to_the_whole_content(void **state)
{
	(void)state;
	uint8_t text[TEXT], packed[TEXT], image[3 * TEXT] = { 0 }, out[TEXT];
	size_t n;
	void *memory = malloc(dcd_deflate_memory());
	for (size_t i = 0; i < TEXT; i++) {
		text[i] = (uint8_t)("etaoin shrdlu"[i * i / 7 % 13]);
	}
	assert_int_equal(dcd_deflate_pack(9, packed, TEXT, text, TEXT, memory, dcd_deflate_memory(), &n), 0);
	free(memory);
	const struct dcd_bytes bytes = { image, sizeof image };
	struct dcd_byte_buffer room = { 0 };
	for (uint32_t head = 1; head < n; head += 13) {
		/* The last piece lies before the first one. */
		struct dcd_packed_block pieces[2] = { first_piece(2 * TEXT, 100, head, (uint32_t)n),
						      last_piece(100, 2 * TEXT, head, (uint32_t)n) };
		memset(image, 0xee, sizeof image);
		memcpy(image + 2 * TEXT, packed, head);
		memcpy(image + 100, packed + head, n - head);
		for (size_t i = 0; i < 2; i++) {
			pieces[i].len = TEXT;
			pieces[i].method = DCD_PACK_DEFLATE;
			assert_int_equal(dcd_packed_block_whole(&pieces[i]), n);
			assert_memory_equal(dcd_packed_block_bytes(&bytes, &pieces[i], &room), packed, n);
			memset(out, 0, sizeof out);
			assert_int_equal(dcd_packed_block_unpack(&bytes, &pieces[i], &room, out), 0);
			assert_memory_equal(out, text, TEXT);
		}
	}
	dcd_byte_buffer_free(&room);
}

static void sorting_drops_a_piece_that_another_block_lies_over(void **state)
{
	(void)state;
	struct dcd_packed_blocks blocks = { 0 };
	assert_int_equal(dcd_packed_blocks_add(&blocks, last_piece(5000, 1000, 60, 100)), 0);
	assert_int_equal(dcd_packed_blocks_add(&blocks, first_piece(1000, 5000, 60, 100)), 0);
	assert_int_equal(dcd_packed_blocks_add(&blocks, (struct dcd_packed_block){ .offset = 4990, .coded = 11 }), 0);
	dcd_packed_blocks_sort(&blocks);
	assert_int_equal(blocks.count, 2);
	assert_int_equal(blocks.items[0].offset, 1000);
	assert_int_equal(blocks.items[1].offset, 4990);
	dcd_packed_blocks_free(&blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_piece_is_sought_where_the_other_image_has_its_bytes),
		cmocka_unit_test(both_pieces_unpack_to_the_whole_content),
		cmocka_unit_test(sorting_drops_a_piece_that_another_block_lies_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
