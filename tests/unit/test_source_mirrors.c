#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "updater/source/source_mirrors.h"

/* A mirror that sends so many bytes of "0123456789" and then ends with an error. */
struct fake_mirror {
	struct dcd_source base;
	uint64_t sends;
	int err;
	int asked;
	int closed;
	uint64_t asked_offset;
};

static int send(struct fake_mirror *f, uint64_t offset, uint64_t length, struct dcd_sink *sink)
{
	static const char content[] = "0123456789";
	uint64_t n = f->sends < length ? f->sends : length;
	f->asked++;
	f->asked_offset = offset;
	f->base.stats.requests++;
	f->base.stats.bytes += n;
	int err = n == 0 ? 0 : sink->write(sink->context, (const uint8_t *)content + offset, (size_t)n);
	return err != 0 ? err : n == length ? 0 : f->err;
}

static int fake_fetch(struct dcd_source *s, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag)
{
	(void)path, (void)max, (void)diag;
	return send((struct fake_mirror *)s, 0, 10, sink);
}

static int fake_range(struct dcd_source *s, const char *path, uint64_t size, uint64_t offset, uint64_t length,
		      struct dcd_sink *sink, struct dcd_diag *diag)
{
	(void)path, (void)size, (void)diag;
	return send((struct fake_mirror *)s, offset, length, sink);
}

static void fake_close(struct dcd_source *s)
{
	((struct fake_mirror *)s)->closed++;
}

static const struct dcd_source_ops fake_ops = { .fetch = fake_fetch, .fetch_range = fake_range, .close = fake_close };

#define MIRROR(bytes, error)                                                                                                     \
	{                                                                                                                        \
		.base = { .ops = &fake_ops, .name = "m" }, .sends = bytes, .err = error                                          \
	}

static struct dcd_source *open_two(struct fake_mirror *two)
{
	struct dcd_source *const list[] = { &two[0].base, &two[1].base };
	struct dcd_source *source = NULL;
	assert_int_equal(dcd_source_mirrors_new(list, 2, &source, NULL), 0);
	return source;
}

static void assert_whole(struct dcd_source *source)
{
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(dcd_source_load(source, "x", 100, &data, &len, NULL), 0);
	assert_int_equal(len, 10);
	assert_memory_equal(data, "0123456789", 10);
	free(data);
}

static void the_next_mirror_serves_where_one_is_unreachable_and_stays_the_one_asked(void **state)
{
	(void)state;
	struct fake_mirror two[] = { MIRROR(0, DCD_ERR_UNREACHABLE), MIRROR(10, 0) };
	struct dcd_source *source = open_two(two);
	assert_whole(source);
	assert_whole(source);
	assert_int_equal(two[0].asked, 1);
	assert_int_equal(two[1].asked, 2);
	assert_int_equal(source->stats.requests, 3);
	assert_int_equal(source->stats.bytes, 20);
	source->ops->close(source);
	assert_int_equal(two[0].closed + two[1].closed, 2);
}

static void a_broken_transfer_goes_on_at_its_byte(void **state)
{
	(void)state;
	struct fake_mirror two[] = { MIRROR(4, DCD_ERR_BROKEN_OFF), MIRROR(10, 0) };
	struct dcd_source *source = open_two(two);
	assert_whole(source);
	source->ops->close(source);

	struct fake_mirror ranged[] = { MIRROR(3, DCD_ERR_SOURCE_LIES), MIRROR(10, 0) };
	uint8_t buf[8];
	source = open_two(ranged);
	assert_int_equal(dcd_source_load_range(source, "x", 10, 2, buf, sizeof buf, NULL), 0);
	assert_memory_equal(buf, "23456789", 8);
	assert_int_equal(ranged[1].asked_offset, 5);
	source->ops->close(source);
}

static void what_no_mirror_serves_ends_after_one_try_each(void **state)
{
	(void)state;
	struct fake_mirror two[] = { MIRROR(0, DCD_ERR_UNREACHABLE), MIRROR(2, DCD_ERR_BROKEN_OFF) };
	struct dcd_source *source = open_two(two);
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(dcd_source_load(source, "x", 100, &data, &len, NULL), DCD_ERR_BROKEN_OFF);
	assert_int_equal(two[0].asked + two[1].asked, 2);
	source->ops->close(source);
}

static void not_found_and_a_full_sink_are_answers(void **state)
{
	(void)state;
	struct fake_mirror two[] = { MIRROR(0, DCD_ERR_NOT_FOUND), MIRROR(10, 0) };
	struct dcd_source *source = open_two(two);
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(dcd_source_load(source, "x", 100, &data, &len, NULL), DCD_ERR_NOT_FOUND);
	two[0].sends = 10;
	assert_int_equal(dcd_source_load(source, "x", 5, &data, &len, NULL), DCD_ERR_SIZE);
	assert_int_equal(two[1].asked, 0);
	source->ops->close(source);
	struct dcd_source *none = NULL;
	assert_int_equal(dcd_source_mirrors_new(NULL, 0, &none, NULL), DCD_ERR_USAGE);
}

struct late {
	struct dcd_source *sources[2];
	size_t count;
	int asked;
};

static size_t give_late(void *context, struct dcd_source **ret, size_t max)
{
	struct late *late = context;
	assert_true(late->count <= max);
	late->asked++;
	memcpy(ret, late->sources, late->count * sizeof ret[0]);
	return late->count;
}

static void more_mirrors_are_found_when_the_known_ones_have_failed(void **state)
{
	(void)state;
	struct fake_mirror two[] = { MIRROR(0, DCD_ERR_UNREACHABLE), MIRROR(2, DCD_ERR_BROKEN_OFF) };
	struct fake_mirror more[] = { MIRROR(0, DCD_ERR_UNREACHABLE), MIRROR(10, 0) };
	struct late late = { { &more[0].base, &more[1].base }, 2, 0 };
	struct dcd_source *source = open_two(two);
	dcd_source_mirrors_more(source, give_late, &late);
	two[1] = (struct fake_mirror)MIRROR(10, 0);
	assert_whole(source);
	assert_int_equal(late.asked, 0);
	two[1] = (struct fake_mirror)MIRROR(2, DCD_ERR_BROKEN_OFF);
	assert_whole(source); /* goes on at the third byte */
	assert_int_equal(late.asked, 1);
	assert_int_equal(more[0].asked, 1);
	assert_whole(source);
	assert_int_equal(more[1].asked, 2);
	more[1] = (struct fake_mirror)MIRROR(0, DCD_ERR_UNREACHABLE);
	uint8_t *data = NULL;
	size_t len = 0;
	assert_true(dcd_source_load(source, "x", 100, &data, &len, NULL) != 0);
	assert_int_equal(late.asked, 1); /* once is enough */
	source->ops->close(source);
	assert_int_equal(two[0].closed + two[1].closed + more[0].closed + more[1].closed, 4);
}

static void a_mirror_that_is_turned_down_gives_way_to_each_other_once(void **state)
{
	(void)state;
	struct fake_mirror two[] = { MIRROR(10, 0), MIRROR(10, 0) };
	struct fake_mirror third = MIRROR(10, 0);
	struct late late = { { &third.base }, 1, 0 };
	struct dcd_source *source = open_two(two);
	dcd_source_mirrors_more(source, give_late, &late);
	assert_whole(source);
	assert_true(dcd_source_next(source));
	assert_whole(source);
	assert_true(dcd_source_next(source));
	assert_whole(source);
	assert_false(dcd_source_next(source));
	assert_int_equal(two[0].asked, 1);
	assert_int_equal(two[1].asked, 1);
	assert_int_equal(third.asked, 1);
	assert_true(dcd_source_next(source)); /* and anew */
	source->ops->close(source);
	struct dcd_source single = { .ops = &fake_ops };
	assert_false(dcd_source_next(&single));
}

static void who_forbids_a_payload_has_another_asked_and_who_forbids_a_file_has_answered(void **state)
{
	(void)state;
	struct fake_mirror two[] = { MIRROR(0, DCD_ERR_FORBIDDEN), MIRROR(10, 0) };
	struct dcd_source *source = open_two(two);
	uint8_t *data = NULL;
	size_t len = 0;
	uint8_t buf[4];
	assert_int_equal(dcd_source_load(source, "x", 100, &data, &len, NULL), DCD_ERR_FORBIDDEN);
	assert_int_equal(two[1].asked, 0);
	assert_int_equal(dcd_source_load_range(source, "x", 10, 2, buf, sizeof buf, NULL), 0);
	assert_int_equal(two[1].asked, 1);
	source->ops->close(source);
}

static int interrupts;

static void count_interrupt(struct dcd_source *source, int stop)
{
	(void)source;
	interrupts += stop;
}

static void a_mirror_that_is_found_late_is_interrupted_too(void **state)
{
	(void)state;
	static const struct dcd_source_ops ops = {
		.fetch = fake_fetch, .fetch_range = fake_range, .close = fake_close, .interrupt = count_interrupt
	};
	struct fake_mirror two[] = { MIRROR(0, DCD_ERR_UNREACHABLE), MIRROR(0, DCD_ERR_UNREACHABLE) };
	struct fake_mirror third = MIRROR(10, 0);
	third.base.ops = &ops;
	struct late late = { { &third.base }, 1, 0 };
	struct dcd_source *source = open_two(two);
	dcd_source_mirrors_more(source, give_late, &late);
	source->ops->interrupt(source, 1);
	uint8_t *data = NULL;
	size_t len = 0;
	(void)!dcd_source_load(source, "x", 100, &data, &len, NULL);
	free(data);
	assert_int_equal(interrupts, 1);
	source->ops->close(source);
}

static bool holds_a_alone(const struct dcd_source *s, const char *path)
{
	(void)s;
	return strcmp(path, "a") == 0;
}

static int end_is_missing(struct dcd_source *s, struct dcd_diag *diag)
{
	(void)s, (void)diag;
	return DCD_ERR_MALFORMED;
}

static void who_serves_says_what_there_is_and_how_it_ends(void **state)
{
	(void)state;
	static const struct dcd_source_ops bundle_ops = { .fetch = fake_fetch,
							  .fetch_range = fake_range,
							  .close = fake_close,
							  .has = holds_a_alone,
							  .finish = end_is_missing };
	struct fake_mirror two[] = { MIRROR(0, DCD_ERR_UNREACHABLE), MIRROR(10, 0) };
	two[1].base.ops = &bundle_ops;
	struct dcd_source *source = open_two(two);
	assert_true(dcd_source_has(source, "b"));
	assert_int_equal(dcd_source_finish(source, NULL), 0);
	assert_whole(source); /* from now on the second one serves */
	assert_true(dcd_source_has(source, "a"));
	assert_false(dcd_source_has(source, "b"));
	assert_int_equal(dcd_source_finish(source, NULL), DCD_ERR_MALFORMED);
	source->ops->close(source);
}

static void a_stream_is_refused(void **state)
{
	(void)state;
	struct fake_mirror two[] = { MIRROR(10, 0), MIRROR(10, 0) };
	two[1].base.sequential = true;
	struct dcd_source *const list[] = { &two[0].base, &two[1].base };
	struct dcd_source *source = NULL;
	assert_int_equal(dcd_source_mirrors_new(list, 2, &source, NULL), DCD_ERR_CONFIG);
	assert_int_equal(two[0].closed + two[1].closed, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_mirror_serves_where_one_is_unreachable_and_stays_the_one_asked),
		cmocka_unit_test(a_broken_transfer_goes_on_at_its_byte),
		cmocka_unit_test(what_no_mirror_serves_ends_after_one_try_each),
		cmocka_unit_test(not_found_and_a_full_sink_are_answers),
		cmocka_unit_test(more_mirrors_are_found_when_the_known_ones_have_failed),
		cmocka_unit_test(a_mirror_that_is_turned_down_gives_way_to_each_other_once),
		cmocka_unit_test(who_forbids_a_payload_has_another_asked_and_who_forbids_a_file_has_answered),
		cmocka_unit_test(a_mirror_that_is_found_late_is_interrupted_too),
		cmocka_unit_test(who_serves_says_what_there_is_and_how_it_ends),
		cmocka_unit_test(a_stream_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
