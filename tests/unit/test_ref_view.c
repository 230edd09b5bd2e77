#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/le.h"
#include "bsdiff/diff/ref_view.h"

#define RELA 24U
#define SLOTS 8U

/* One module whose only region is a table of relocations. */
static void table_make(uint8_t *table, uint64_t slots, uint32_t type)
{
	memset(table, 0, (size_t)RELA * SLOTS);
	for (uint32_t i = 0; i < SLOTS; i++) {
		dcd_le32_put(table + (size_t)RELA * i, (uint32_t)slots + 8 * i);
		dcd_le32_put(table + (size_t)RELA * i + 8, type);
		dcd_le32_put(table + (size_t)RELA * i + 12, 40 + i);
	}
}

static void views_of(uint8_t *old, uint8_t *new, struct dcd_ref_view *ret, struct dcd_byte_buffer *ret_segment)
{
	struct dcd_elf_module module = { .low = 0x10000, .span = 0x10000 };
	struct dcd_elf_region region = { .len = (uint64_t)RELA * SLOTS,
					 .va = 0x10000,
					 .kind = DCD_REGION_RECORDS,
					 .origin = 0x18000,
					 .stride = RELA,
					 .fields = 1 << 3,
					 .scale = 24 };
	const struct dcd_elf_modules modules = { .modules = &module, .count = 1, .regions = &region, .region_count = 1 };
	const struct dcd_ref_context context = {
		.base = { old, region.len }, .image = { new, region.len }, .old_modules = modules, .new_modules = modules
	};
	const struct dcd_segment whole = { .data = new, .len = (uint32_t)region.len };
	assert_int_equal(dcd_ref_view_new(&context, NULL, 0, ret), 0);
	assert_int_equal(dcd_ref_view_segment(ret, &context, &whole, ret_segment), 0);
}

static void linkage_relocations_look_alike_wherever_their_slots_are(void **state)
{
	(void)state;
	static const uint32_t types[] = { 5, 7, 1026 };
	uint8_t old[RELA * SLOTS], new[RELA * SLOTS];
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		struct dcd_ref_view view;
		struct dcd_byte_buffer segment = { 0 };
		table_make(old, 0x12000, types[i]);
		table_make(new, 0x13008, types[i]);
		views_of(old, new, &view, &segment);
		assert_memory_equal(view.base.data, segment.data, sizeof old);
		dcd_ref_view_free(&view);
		dcd_byte_buffer_free(&segment);
	}
}

static void other_relocations_are_seen_by_their_places(void **state)
{
	(void)state;
	uint8_t old[RELA * SLOTS], new[RELA * SLOTS];
	struct dcd_ref_view view;
	struct dcd_byte_buffer segment = { 0 };
	table_make(old, 0x12000, 8);
	table_make(new, 0x13008, 8);
	views_of(old, new, &view, &segment);
	assert_memory_not_equal(view.base.data, segment.data, sizeof old);
	dcd_ref_view_free(&view);
	dcd_byte_buffer_free(&segment);
}

#define SAMPLES 4096U

/* Does a view explain these? */
static bool view_explains(struct dcd_ref_sample *samples, size_t count)
{
	uint8_t image[RELA * SLOTS];
	table_make(image, 0x12000, 8);
	struct dcd_elf_module module = { .low = 0x10000, .span = 0x10000 };
	const struct dcd_elf_modules modules = { .modules = &module, .count = 1 };
	const struct dcd_ref_context context = {
		.base = { image, sizeof image }, .image = { image, sizeof image }, .old_modules = modules, .new_modules = modules
	};
	struct dcd_ref_view view;
	assert_int_equal(dcd_ref_view_new(&context, samples, count, &view), 0);
	bool ret = view.explains;
	dcd_ref_view_free(&view);
	return ret;
}

/* 4,096 samples of which every `period`-th goes elsewhere than the others; the first `again` of them are listed `times` times. */
static bool explained(size_t period, size_t again, size_t times)
{
	static struct dcd_ref_sample samples[4 * SAMPLES];
	size_t count = 0;
	for (size_t i = 0; i < SAMPLES; i++) {
		for (size_t n = i < again ? times : 1; n > 0; n--) {
			samples[count++] = (struct dcd_ref_sample){ 0, 0x10000 + 8 * i, i % period == period - 1 ? 8 * i : 64 };
		}
	}
	return view_explains(samples, count);
}

static void a_view_says_whether_it_explains_what_was_met(void **state)
{
	(void)state;
	assert_true(explained(SIZE_MAX, 0, 0));
	assert_true(explained(256, 0, 0));
	assert_false(explained(200, 0, 0));
	assert_false(explained(4, 0, 0));
}

/* Threads leave out some of those that they have met twice, each on its own: the payload is the same for any number of them. */
static void how_often_a_sample_is_listed_beyond_twice_does_not_matter(void **state)
{
	(void)state;
	for (size_t times = 2; times <= 100; times += 49) {
		/* 20 go elsewhere, of 4,096 and 100 more; and 16. */
		assert_false(explained(200, 100, times));
		assert_true(explained(256, 100, times));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linkage_relocations_look_alike_wherever_their_slots_are),
		cmocka_unit_test(other_relocations_are_seen_by_their_places),
		cmocka_unit_test(a_view_says_whether_it_explains_what_was_met),
		cmocka_unit_test(how_often_a_sample_is_listed_beyond_twice_does_not_matter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
