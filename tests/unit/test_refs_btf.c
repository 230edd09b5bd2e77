/* Where old types and strings begin, against a plain walk over the same bytes; what follows from it is in test_refs.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/le.h"
#include "bsdiff/apply/refs_btf.h"

#define BASE_SIZE 40000U

static uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static int base_read(void *context, uint64_t offset, void *buf, size_t len)
{
	memcpy(buf, (const uint8_t *)context + offset, len);
	return 0;
}

static void assert_starts(const struct dcd_ref_starts *starts, const bool *begins, uint32_t places)
{
	assert_int_equal(starts->places, places);
	for (uint32_t i = 0; i < places; i++) {
		assert_int_equal(starts->bits[i / 32] >> i % 32 & 1, begins[i]);
	}
}

static void assert_string_starts(const struct dcd_ref_btf *btf, const uint8_t *strings)
{
	bool *begins = calloc(btf->strings_len + 1, sizeof *begins);
	assert_non_null(begins);
	begins[0] = true;
	for (uint32_t i = 0; i < btf->strings_len; i++) {
		begins[i + 1] = strings[i] == 0;
	}
	assert_starts(&btf->string_starts, begins, btf->strings_len);
	free(begins);
}

static void assert_type_starts(const struct dcd_ref_btf *btf, const uint8_t *types)
{
	bool *begins = calloc(btf->types_len / 4 + 1, sizeof *begins);
	assert_non_null(begins);
	begins[0] = true;
	struct dcd_btf_walk walk = { 0, 0 };
	for (uint32_t i = 0; i < btf->types_len / 4; i++) {
		begins[i + 1] = dcd_btf_step(&walk, dcd_le32_get(types + 4 * (size_t)i));
	}
	assert_starts(&btf->type_starts, begins, btf->types_len / 4);
	free(begins);
}

static void open_and_check(uint8_t *base, uint32_t types_len, uint32_t strings_len)
{
	struct dcd_reader reader = { base_read, base, BASE_SIZE };
	struct dcd_ref_btf btf = {
		.present = true, .types_len = types_len, .strings_len = strings_len, .types = 1, .strings = 1
	};
	void *memory = malloc((size_t)dcd_ref_btf_memory(&btf));
	assert_non_null(memory);
	assert_int_equal(dcd_ref_btf_open(&btf, &reader, memory), 0);
	assert_type_starts(&btf, base);
	assert_string_starts(&btf, base + types_len);
	free(memory);
}

/* Many zeros, and bytes that a search for zeros in words could take for them; lengths around those of words and of reads. */
static void types_and_strings_begin_where_a_plain_walk_says(void **state)
{
	(void)state;
	static const uint8_t odd[] = { 0, 0, 1, 0x7f, 0x80, 0x81, 0xff, 'a' };
	uint8_t *base = malloc(BASE_SIZE);
	assert_non_null(base);
	uint32_t seed = 1;
	for (int round = 0; round < 60; round++) {
		for (uint32_t i = 0; i < BASE_SIZE; i++) {
			base[i] = odd[random_next(&seed) % sizeof odd];
		}
		uint32_t reads = random_next(&seed) % 4 * 4096, types = random_next(&seed) % 4096 * 4;
		open_and_check(base, types, reads + random_next(&seed) % 70);
	}
	open_and_check(base, 0, 0);
	free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_and_strings_begin_where_a_plain_walk_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
