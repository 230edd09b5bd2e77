/* Both writers, the plain one and the threaded one, are held to the same promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bsdiff/apply/image_id.h"
#include "manifest/crypto/sha256.h"
#include "updater/engine/segment_writer.h"
#include "updater/pipeline/threaded_writer.h"

#define SEGMENT 4096U
#define SEGMENTS 4096U /* 16 MiB: more than one group */

/* A medium with a volatile cache: what was written is on the medium only after a flush. */
struct memory_device {
	struct dcd_blockdev dev;
	uint8_t *cache;
	uint8_t *medium;
	uint64_t fail_write_at; /* offset, or UINT64_MAX */
	uint64_t rot_at;        /* the flush loses a bit of this byte, or UINT64_MAX */
	bool fail_flush;
	unsigned flushes;
};

static int memory_read(struct dcd_blockdev *dev, uint64_t offset, void *buf, size_t len)
{
	memcpy(buf, ((struct memory_device *)dev)->cache + offset, len);
	return 0;
}

static int memory_read_medium(struct dcd_blockdev *dev, uint64_t offset, void *buf, size_t len)
{
	memcpy(buf, ((struct memory_device *)dev)->medium + offset, len);
	return 0;
}

static int memory_write(struct dcd_blockdev *dev, uint64_t offset, const void *buf, size_t len)
{
	struct memory_device *memory = (struct memory_device *)dev;
	if (memory->fail_write_at == offset) {
		return DCD_ERR_IO;
	}
	memcpy(memory->cache + offset, buf, len);
	return 0;
}

static int memory_flush(struct dcd_blockdev *dev)
{
	struct memory_device *memory = (struct memory_device *)dev;
	if (memory->fail_flush) {
		return DCD_ERR_IO;
	}
	memcpy(memory->medium, memory->cache, (size_t)dev->size);
	if (memory->rot_at != UINT64_MAX) {
		memory->medium[memory->rot_at] ^= 0x10;
	}
	memory->flushes++;
	return 0;
}

static const struct dcd_blockdev_ops memory_ops = {
	.read = memory_read,
	.read_medium = memory_read_medium,
	.write = memory_write,
	.flush = memory_flush,
};

struct fixture {
	struct memory_device memory;
	struct dcd_segment_writer *writer;
	unsigned bad_count;
	uint32_t last_bad;
};

static void note_bad(void *context, const struct dcd_written_segment *segment)
{
	struct fixture *fixture = context;
	fixture->bad_count++;
	fixture->last_bad = segment->index;
}

static void begin(struct fixture *fixture, dcd_segment_writer_factory *factory)
{
	memset(fixture, 0, sizeof *fixture);
	struct memory_device *memory = &fixture->memory;
	memory->dev = (struct dcd_blockdev){ &memory_ops, (uint64_t)SEGMENT * SEGMENTS, "memory" };
	memory->cache = calloc(SEGMENTS, SEGMENT);
	memory->medium = calloc(SEGMENTS, SEGMENT);
	memory->fail_write_at = UINT64_MAX;
	memory->rot_at = UINT64_MAX;
	assert_non_null(memory->cache);
	assert_non_null(memory->medium);
	const struct dcd_segment_writer_options options = {
		.dev = &memory->dev,
		.alg = &dcd_sha256,
		.segment_size = SEGMENT,
		.bad = note_bad,
		.context = fixture,
	};
	assert_int_equal(factory(&options, &fixture->writer, NULL), 0);
}

static void end(struct fixture *fixture)
{
	fixture->writer->ops->close(fixture->writer);
	free(fixture->memory.cache);
	free(fixture->memory.medium);
}

static int put_one(struct fixture *fixture, uint32_t index, struct dcd_diag *diag)
{
	uint8_t *data = NULL;
	struct dcd_segment_writer *writer = fixture->writer;
	int err = writer->ops->buffer(writer, &data, diag);
	if (err != 0) {
		return err;
	}
	memset(data, (int)(index * 7 + 1), SEGMENT);
	struct dcd_written_segment segment = { .index = index, .length = SEGMENT, .offset = (uint64_t)index * SEGMENT };
	dcd_segment_hash(&dcd_sha256, data, SEGMENT, &segment.hash);
	return writer->ops->put(writer, &segment, data, diag);
}

static void check_everything_arrives(dcd_segment_writer_factory *factory)
{
	struct fixture fixture;
	begin(&fixture, factory);
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		assert_int_equal(put_one(&fixture, i, NULL), 0);
	}
	assert_int_equal(fixture.writer->ops->finish(fixture.writer, NULL), 0);
	assert_int_equal(fixture.bad_count, 0);
	assert_true(fixture.writer->bytes_written == (uint64_t)SEGMENT * SEGMENTS);
	assert_true(fixture.memory.flushes >= 2);
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		assert_int_equal(fixture.memory.medium[(size_t)i * SEGMENT + 99], (uint8_t)(i * 7 + 1));
	}
	end(&fixture);
}

static void check_rot_is_seen(dcd_segment_writer_factory *factory)
{
	struct fixture fixture;
	begin(&fixture, factory);
	fixture.memory.rot_at = 5 * SEGMENT + 17;
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(put_one(&fixture, i, NULL), 0);
	}
	assert_int_equal(fixture.writer->ops->finish(fixture.writer, NULL), 0);
	assert_int_equal(fixture.bad_count, 1);
	assert_int_equal(fixture.last_bad, 5);
	assert_true(fixture.writer->bad_segments == 1);
	end(&fixture);
}

/* The memory that the list of written segments grows in. */
static bool no_room;
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return no_room ? NULL : __real_reallocarray(old, count, size);
}

static void a_segment_that_can_not_be_remembered_is_not_written_in_silence(void **state)
{
	(void)state;
	struct fixture fixture;
	begin(&fixture, dcd_plain_writer_new);
	no_room = true;
	assert_int_equal(put_one(&fixture, 0, NULL), DCD_ERR_NO_MEMORY);
	no_room = false;
	end(&fixture);
}

static void a_flush_that_fails_comes_out_even_when_the_data_reads_right(void **state)
{
	(void)state;
	struct fixture fixture;
	begin(&fixture, dcd_plain_writer_new);
	assert_int_equal(put_one(&fixture, 0, NULL), 0);
	memcpy(fixture.memory.medium, fixture.memory.cache, SEGMENT);
	fixture.memory.fail_flush = true;
	assert_int_equal(fixture.writer->ops->finish(fixture.writer, NULL), DCD_ERR_IO);
	end(&fixture);
}

static void a_zero_segment_that_rots_is_seen(void **state)
{
	(void)state;
	for (int rots = 0; rots < 2; rots++) {
		struct fixture fixture;
		uint8_t *data = NULL;
		const struct dcd_written_segment segment = { .index = 2, .length = SEGMENT, .offset = 2 * SEGMENT, .zero = true };
		begin(&fixture, dcd_plain_writer_new);
		fixture.memory.rot_at = rots ? 2 * SEGMENT + 3 : UINT64_MAX;
		assert_int_equal(fixture.writer->ops->buffer(fixture.writer, &data, NULL), 0);
		memset(data, 0, SEGMENT);
		assert_int_equal(fixture.writer->ops->put(fixture.writer, &segment, data, NULL), 0);
		assert_int_equal(fixture.writer->ops->finish(fixture.writer, NULL), 0);
		assert_int_equal(fixture.bad_count, rots);
		end(&fixture);
	}
}

static void check_write_error_comes_out(dcd_segment_writer_factory *factory)
{
	struct fixture fixture;
	struct dcd_diag diag = { 0 };
	begin(&fixture, factory);
	fixture.memory.fail_write_at = 3 * SEGMENT;
	int err = 0;
	for (uint32_t i = 0; i < 10 && err == 0; i++) {
		err = put_one(&fixture, i, &diag);
	}
	if (err == 0) {
		err = fixture.writer->ops->finish(fixture.writer, &diag);
	}
	assert_int_equal(err, DCD_ERR_IO);
	assert_non_null(strstr(diag.text, "memory"));
	end(&fixture);
}

static void check_can_be_left_in_the_middle(dcd_segment_writer_factory *factory)
{
	struct fixture fixture;
	begin(&fixture, factory);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(put_one(&fixture, i, NULL), 0);
	}
	end(&fixture);
}

#define FOR_BOTH(name)                                                                                                           \
	static void name##_by_the_plain_writer(void **state)                                                                     \
	{                                                                                                                        \
		(void)state;                                                                                                     \
		name(dcd_plain_writer_new);                                                                                      \
	}                                                                                                                        \
	static void name##_by_the_threaded_writer(void **state)                                                                  \
	{                                                                                                                        \
		(void)state;                                                                                                     \
		name(dcd_threaded_writer_new);                                                                                   \
	}

FOR_BOTH(check_everything_arrives)
FOR_BOTH(check_rot_is_seen)
FOR_BOTH(check_write_error_comes_out)
FOR_BOTH(check_can_be_left_in_the_middle)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_everything_arrives_by_the_plain_writer),
		cmocka_unit_test(check_everything_arrives_by_the_threaded_writer),
		cmocka_unit_test(a_segment_that_can_not_be_remembered_is_not_written_in_silence),
		cmocka_unit_test(a_flush_that_fails_comes_out_even_when_the_data_reads_right),
		cmocka_unit_test(a_zero_segment_that_rots_is_seen),
		cmocka_unit_test(check_rot_is_seen_by_the_plain_writer),
		cmocka_unit_test(check_rot_is_seen_by_the_threaded_writer),
		cmocka_unit_test(check_write_error_comes_out_by_the_plain_writer),
		cmocka_unit_test(check_write_error_comes_out_by_the_threaded_writer),
		cmocka_unit_test(check_can_be_left_in_the_middle_by_the_plain_writer),
		cmocka_unit_test(check_can_be_left_in_the_middle_by_the_threaded_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
