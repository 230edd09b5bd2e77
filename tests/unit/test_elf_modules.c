#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bsdiff/diff/elf_modules.h"
#include "tests/unit/program_fixture.h"

#define AT 1234U

static uint8_t *image_new(size_t len)
{
	uint8_t *image = calloc(1, len);
	program_make(image + AT, 10);
	return image;
}

static void a_program_is_found_wherever_it_lies(void **state)
{
	(void)state;
	uint8_t *image = image_new(AT + PROGRAM_SIZE + 100);
	struct dcd_bytes bytes = { image, AT + PROGRAM_SIZE + 100 };
	struct dcd_elf_modules modules;
	assert_int_equal(dcd_elf_modules_find(&bytes, &modules), 0);
	assert_int_equal(modules.count, 1);
	assert_int_equal(modules.modules[0].low, PROGRAM_CODE);
	assert_int_equal(modules.modules[0].span, PROGRAM_SIZE - PROGRAM_CODE);
	assert_int_equal(modules.region_count, 2);
	assert_int_equal(modules.regions[0].kind, DCD_REGION_X86_64);
	assert_int_equal(modules.regions[0].offset, AT + PROGRAM_CODE);
	assert_int_equal(modules.regions[1].kind, DCD_REGION_POINTERS);
	assert_ptr_equal(dcd_elf_modules_at(&modules, 0), &modules.regions[0]);
	assert_ptr_equal(dcd_elf_modules_at(&modules, AT + PROGRAM_DATA), &modules.regions[1]);
	assert_null(dcd_elf_modules_at(&modules, AT + PROGRAM_SIZE));
	dcd_elf_modules_free(&modules);
	free(image);
}

static void machines_are_told_apart_by_their_headers(void **state)
{
	(void)state;
	uint8_t *image = image_new(AT + PROGRAM_SIZE);
	const struct dcd_bytes bytes = { image, AT + PROGRAM_SIZE };
	const struct {
		uint8_t machine;
		enum dcd_region_kind code;
	} known[] = { { 62, DCD_REGION_X86_64 }, { 183, DCD_REGION_AARCH64 }, { 243, DCD_REGION_RISCV } };
	for (size_t i = 0; i < 3; i++) {
		struct dcd_elf_modules modules;
		image[AT + 18] = known[i].machine;
		assert_int_equal(dcd_elf_modules_find(&bytes, &modules), 0);
		assert_int_equal(modules.regions[0].kind, known[i].code);
		dcd_elf_modules_free(&modules);
	}
	free(image);
}

/* A 32-bit ARM file with sections: .dynsym, .rel.dyn, A32 code, T32 code, unwind index, data. */
static void a_32_bit_file_has_its_own_kinds_of_code_and_tables(void **state)
{
	(void)state;
	enum { SECTION = 0x100, COUNT = 7 };
	static const struct {
		uint32_t type, flags, link;
		enum dcd_region_kind kind;
	} sections[COUNT] = { { 0, 0, 0, 0 },
			      { 11, 2, 6, DCD_REGION_RECORDS32 },
			      { 9, 2, 1, DCD_REGION_RECORDS32 },
			      { 1, 6, 0, DCD_REGION_A32 },
			      { 1, 6, 0, DCD_REGION_T32 },
			      { 0x70000001, 2, 4, DCD_REGION_EXIDX },
			      { 1, 3, 0, DCD_REGION_POINTERS32 } };
	static uint8_t file[SECTION * (COUNT + 2)];
	memcpy(file, "\177ELF\1\1\1", 7);
	dcd_le16_put(file + 16, 3);
	dcd_le16_put(file + 18, 40);
	dcd_le32_put(file + 28, 52);
	dcd_le32_put(file + 32, SECTION * COUNT);
	dcd_le16_put(file + 42, 32);
	dcd_le16_put(file + 44, 1);
	dcd_le16_put(file + 46, 40);
	dcd_le16_put(file + 48, COUNT);
	dcd_le32_put(file + 52, 1); /* one segment with everything, at 0x8000 */
	dcd_le32_put(file + 52 + 8, 0x8000);
	dcd_le32_put(file + 52 + 16, SECTION * COUNT);
	dcd_le32_put(file + 52 + 20, SECTION * COUNT);
	for (uint32_t i = 1; i < COUNT; i++) {
		uint8_t *header = file + SECTION * COUNT + 40 * (size_t)i;
		const uint32_t fields[] = { 0,           sections[i].type, sections[i].flags, 0x8000 + SECTION * i,
					    SECTION * i, SECTION,          sections[i].link };
		for (size_t k = 0; k < 7; k++) {
			dcd_le32_put(header + 4 * k, fields[k]);
		}
	}
	memset(file + SECTION * 3, 0xe1, SECTION);
	memset(file + SECTION * 4, 0x46, SECTION);
	const struct dcd_bytes bytes = { file, sizeof file };
	struct dcd_elf_modules modules;
	assert_int_equal(dcd_elf_modules_find(&bytes, &modules), 0);
	assert_int_equal(modules.region_count, COUNT - 1);
	for (size_t i = 1; i < COUNT; i++) {
		assert_int_equal(modules.regions[i - 1].kind, sections[i].kind);
		assert_int_equal(modules.regions[i - 1].offset, SECTION * i);
		assert_int_equal(modules.regions[i - 1].va, 0x8000 + SECTION * i);
	}
	assert_int_equal(modules.regions[0].stride, 16);
	assert_int_equal(modules.regions[1].origin, 0x8000 + SECTION); /* counts the symbols */
	assert_int_equal(modules.regions[1].stride, DCD_RECORD_REL);
	dcd_elf_modules_free(&modules);
}

static void a_second_header_ends_the_first_file(void **state)
{
	(void)state;
	uint8_t *image = image_new(AT + 2 * PROGRAM_SIZE);
	program_make(image + AT + PROGRAM_DATA + 64, 3);
	struct dcd_bytes bytes = { image, AT + 2 * PROGRAM_SIZE };
	struct dcd_elf_modules modules;
	assert_int_equal(dcd_elf_modules_find(&bytes, &modules), 0);
	assert_int_equal(modules.count, 2);
	assert_int_equal(modules.regions[1].len, 64);
	for (size_t i = 1; i < modules.region_count; i++) {
		assert_true(modules.regions[i - 1].offset + modules.regions[i - 1].len <= modules.regions[i].offset);
	}
	dcd_elf_modules_free(&modules);
	free(image);
}

static void damaged_headers_never_lead_outside_the_image(void **state)
{
	(void)state;
	uint64_t seed = 3;
	uint8_t *image = image_new(AT + PROGRAM_SIZE);
	for (int round = 0; round < 20000; round++) {
		program_make(image + AT, 10);
		for (int n = 0; n < 3; n++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
			image[AT + 4 + (seed >> 33) % 200] = (uint8_t)(seed >> 24);
		}
		/* Cut, too: a tight copy for the sanitizers. */
		size_t len = AT + 64 + (seed >> 40) % (round % 2 == 0 ? 300 : PROGRAM_SIZE - 64);
		uint8_t *tight = malloc(len);
		memcpy(tight, image, len);
		struct dcd_bytes bytes = { tight, len };
		struct dcd_elf_modules modules;
		assert_int_equal(dcd_elf_modules_find(&bytes, &modules), 0);
		uint64_t end = 0;
		for (size_t i = 0; i < modules.region_count; i++) {
			assert_true(modules.regions[i].offset >= end && modules.regions[i].len > 0);
			end = modules.regions[i].offset + modules.regions[i].len;
			assert_true(end <= len);
		}
		dcd_elf_modules_free(&modules);
		free(tight);
		if (round > 2000 && round % 2 != 0) {
			round += 9; /* the long ones cost time */
		}
	}
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_is_found_wherever_it_lies),
		cmocka_unit_test(machines_are_told_apart_by_their_headers),
		cmocka_unit_test(a_32_bit_file_has_its_own_kinds_of_code_and_tables),
		cmocka_unit_test(a_second_header_ends_the_first_file),
		cmocka_unit_test(damaged_headers_never_lead_outside_the_image),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
