#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/le.h"
#include "bsdiff/diff/kernel_image.h"

#define SIZE (1U << 20) /* of the kernel */
#define AT 1000U        /* where it lies in the image */
#define PAGE 4096U
#define CODE_PAGES 4U
#define RELOCATION_PAGES 2U
#define LOW UINT64_C(0xffff800008000000)

/* A kernel of code, relocations, addresses and zeros, inside other bytes. */
static uint8_t *image_make(void)
{
	uint8_t *image = calloc(1, AT + SIZE + AT);
	assert_non_null(image);
	uint8_t *head = image + AT;
	for (size_t at = 0; at < CODE_PAGES * PAGE; at += 4) {
		dcd_le32_put(head + at, 0xf9400000 | (uint32_t)at); /* ldr */
	}
	memset(head, 0, 64);
	dcd_le32_put(head + 4, 0x14000100); /* b */
	dcd_le64_put(head + 16, SIZE);
	memcpy(head + 56, "ARM\x64", 4);
	uint8_t *page = head + CODE_PAGES * PAGE;
	for (size_t at = 0; at + 24 <= RELOCATION_PAGES * PAGE; at += 24) {
		dcd_le64_put(page + at, LOW + at);
		dcd_le64_put(page + at + 8, 0x403);
		dcd_le64_put(page + at + 16, LOW + 2 * at);
	}
	page += RELOCATION_PAGES * PAGE;
	for (size_t at = 0; at < PAGE; at += 8) {
		dcd_le64_put(page + at, LOW + 8 * at);
	}
	return image;
}

static void a_kernel_is_found_by_its_header_wherever_it_lies(void **state)
{
	(void)state;
	uint8_t *image = image_make();
	const struct dcd_bytes bytes = { image, AT + SIZE + AT };
	uint64_t offset = 0;
	assert_true(dcd_kernel_image_find(&bytes, 0, &offset));
	assert_int_equal(offset, AT);
	assert_true(dcd_kernel_image_find(&bytes, AT, &offset));
	assert_false(dcd_kernel_image_find(&bytes, AT + 1, &offset));
	free(image);
}

static void a_header_that_no_kernel_has_is_none(void **state)
{
	(void)state;
	/* The branch, a size that is too small and one that is too large, big-endian, the offset of the text, reserved words,
	 * magic. */
	static const struct {
		uint8_t at, value;
	} wrong[] = { { 7, 0x94 }, { 18, 0x08 }, { 20, 1 }, { 24, 1 }, { 10, 0x20 }, { 32, 1 }, { 55, 1 }, { 56, 'a' } };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		uint8_t *image = image_make();
		const struct dcd_bytes bytes = { image, AT + SIZE + AT };
		uint64_t offset = 0;
		image[AT + wrong[i].at] = wrong[i].value;
		assert_false(dcd_kernel_image_find(&bytes, 0, &offset));
		free(image);
	}
	uint8_t *image = image_make();
	for (uint64_t len = AT; len < AT + 64; len++) {
		const struct dcd_bytes cut = { image, len };
		uint64_t offset = 0;
		assert_false(dcd_kernel_image_find(&cut, 0, &offset));
	}
	free(image);
}

static enum dcd_region_kind kind_at(const struct dcd_elf_modules *modules, uint64_t offset)
{
	const struct dcd_elf_region *region = dcd_elf_modules_at(modules, offset);
	assert_non_null(region);
	assert_true(region->offset <= offset);
	assert_int_equal(region->va, LOW + region->offset - AT);
	return region->kind;
}

static void its_parts_are_told_apart_by_what_they_look_like(void **state)
{
	(void)state;
	uint8_t *image = image_make();
	const struct dcd_bytes bytes = { image, AT + SIZE + AT };
	struct dcd_elf_modules modules = { 0 };
	uint64_t end = 0;
	assert_int_equal(dcd_kernel_image_add(&modules, &bytes, AT, &end), 0);
	assert_int_equal(end, AT + SIZE);
	assert_int_equal(modules.modules[0].low, LOW);
	assert_int_equal(modules.modules[0].span, SIZE);
	for (uint64_t page = 0; page < CODE_PAGES + RELOCATION_PAGES + 1; page++) {
		enum dcd_region_kind kind = page < CODE_PAGES                      ? DCD_REGION_AARCH64
					    : page < CODE_PAGES + RELOCATION_PAGES ? DCD_REGION_POINTERS
										   : DCD_REGION_JUMPS;
		assert_int_equal(kind_at(&modules, AT + page * PAGE), kind);
		assert_int_equal(kind_at(&modules, AT + page * PAGE + PAGE - 1), kind);
	}
	dcd_elf_modules_free(&modules);
	free(image);
}

static void a_kernel_that_is_cut_off_is_described_as_far_as_it_goes(void **state)
{
	(void)state;
	uint8_t *image = image_make();
	for (uint64_t len = AT + 64; len < AT + 9 * PAGE; len += 511) {
		/* A tight copy, so that a sanitizer sees a byte too many. */
		uint8_t *copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, image, len);
		const struct dcd_bytes cut = { copy, len };
		struct dcd_elf_modules modules = { 0 };
		uint64_t end = 0;
		assert_int_equal(dcd_kernel_image_add(&modules, &cut, AT, &end), 0);
		assert_int_equal(end, len);
		uint64_t at = AT;
		for (size_t i = 0; i < modules.region_count; i++) {
			assert_int_equal(modules.regions[i].offset, at);
			at += modules.regions[i].len;
		}
		assert_int_equal(at, len);
		dcd_elf_modules_free(&modules);
		free(copy);
	}
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kernel_is_found_by_its_header_wherever_it_lies),
		cmocka_unit_test(a_header_that_no_kernel_has_is_none),
		cmocka_unit_test(its_parts_are_told_apart_by_what_they_look_like),
		cmocka_unit_test(a_kernel_that_is_cut_off_is_described_as_far_as_it_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
