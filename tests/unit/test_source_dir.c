#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "updater/source/source_dir.h"
#include "updater/source/source_open.h"

static char folder[] = "/tmp/decade-source-XXXXXX";
static struct dcd_source *source;
static struct dcd_diag diag;

static void put(const char *name, const void *data, size_t len)
{
	char path[256];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static int load(const char *path, uint64_t max, uint8_t **ret, size_t *ret_len)
{
	return dcd_source_load(source, path, max, ret, ret_len, &diag);
}

static void a_file_comes_whole_or_by_range(void **state)
{
	(void)state;
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(load("sub/hello", 5, &data, &len), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(data, "hello", 5);
	free(data);
	uint8_t part[3];
	assert_int_equal(dcd_source_load_range(source, "sub/hello", 5, 2, part, 3, &diag), 0);
	assert_memory_equal(part, "llo", 3);
	assert_int_equal(load("empty", 0, &data, &len), 0);
	assert_int_equal(len, 0);
	free(data);
}

static void sizes_that_are_not_the_expected_ones_are_refused(void **state)
{
	(void)state;
	uint8_t *data = NULL;
	size_t len = 0;
	uint8_t part[3];
	assert_int_equal(load("sub/hello", 4, &data, &len), DCD_ERR_SIZE);
	assert_int_equal(dcd_source_load_range(source, "sub/hello", 6, 2, part, 3, &diag), DCD_ERR_SIZE);
	assert_int_equal(dcd_source_load_range(source, "sub/hello", 4, 1, part, 3, &diag), DCD_ERR_SIZE);
	assert_int_equal(dcd_source_load_range(source, "sub/hello", 5, 3, part, 3, &diag), DCD_ERR_USAGE);
}

static void what_is_no_plain_file_below_the_folder_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *path;
		int err;
	} rows[] = {
		{ "nothing", DCD_ERR_NOT_FOUND },
		{ "sub/nothing", DCD_ERR_NOT_FOUND },
		{ "sub", DCD_ERR_SOURCE_LIES },
		{ "link", DCD_ERR_SOURCE_LIES },
		{ "away/passwd", DCD_ERR_SOURCE_LIES },
		{ "pipe", DCD_ERR_SOURCE_LIES },
		{ "empty/x", DCD_ERR_SOURCE_LIES },
		{ "../x", DCD_ERR_USAGE },
		{ "/etc/passwd", DCD_ERR_USAGE },
		{ "sub/../empty", DCD_ERR_USAGE },
		{ "", DCD_ERR_USAGE },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t *data = NULL;
		size_t len = 0;
		assert_int_equal(load(rows[i].path, 100000, &data, &len), rows[i].err);
		assert_int_equal(diag.err, rows[i].err);
	}
	char longest[400];
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(load(longest, 100000, &data, &len), DCD_ERR_NOT_FOUND);
}

static int cut_file(void *context, const uint8_t *bytes, size_t len)
{
	(void)bytes;
	*(size_t *)context += len;
	char path[256];
	(void)snprintf(path, sizeof path, "%s/large", folder);
	return truncate(path, 20000) == 0 ? 0 : DCD_ERR_HOST;
}

static void a_file_that_shrinks_while_it_is_read_breaks_off(void **state)
{
	(void)state;
	static const uint8_t zeroes[100000];
	put("large", zeroes, sizeof zeroes);
	size_t got = 0;
	struct dcd_sink sink = { cut_file, &got };
	assert_int_equal(source->ops->fetch_range(source, "large", sizeof zeroes, 0, sizeof zeroes, &sink, &diag),
			 DCD_ERR_BROKEN_OFF);
	assert_int_equal(got, 20000);
}

static int refuse(void *context, const uint8_t *bytes, size_t len)
{
	(void)context;
	(void)bytes;
	(void)len;
	return DCD_ERR_NO_SPACE;
}

static void the_sink_and_an_interrupt_end_a_fetch(void **state)
{
	(void)state;
	struct dcd_sink sink = { refuse, NULL };
	assert_int_equal(source->ops->fetch(source, "sub/hello", 5, &sink, &diag), DCD_ERR_NO_SPACE);
	source->ops->interrupt(source, 1);
	assert_int_equal(source->ops->fetch(source, "sub/hello", 5, &sink, &diag), DCD_ERR_CANCELLED);
	source->ops->interrupt(source, 0);
}

static void a_spec_is_a_url_or_a_folder(void **state)
{
	(void)state;
	struct dcd_source *opened = NULL;
	char url[64];
	(void)snprintf(url, sizeof url, "file://%s/", folder);
	assert_int_equal(dcd_source_open(url, NULL, &opened, &diag), 0);
	assert_string_equal(opened->name, folder);
	opened->ops->close(opened);
	assert_int_equal(dcd_source_open("http://127.0.0.1:1/repo/", NULL, &opened, &diag), 0);
	assert_string_equal(opened->name, "http://127.0.0.1:1/repo");
	opened->ops->close(opened);
	assert_int_equal(dcd_source_open("ftp://host/", NULL, &opened, &diag), DCD_ERR_CONFIG);
	assert_int_equal(dcd_source_open("", NULL, &opened, &diag), DCD_ERR_CONFIG);
	assert_int_equal(dcd_source_open("/nowhere/at/all", NULL, &opened, &diag), DCD_ERR_NOT_FOUND);
}

static void in_folder(const char *name, char path[256])
{
	(void)snprintf(path, 256, "%s/%s", folder, name);
}

static int start(void **state)
{
	(void)state;
	char path[256];
	if (mkdtemp(folder) == NULL) {
		return -1;
	}
	in_folder("sub", path);
	int failed = mkdir(path, 0700);
	put("sub/hello", "hello", 5);
	put("empty", "", 0);
	in_folder("link", path);
	failed |= symlink("sub/hello", path);
	in_folder("away", path);
	failed |= symlink("/etc", path);
	in_folder("pipe", path);
	failed |= mkfifo(path, 0600);
	return failed != 0 ? -1 : dcd_source_dir_open(folder, &source, &diag);
}

static int end(void **state)
{
	(void)state;
	static const char *const names[] = { "sub/hello", "empty", "link", "away", "pipe", "large" };
	char path[256];
	source->ops->close(source);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		in_folder(names[i], path);
		(void)unlink(path);
	}
	in_folder("sub", path);
	return rmdir(path) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_comes_whole_or_by_range),
		cmocka_unit_test(sizes_that_are_not_the_expected_ones_are_refused),
		cmocka_unit_test(what_is_no_plain_file_below_the_folder_is_refused),
		cmocka_unit_test(a_file_that_shrinks_while_it_is_read_breaks_off),
		cmocka_unit_test(the_sink_and_an_interrupt_end_a_fetch),
		cmocka_unit_test(a_spec_is_a_url_or_a_folder),
	};
	return cmocka_run_group_tests(tests, start, end);
}
