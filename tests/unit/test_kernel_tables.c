#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/le.h"
#include "bsdiff/diff/btf_types.h"
#include "bsdiff/diff/kernel_tables.h"

#define VA UINT64_C(0xffffffff82000000)
#define SYMBOLS 1200U
#define ARRAY_AT 4096U /* behind words in no order */

/* A symbol table as x86 kernels have: 100 absolute offsets, then descending ones; names of one byte; markers; numbers by name. */
static uint8_t *symbols_make(size_t *ret_len)
{
	const size_t names = ARRAY_AT + 4 * SYMBOLS + 16, markers = (names + 2 * SYMBOLS + 7) / 8 * 8;
	const size_t sequence = (markers + 4 * 5 + 7) / 8 * 8, len = sequence + 3 * SYMBOLS + 64;
	uint8_t *bytes = calloc(1, len);
	for (size_t i = 0; i < ARRAY_AT; i += 4) {
		dcd_le32_put(bytes + i, i % 8 == 0 ? 0x7fff0000U : 1);
	}
	for (size_t i = 0; i < SYMBOLS; i++) {
		dcd_le32_put(bytes + ARRAY_AT + 4 * i, i < 100 ? (uint32_t)(8 * i + 2) : 0U - 1 - (uint32_t)(16 * i));
		bytes[names + 2 * i] = 1;
		bytes[names + 2 * i + 1] = (uint8_t)('a' + i % 26);
		bytes[sequence + 3 * i + 1] = (uint8_t)((SYMBOLS - 1 - i) >> 8);
		bytes[sequence + 3 * i + 2] = (uint8_t)(SYMBOLS - 1 - i);
	}
	dcd_le32_put(bytes + names - 16, 0x81000000);
	dcd_le32_put(bytes + names - 12, 0xffffffff);
	dcd_le32_put(bytes + names - 8, SYMBOLS);
	for (size_t i = 0; i < 5; i++) {
		dcd_le32_put(bytes + markers + 4 * i, (uint32_t)(512 * i));
	}
	*ret_len = len;
	return bytes;
}

static void a_symbol_table_is_found_by_its_order_and_its_count(void **state)
{
	(void)state;
	size_t len;
	uint8_t *data = symbols_make(&len);
	const struct dcd_bytes bytes = { data, len };
	struct dcd_kernel_symbols symbols;
	assert_true(dcd_kernel_symbols_find(&bytes, VA, &symbols));
	assert_int_equal(symbols.count, 3);
	assert_int_equal(symbols.regions[0].offset, ARRAY_AT);
	assert_int_equal(symbols.regions[0].len, 4 * SYMBOLS);
	assert_int_equal(symbols.regions[0].scale, -1);
	assert_true(symbols.regions[0].origin == UINT64_C(0xffffffff80ffffff));
	assert_true(symbols.regions[1].origin == VA + symbols.base_at + 16);
	assert_int_equal(symbols.regions[2].kind, DCD_REGION_SEQUENCE);
	assert_int_equal(symbols.regions[2].len, 3 * SYMBOLS);
	/* With another count it isn't one. */
	dcd_le32_put(data + symbols.base_at + 8, SYMBOLS + 5000);
	assert_false(dcd_kernel_symbols_find(&bytes, VA, &symbols));
	free(data);
}

static void a_cut_symbol_table_never_leads_outside_the_bytes(void **state)
{
	(void)state;
	size_t full;
	uint8_t *data = symbols_make(&full);
	for (size_t len = 0; len < full; len += len < ARRAY_AT + 4 * SYMBOLS ? 97 : 1) {
		uint8_t *tight = malloc(len + 1);
		memcpy(tight, data, len);
		const struct dcd_bytes bytes = { tight, len };
		struct dcd_kernel_symbols symbols;
		if (dcd_kernel_symbols_find(&bytes, VA, &symbols)) {
			assert_true(symbols.end <= len);
		}
		free(tight);
	}
	free(data);
}

static void sections_are_known_by_name_and_only_whole_records(void **state)
{
	(void)state;
	struct dcd_elf_region region = { .len = 24, .kind = DCD_REGION_JUMPS };
	assert_true(dcd_kernel_table_describe("__ex_table", 11, &region));
	assert_int_equal(region.kind, DCD_REGION_RELATIVE);
	assert_int_equal(region.stride, 12);
	assert_int_equal(region.fields, 3);
	assert_false(dcd_kernel_table_describe("__ex_table", 10, &region)); /* its end isn't there */
	region.len = 25;
	assert_true(dcd_kernel_table_describe("__ex_table", 11, &region));
	assert_int_equal(region.len, 0);
	assert_false(dcd_kernel_table_describe(".data", 6, &region));
}

static void relocations_end_where_something_else_begins(void **state)
{
	(void)state;
	uint8_t data[4 * 1103];
	for (size_t i = 0; i < 1103; i++) {
		dcd_le32_put(data + 4 * i, i == 0 || i == 500 ? 0 : i < 1102 ? 0x81000000U + (uint32_t)i : 0x12345678);
	}
	const struct dcd_bytes bytes = { data, sizeof data }, few = { data, 400 };
	const struct dcd_elf_module module = { .low = UINT64_C(0xffffffff81000000), .span = 0x100000 };
	assert_int_equal(dcd_kernel_relocations_length(&bytes, &module), 4 * 1102);
	assert_int_equal(dcd_kernel_relocations_length(&few, &module), 0);
}

#define TYPES 1500U

/* Pointers to type 1, whose names are all the string at 1, in a BTF of the whole of `data`. */
static size_t types_make(uint8_t *data)
{
	static const uint8_t head[12] = { 0x9f, 0xeb, 1, 0, DCD_BTF_HEADER_SIZE };
	memset(data, 0, DCD_BTF_HEADER_SIZE + 12 * TYPES + 8);
	memcpy(data, head, sizeof head);
	dcd_le32_put(data + 12, 12 * TYPES);
	dcd_le32_put(data + 16, 12 * TYPES);
	dcd_le32_put(data + 20, 5);
	for (size_t i = 0; i < TYPES; i++) {
		uint8_t *type = data + DCD_BTF_HEADER_SIZE + 12 * i;
		dcd_le32_put(type, i % 2);
		dcd_le32_put(type + 4, 2U << 24);
		dcd_le32_put(type + 8, 1);
	}
	memcpy(data + DCD_BTF_HEADER_SIZE + 12 * TYPES, "\0abc", 5);
	return DCD_BTF_HEADER_SIZE + 12 * TYPES + 5;
}

static void types_are_found_and_a_segment_knows_where_it_stands_in_them(void **state)
{
	(void)state;
	uint8_t *data = malloc(64 + DCD_BTF_HEADER_SIZE + 12 * TYPES + 8);
	memset(data, 0x55, 64);
	size_t len = 64 + types_make(data + 64);
	struct dcd_bytes bytes = { data, len };
	struct dcd_elf_region region;
	assert_true(dcd_btf_find(&bytes, &region));
	assert_int_equal(region.offset, 64 + DCD_BTF_HEADER_SIZE);
	assert_int_equal(region.types, TYPES);
	assert_int_equal(region.strings, 2);
	/* A segment that begins in the second word of the third type: the fourth is its first. */
	struct dcd_btf_sync sync = dcd_btf_sync(&bytes, &region, region.offset + 2 * 12 + 4, 4096);
	assert_int_equal(sync.first, 8);
	assert_int_equal(sync.id, 4);
	assert_int_equal(sync.end, 4096);
	assert_int_equal(sync.next, 5);
	bytes.len--; /* the last string isn't ended */
	assert_false(dcd_btf_find(&bytes, &region));
	free(data);
}

static void equal_types_look_alike_under_other_numbers(void **state)
{
	(void)state;
	size_t size = DCD_BTF_HEADER_SIZE + 12 * TYPES + 8;
	uint8_t *data = malloc(size), *view = malloc(12 * TYPES);
	const struct dcd_bytes bytes = { data, types_make(data) };
	struct dcd_elf_region region;
	/* Type 9 points to 3, which is the same as 1 but for its number; 11 to 2, which has no such name. */
	dcd_le32_put(data + DCD_BTF_HEADER_SIZE + 12 * 8 + 8, 3);
	dcd_le32_put(data + DCD_BTF_HEADER_SIZE + 12 * 10 + 8, 2);
	assert_true(dcd_btf_describe(&bytes, &region));
	memcpy(view, data + DCD_BTF_HEADER_SIZE, 12 * TYPES);
	assert_int_equal(dcd_btf_view(&bytes, &region, view), 0);
	assert_memory_equal(view + 12 * 8, view + 12 * 6, 12);
	assert_memory_not_equal(view + 12 * 10, view + 12 * 6, 12);
	free(view);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_symbol_table_is_found_by_its_order_and_its_count),
		cmocka_unit_test(a_cut_symbol_table_never_leads_outside_the_bytes),
		cmocka_unit_test(sections_are_known_by_name_and_only_whole_records),
		cmocka_unit_test(relocations_end_where_something_else_begins),
		cmocka_unit_test(types_are_found_and_a_segment_knows_where_it_stands_in_them),
		cmocka_unit_test(equal_types_look_alike_under_other_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
