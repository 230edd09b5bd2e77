#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/delta/base_cache.h"

#define FILE_SIZE ((size_t)100 * DCD_BASE_CACHE_PAGE + 123)

/* A file in memory that counts what is read, and fails when told to. */
struct file {
	uint8_t bytes[FILE_SIZE];
	unsigned reads;
	int err;
	struct dcd_reader reader;
	uint8_t pages[DCD_BASE_CACHE_SIZE];
	struct dcd_base_cache cache;
	struct dcd_reader cached;
};

static int file_read(void *context, uint64_t offset, void *buf, size_t len)
{
	struct file *file = context;
	file->reads++;
	if (file->err != 0) {
		memset(buf, 0x5a, len); /* a failed read may leave anything */
		return file->err;
	}
	if (offset > FILE_SIZE || len > FILE_SIZE - offset) {
		return DCD_ERR_IO;
	}
	memcpy(buf, file->bytes + offset, len);
	return 0;
}

static int setup(void **state)
{
	struct file *file = calloc(1, sizeof *file);
	assert_non_null(file);
	uint32_t seed = 1;
	for (size_t i = 0; i < FILE_SIZE; i++) {
		seed = seed * 1664525 + 1013904223;
		file->bytes[i] = (uint8_t)(seed >> 24);
	}
	file->reader = (struct dcd_reader){ file_read, file, FILE_SIZE };
	file->cache = (struct dcd_base_cache){ .file = &file->reader, .pages = file->pages };
	file->cached = dcd_base_cache_reader(&file->cache);
	*state = file;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static int cached_read(struct file *file, uint64_t offset, uint8_t *buf, size_t len)
{
	return file->cached.read(file->cached.context, offset, buf, len);
}

static void assert_right(struct file *file, uint64_t offset, size_t len)
{
	uint8_t buf[3 * DCD_BASE_CACHE_PAGE + 1];
	memset(buf, 0xee, sizeof buf);
	assert_int_equal(cached_read(file, offset, buf, len), 0);
	assert_memory_equal(buf, file->bytes + offset, len);
	assert_int_equal(buf[len], 0xee);
}

static void any_read_gives_the_bytes_of_the_file(void **state)
{
	struct file *file = *state;
	uint32_t seed = 7;
	for (int i = 0; i < 20000; i++) {
		seed = seed * 1664525 + 1013904223;
		uint64_t offset = (seed >> 8) % FILE_SIZE;
		seed = seed * 1664525 + 1013904223;
		size_t len = (seed >> 8) % (i % 4 == 0 ? 3 * DCD_BASE_CACHE_PAGE : 300);
		len = len < FILE_SIZE - offset ? len : (size_t)(FILE_SIZE - offset);
		assert_right(file, offset, len);
	}
	assert_right(file, FILE_SIZE - 1, 1);
	assert_right(file, FILE_SIZE, 0);
	assert_true(file->cached.size == FILE_SIZE);
}

static void small_reads_near_each_other_cost_one_read_a_page(void **state)
{
	struct file *file = *state;
	for (size_t offset = 0; offset + 16 <= DCD_BASE_CACHE_SIZE; offset += 16) {
		assert_right(file, offset, 16);
	}
	assert_int_equal(file->reads, DCD_BASE_CACHE_PAGES);
	assert_right(file, DCD_BASE_CACHE_PAGE - 8, 16); /* across pages that are there */
	assert_int_equal(file->reads, DCD_BASE_CACHE_PAGES);
	assert_right(file, DCD_BASE_CACHE_SIZE, 1); /* takes the place of the first page */
	assert_right(file, 0, 1);
	assert_int_equal(file->reads, DCD_BASE_CACHE_PAGES + 2);
}

static void large_reads_go_to_the_file_at_once(void **state)
{
	struct file *file = *state;
	assert_right(file, 5, 3 * DCD_BASE_CACHE_PAGE);
	assert_int_equal(file->reads, 1);
}

static void without_memory_every_read_goes_to_the_file(void **state)
{
	struct file *file = *state;
	file->cache.pages = NULL;
	assert_right(file, 5, 10);
	assert_right(file, 5, 10);
	assert_int_equal(file->reads, 2);
}

static void a_failed_read_is_reported_and_leaves_no_page_behind(void **state)
{
	struct file *file = *state;
	uint8_t buf[16];
	assert_right(file, DCD_BASE_CACHE_SIZE, 16); /* in the place that the failing page would take */
	file->err = DCD_ERR_IO;
	assert_int_equal(cached_read(file, 0, buf, sizeof buf), DCD_ERR_IO);
	file->err = 0;
	assert_right(file, DCD_BASE_CACHE_SIZE, 16);
	assert_right(file, 0, 16);
}

static void a_read_behind_the_end_is_the_files_to_refuse(void **state)
{
	struct file *file = *state;
	uint8_t buf[16];
	assert_int_equal(cached_read(file, FILE_SIZE - 8, buf, sizeof buf), DCD_ERR_IO);
	assert_int_equal(cached_read(file, UINT64_MAX - 8, buf, sizeof buf), DCD_ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_read_gives_the_bytes_of_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(small_reads_near_each_other_cost_one_read_a_page, setup, teardown),
		cmocka_unit_test_setup_teardown(large_reads_go_to_the_file_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(without_memory_every_read_goes_to_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_read_is_reported_and_leaves_no_page_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(a_read_behind_the_end_is_the_files_to_refuse, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
