/* The bundle source over a bundle in memory: the fuzzer's good seed (tests/cli/bundle_forge.py makes it), whole and damaged. */
#include "updater/source/source_bundle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/memory_bundle.h"
#include "updater/source/bundle_format.h"
#include "updater/source/bundle_tar.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TIMESTAMP "metadata/timestamp.json"
#define PAYLOAD "targets/payloads/" HASH ".dcp"
#define TABLE_SIZE 100
#define FRAMES_SIZE 600

static uint8_t good[65536];
static size_t good_len;

static int load_good(void **state)
{
	(void)state;
	uint8_t choice = 0;
	FILE *file = fopen("fuzz/corpus/bundle/good", "rb"); /* unit tests run in tests/ */
	if (file == NULL || fread(&choice, 1, 1, file) != 1) {
		return -1;
	}
	good_len = fread(good, 1, sizeof good, file);
	return fclose(file) != 0 || good_len < 2048 ? -1 : 0;
}

static int open_bytes(struct memory_bundle *memory, const uint8_t *data, size_t len, bool sequential, struct dcd_source **ret)
{
	struct dcd_diag diag = { 0 };
	memory_bundle_init(memory, data, len, sequential);
	int err = dcd_source_bundle_open(&memory->base, ret, &diag);
	assert_int_equal(memory->closed, err != 0);
	assert_true(err == 0 || diag.text[0] != '\0');
	return err;
}

static struct dcd_source *open_good(struct memory_bundle *memory, bool sequential)
{
	struct dcd_source *source = NULL;
	assert_int_equal(open_bytes(memory, good, good_len, sequential, &source), 0);
	assert_int_equal(source->sequential, sequential);
	return source;
}

static void expect_payload_byte(struct dcd_source *source, uint64_t offset, uint8_t expected)
{
	uint8_t byte = 0;
	assert_int_equal(dcd_source_load_range(source, PAYLOAD, TABLE_SIZE + FRAMES_SIZE, offset, &byte, 1, NULL), 0);
	assert_int_equal(byte, expected);
}

static void entries_are_found_by_name_and_nothing_else_is(void **state)
{
	(void)state;
	for (int sequential = 0; sequential < 2; sequential++) {
		struct memory_bundle memory;
		struct dcd_source *source = open_good(&memory, sequential != 0);
		uint64_t before = source->stats.bytes;
		assert_true(dcd_source_has(source, TIMESTAMP));
		assert_true(dcd_source_has(source, PAYLOAD));
		assert_true(dcd_source_has(source, "targets/payloads/" HASH ".table"));
		assert_false(dcd_source_has(source, "metadata/2.root.json"));
		assert_false(dcd_source_has(source, "targets/payloads/x.dcp"));
		assert_false(dcd_source_has(source, "payloads/" HASH ".dcp"));
		assert_false(dcd_source_has(source, ".dcp"));
		uint8_t *data = NULL;
		size_t len = 0;
		assert_int_equal(dcd_source_load(source, "metadata/2.root.json", 1000, &data, &len, NULL), DCD_ERR_NOT_FOUND);
		assert_int_equal(source->stats.bytes, before); /* a stream was not moved for it */
		assert_int_equal(dcd_source_load(source, TIMESTAMP, 1000, &data, &len, NULL), 0);
		assert_int_equal(len, 13);
		assert_memory_equal(data, "{\"signed\":{}}", 13);
		free(data);
		source->ops->close(source);
	}
}

static void a_payload_is_its_two_halves_one_behind_the_other(void **state)
{
	(void)state;
	for (int sequential = 0; sequential < 2; sequential++) {
		struct memory_bundle memory;
		struct dcd_source *source = open_good(&memory, sequential != 0);
		uint8_t buf[4];
		expect_payload_byte(source, 97, 97);
		assert_int_equal(dcd_source_load_range(source, PAYLOAD, TABLE_SIZE + FRAMES_SIZE, 98, buf, 4, NULL), 0);
		assert_memory_equal(buf,
				    "\x62\x63"
				    "fr",
				    4);
		expect_payload_byte(source, TABLE_SIZE + FRAMES_SIZE - 1, 's');
		assert_int_equal(dcd_source_finish(source, NULL), 0);
		source->ops->close(source);
	}
}

static void a_payload_of_another_size_is_refused(void **state)
{
	(void)state;
	struct memory_bundle memory;
	struct dcd_source *source = open_good(&memory, false);
	uint8_t byte = 0;
	struct dcd_diag diag = { 0 };
	assert_int_equal(dcd_source_load_range(source, PAYLOAD, TABLE_SIZE + FRAMES_SIZE + 1, 0, &byte, 1, &diag), DCD_ERR_SIZE);
	assert_int_equal(
		dcd_source_load_range(source, PAYLOAD, TABLE_SIZE + FRAMES_SIZE, TABLE_SIZE + FRAMES_SIZE, &byte, 1, &diag),
		DCD_ERR_USAGE);
	source->ops->close(source);
}

static void more_than_the_bound_is_refused_before_a_byte_comes(void **state)
{
	(void)state;
	struct memory_bundle memory;
	struct dcd_source *source = open_good(&memory, true);
	uint8_t *data = NULL;
	size_t len = 0;
	uint64_t before = source->stats.bytes;
	assert_int_equal(dcd_source_load(source, TIMESTAMP, 12, &data, &len, NULL), DCD_ERR_SIZE);
	assert_int_equal(source->stats.bytes, before);
	source->ops->close(source);
}

static void a_stream_does_not_go_back_and_says_so(void **state)
{
	(void)state;
	struct memory_bundle memory;
	struct dcd_source *source = open_good(&memory, true);
	struct dcd_diag diag = { 0 };
	uint8_t *data = NULL;
	size_t len = 0;
	expect_payload_byte(source, 50, 50);
	expect_payload_byte(source, 51, 51);
	uint8_t byte = 0;
	assert_int_equal(dcd_source_load_range(source, PAYLOAD, TABLE_SIZE + FRAMES_SIZE, 51, &byte, 1, &diag),
			 DCD_ERR_SOURCE_LIES);
	assert_non_null(strstr(diag.text, "gone by already"));
	assert_int_equal(dcd_source_load(source, TIMESTAMP, 1000, &data, &len, NULL), DCD_ERR_SOURCE_LIES);
	expect_payload_byte(source, 52, 52); /* asking was no harm */
	source->ops->close(source);
}

static int refuse_sink(void *context, const uint8_t *data, size_t len)
{
	(void)context;
	(void)data;
	(void)len;
	return DCD_ERR_NO_SPACE;
}

static void a_stream_that_was_left_in_the_middle_is_not_read_on(void **state)
{
	(void)state;
	struct memory_bundle memory;
	struct dcd_source *source = open_good(&memory, true);
	struct dcd_sink sink = { refuse_sink, NULL };
	assert_int_equal(source->ops->fetch(source, TIMESTAMP, 1000, &sink, NULL), DCD_ERR_NO_SPACE);
	uint8_t byte = 0;
	assert_int_equal(dcd_source_load_range(source, PAYLOAD, TABLE_SIZE + FRAMES_SIZE, 0, &byte, 1, NULL), DCD_ERR_BROKEN_OFF);
	source->ops->close(source);
}

/* True when a byte of the file lies in an entry's data. */
static bool is_data(const struct dcd_bundle_index *index, size_t position)
{
	for (size_t i = 0; i < index->count; i++) {
		if (position >= index->entries[i].offset && position - index->entries[i].offset < index->entries[i].size) {
			return true;
		}
	}
	return false;
}

static int read_to_the_end(const uint8_t *data, size_t len, bool sequential)
{
	struct memory_bundle memory;
	struct dcd_source *source = NULL;
	int err = open_bytes(&memory, data, len, sequential, &source);
	if (err == 0) {
		err = dcd_source_finish(source, NULL);
		source->ops->close(source);
	}
	return err;
}

static void every_bit_that_no_hash_covers_is_checked(void **state)
{
	(void)state;
	struct memory_bundle memory;
	struct dcd_source *source = open_good(&memory, false);
	const struct dcd_bundle_index *index = dcd_source_bundle_index(source);
	for (size_t i = 0; i < good_len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			good[i] ^= (uint8_t)(1 << bit);
			int expected = is_data(index, i) ? 0 : 5;
			int file = dcd_err_exit_code(read_to_the_end(good, good_len, false));
			int stream = dcd_err_exit_code(read_to_the_end(good, good_len, true));
			good[i] ^= (uint8_t)(1 << bit);
			if (file != expected || stream != expected) {
				fail_msg("byte %zu, bit %d: %d as a file, %d as a stream", i, bit, file, stream);
			}
		}
	}
	source->ops->close(source);
}

static void cut_or_continued_it_is_refused_at_every_length(void **state)
{
	(void)state;
	for (size_t len = 0; len < good_len; len++) {
		assert_int_equal(dcd_err_exit_code(read_to_the_end(good, len, false)), 5);
		assert_int_equal(dcd_err_exit_code(read_to_the_end(good, len, true)), 5);
	}
	for (size_t more = 1; more <= 1024; more *= 4) {
		assert_int_equal(dcd_err_exit_code(read_to_the_end(good, good_len + more, false)), 5);
		assert_int_equal(dcd_err_exit_code(read_to_the_end(good, good_len + more, true)), 5);
	}
	assert_int_equal(read_to_the_end(good, good_len, true), 0);
}

static void the_end_is_read_once(void **state)
{
	(void)state;
	struct memory_bundle memory;
	struct dcd_source *source = open_good(&memory, true);
	assert_int_equal(dcd_source_finish(source, NULL), 0);
	assert_int_equal(source->stats.bytes, good_len);
	assert_int_equal(dcd_source_finish(source, NULL), 0);
	assert_int_equal(source->stats.bytes, good_len);
	source->ops->close(source);
}

static void headers_are_read_as_the_writer_writes_them(void **state)
{
	(void)state;
	struct dcd_bundle_header header;
	assert_int_equal(dcd_bundle_header_read(good, DCD_BUNDLE_HEADER_SHORT, &header, NULL), 0);
	assert_string_equal(header.name, DCD_BUNDLE_INDEX_NAME);
	assert_int_equal(dcd_bundle_header_read(good, DCD_BUNDLE_HEADER_LONG, &header, NULL), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_bundle_header_read(good, 1024, &header, NULL), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_bundle_header_read(good + 512, DCD_BUNDLE_HEADER_SHORT, &header, NULL), DCD_ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_found_by_name_and_nothing_else_is),
		cmocka_unit_test(a_payload_is_its_two_halves_one_behind_the_other),
		cmocka_unit_test(a_payload_of_another_size_is_refused),
		cmocka_unit_test(more_than_the_bound_is_refused_before_a_byte_comes),
		cmocka_unit_test(a_stream_does_not_go_back_and_says_so),
		cmocka_unit_test(a_stream_that_was_left_in_the_middle_is_not_read_on),
		cmocka_unit_test(every_bit_that_no_hash_covers_is_checked),
		cmocka_unit_test(cut_or_continued_it_is_refused_at_every_length),
		cmocka_unit_test(the_end_is_read_once),
		cmocka_unit_test(headers_are_read_as_the_writer_writes_them),
	};
	return cmocka_run_group_tests(tests, load_good, NULL);
}
