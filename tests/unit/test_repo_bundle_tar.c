/* What the writer writes, read by the device's reader. */
#include "tools/repo/repo_bundle_tar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "updater/source/bundle_tar.h"

#define GIB (1ULL << 30)

static void check_header(const char *name, uint64_t size, uint64_t expected_length)
{
	static const uint8_t filling[32768];
	uint8_t bytes[4096];
	struct dcd_bundle_header header;
	struct repo_bundle_tar *tar = NULL;
	uint64_t length = 0;
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_int_equal(repo_bundle_tar_header_length(name, size, &length, NULL), 0);
	assert_int_equal(length, expected_length);
	assert_int_equal(repo_bundle_tar_open(fileno(file), "x.dcb", &tar, NULL), 0);
	assert_int_equal(repo_bundle_tar_entry(tar, name, size, NULL), 0);
	if (size >= sizeof filling) {
		assert_int_equal(repo_bundle_tar_data(tar, filling, sizeof filling, NULL),
				 0); /* more than libarchive keeps back */
	} else {
		assert_int_equal(repo_bundle_tar_finish(tar, NULL), 0);
	}
	assert_int_equal(pread(fileno(file), bytes, (size_t)length, 0), length);
	assert_int_equal(dcd_bundle_header_read(bytes, (size_t)length, &header, NULL), 0);
	assert_string_equal(header.name, name);
	assert_int_equal(header.size, size);
	repo_bundle_tar_close(tar);
	assert_int_equal(fclose(file), 0);
}

static void a_plain_name_and_size_take_one_block(void **state)
{
	(void)state;
	check_header("metadata/timestamp.json", 0, DCD_BUNDLE_HEADER_SHORT);
	check_header("metadata/timestamp.json", 500, DCD_BUNDLE_HEADER_SHORT);
	check_header("decade-bundle", 8 * GIB - 1, DCD_BUNDLE_HEADER_SHORT);
}

static void eight_gibibytes_take_a_pax_record(void **state)
{
	(void)state;
	check_header("targets/payloads/x.frames", 8 * GIB, DCD_BUNDLE_HEADER_LONG);
	check_header("targets/payloads/x.frames", 5000 * GIB, DCD_BUNDLE_HEADER_LONG);
}

static void a_name_that_ustar_can_not_say_takes_a_pax_record(void **state)
{
	(void)state;
	char name[DCD_BUNDLE_NAME_MAX + 1];
	memset(name, 'n', sizeof name);
	memcpy(name, "targets/releases/", 17);
	name[117] = '\0'; /* 100 bytes behind the '/': the most that ustar's halves can hold */
	check_header(name, 1, DCD_BUNDLE_HEADER_SHORT);
	name[117] = 'n';
	name[118] = '\0';
	check_header(name, 1, DCD_BUNDLE_HEADER_LONG);
	name[118] = 'n';
	name[DCD_BUNDLE_NAME_MAX] = '\0';
	check_header(name, 1, DCD_BUNDLE_HEADER_LONG);
	check_header(name, 9 * GIB, DCD_BUNDLE_HEADER_LONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_name_and_size_take_one_block),
		cmocka_unit_test(eight_gibibytes_take_a_pax_record),
		cmocka_unit_test(a_name_that_ustar_can_not_say_takes_a_pax_record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
