#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/hostile_server.h"
#include "updater/pipeline/prefetch.h"
#include "updater/source/source_http.h"

#define OBJECT_SIZE 400000

static uint8_t object[OBJECT_SIZE];

/* ---- A source in memory, which fails at a chosen byte and sends pieces of random sizes. ---- */

struct memory_source {
	struct dcd_source base;
	uint32_t seed;
	uint64_t fail_at; /* object offset that is never sent */
	size_t requests;
	atomic_int stop;
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static int memory_range(struct dcd_source *source, const char *path, uint64_t object_size, uint64_t offset, uint64_t length,
			struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct memory_source *m = (struct memory_source *)source;
	assert_int_equal(object_size, OBJECT_SIZE);
	m->requests++;
	while (length > 0) {
		if (atomic_load(&m->stop) != 0) {
			return DCD_ERR_CANCELLED;
		}
		size_t n = next_random(&m->seed) % 30000 + 1;
		n = n < length ? n : (size_t)length;
		if (m->fail_at >= offset && m->fail_at - offset < n) {
			n = (size_t)(m->fail_at - offset);
		}
		if (n == 0) {
			return dcd_diag_set(diag, DCD_ERR_BROKEN_OFF, "%s: the cable was cut", path);
		}
		m->base.stats.bytes += n;
		int err = sink->write(sink->context, object + offset, n);
		if (err != 0) {
			return err;
		}
		offset += n;
		length -= n;
	}
	return 0;
}

static void memory_interrupt(struct dcd_source *source, int stop)
{
	atomic_store(&((struct memory_source *)source)->stop, stop);
}

static const struct dcd_source_ops memory_ops = { .fetch_range = memory_range, .interrupt = memory_interrupt };

static void memory_open(struct memory_source *m, uint32_t seed)
{
	memset(m, 0, sizeof *m);
	m->base.ops = &memory_ops;
	m->base.name = "memory";
	m->seed = seed;
	m->fail_at = UINT64_MAX;
	atomic_init(&m->stop, 0);
}

#define LIST_MAX 64

/* A list with and without gaps; returns its length and the bytes it stands for. */
static size_t random_list(uint32_t *seed, struct dcd_range list[LIST_MAX], uint8_t *bytes, size_t *ret_sum)
{
	size_t at = 0;
	size_t sum = 0;
	size_t n = next_random(seed) % LIST_MAX + 1;
	for (size_t i = 0; i < n; i++) {
		at += next_random(seed) % 2 == 0 ? 0 : next_random(seed) % 100;
		size_t length = next_random(seed) % 6000 + 1;
		list[i] = (struct dcd_range){ at, length };
		memcpy(bytes + sum, object + at, length);
		at += length;
		sum += length;
	}
	*ret_sum = sum;
	return n;
}

static void every_list_arrives_in_order_whatever_the_sizes(void **state)
{
	(void)state;
	static uint8_t want[OBJECT_SIZE];
	static uint8_t got[OBJECT_SIZE];
	for (uint32_t round = 0; round < 300; round++) {
		uint32_t seed = round * 7919 + 1;
		struct memory_source inner;
		struct dcd_prefetch *p = NULL;
		struct dcd_diag diag = { 0 };
		struct dcd_range list[LIST_MAX];
		size_t sum = 0;
		memory_open(&inner, seed);
		size_t n = random_list(&seed, list, want, &sum);
		assert_int_equal(dcd_prefetch_open(&inner.base, next_random(&seed) % 50000, &p, &diag), 0);
		assert_int_equal(dcd_prefetch_start(p, "payload", OBJECT_SIZE, list, n, &diag), 0);
		for (size_t done = 0; done < sum;) {
			size_t len = next_random(&seed) % 40000;
			len = len < sum - done ? len : sum - done;
			assert_int_equal(dcd_prefetch_read(p, got + done, len, &diag), 0);
			done += len;
		}
		assert_memory_equal(got, want, sum);
		assert_int_equal(dcd_prefetch_read(p, got, 1, &diag), DCD_ERR_USAGE);
		dcd_prefetch_close(p);
		assert_int_equal(inner.base.stats.bytes, sum);
	}
}

static void ranges_that_touch_become_one_request(void **state)
{
	(void)state;
	struct memory_source inner;
	struct dcd_prefetch *p = NULL;
	static const struct dcd_range list[] = { { 0, 10 }, { 10, 5 }, { 15, 1 }, { 20, 4 }, { 24, 4 } };
	uint8_t got[24];
	memory_open(&inner, 1);
	assert_int_equal(dcd_prefetch_open(&inner.base, 0, &p, NULL), 0);
	assert_int_equal(dcd_prefetch_start(p, "payload", OBJECT_SIZE, list, 5, NULL), 0);
	assert_int_equal(dcd_prefetch_read(p, got, 24, NULL), 0);
	assert_memory_equal(got, object, 16);
	assert_memory_equal(got + 16, object + 20, 8);
	dcd_prefetch_close(p);
	assert_int_equal(inner.requests, 2);
}

static void an_error_arrives_at_the_read_that_needs_the_missing_byte(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 100; seed++) {
		struct memory_source inner;
		struct dcd_prefetch *p = NULL;
		struct dcd_diag diag = { 0 };
		static const struct dcd_range list[] = { { 100, 100000 } };
		static uint8_t got[100000];
		memory_open(&inner, seed);
		inner.fail_at = 100 + seed * 900;
		size_t good = seed * 900;
		assert_int_equal(dcd_prefetch_open(&inner.base, 20000, &p, &diag), 0);
		assert_int_equal(dcd_prefetch_start(p, "payload", OBJECT_SIZE, list, 1, &diag), 0);
		assert_int_equal(dcd_prefetch_read(p, got, good, &diag), 0);
		assert_memory_equal(got, object + 100, good);
		assert_int_equal(dcd_prefetch_read(p, got, 1, &diag), DCD_ERR_BROKEN_OFF);
		assert_string_equal(diag.text, "payload: the cable was cut");
		assert_int_equal(dcd_prefetch_read(p, got, 1, &diag), DCD_ERR_BROKEN_OFF);
		inner.fail_at = UINT64_MAX;
		assert_int_equal(dcd_prefetch_start(p, "payload", OBJECT_SIZE, list, 1, &diag), 0);
		assert_int_equal(dcd_prefetch_read(p, got, 100000, &diag), 0);
		dcd_prefetch_close(p);
	}
}

static void stopping_at_any_moment_leaves_a_usable_prefetch(void **state)
{
	(void)state;
	static uint8_t got[OBJECT_SIZE];
	static const struct dcd_range list[] = { { 0, OBJECT_SIZE } };
	struct memory_source inner;
	struct dcd_prefetch *p = NULL;
	memory_open(&inner, 5);
	assert_int_equal(dcd_prefetch_open(&inner.base, 20000, &p, NULL), 0);
	for (uint32_t round = 0; round < 200; round++) {
		assert_int_equal(dcd_prefetch_start(p, "payload", OBJECT_SIZE, list, 1, NULL), 0);
		size_t len = round * 1000;
		assert_int_equal(dcd_prefetch_read(p, got, len, NULL), 0);
		assert_memory_equal(got, object, len);
		if (round % 2 == 0) {
			dcd_prefetch_stop(p);
			assert_int_equal(dcd_prefetch_read(p, got, 1, NULL), DCD_ERR_USAGE);
		}
	}
	dcd_prefetch_close(p);
}

static void a_fetch_pushes_in_and_reading_ahead_goes_on_at_its_byte(void **state)
{
	(void)state;
	static uint8_t got[OBJECT_SIZE];
	static const struct dcd_range list[] = { { 0, 200000 }, { 200000, 100000 }, { 300001, 50000 } };
	for (uint32_t seed = 1; seed <= 100; seed++) {
		struct memory_source inner;
		struct dcd_prefetch *p = NULL;
		uint32_t dice = seed;
		memory_open(&inner, seed);
		assert_int_equal(dcd_prefetch_open(&inner.base, 30000, &p, NULL), 0);
		assert_int_equal(dcd_prefetch_start(p, "payload", OBJECT_SIZE, list, 3, NULL), 0);
		for (size_t done = 0; done < 350000;) {
			size_t len = next_random(&dice) % 60000;
			len = len < 350000 - done ? len : 350000 - done;
			assert_int_equal(dcd_prefetch_read(p, got + done, len, NULL), 0);
			done += len;
			uint8_t aside[100];
			assert_int_equal(
				dcd_source_load_range(dcd_prefetch_source(p), "full", OBJECT_SIZE, done, aside, 100, NULL), 0);
			assert_memory_equal(aside, object + done, 100);
		}
		assert_memory_equal(got, object, 300000);
		assert_memory_equal(got + 300000, object + 300001, 50000);
		dcd_prefetch_close(p);
	}
}

static void lists_outside_the_object_are_refused(void **state)
{
	(void)state;
	static const struct dcd_range lists[] = { { OBJECT_SIZE, 1 }, { 0, 0 }, { 1, UINT64_MAX }, { 1, OBJECT_SIZE } };
	struct memory_source inner;
	struct dcd_prefetch *p = NULL;
	memory_open(&inner, 1);
	assert_int_equal(dcd_prefetch_open(&inner.base, 0, &p, NULL), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(dcd_prefetch_start(p, "payload", OBJECT_SIZE, &lists[i], 1, NULL), DCD_ERR_USAGE);
	}
	dcd_prefetch_close(p);
}

static int64_t milliseconds(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void stopping_ends_a_stalled_transfer_and_a_long_back_off_at_once(void **state)
{
	(void)state;
	static const struct hostile_reply replies[] = {
		{ .body_bytes = 1000, .then = HOSTILE_STALL },
		{ .head = "HTTP/1.1 503 X\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n", .body_bytes = HOSTILE_NO_BODY },
	};
	static const struct dcd_range list[] = { { 7, 100000 } };
	struct hostile_server *server = hostile_server_start(object, OBJECT_SIZE);
	for (size_t i = 0; i < 2; i++) {
		struct dcd_source *http = NULL;
		struct dcd_prefetch *p = NULL;
		uint8_t got[1000];
		hostile_server_script(server, &replies[i], 1, 1);
		assert_int_equal(dcd_source_http_open(hostile_server_url(server), NULL, &http, NULL), 0);
		assert_int_equal(dcd_prefetch_open(http, 0, &p, NULL), 0);
		assert_int_equal(dcd_prefetch_start(p, "payload", OBJECT_SIZE, list, 1, NULL), 0);
		if (i == 0) {
			assert_int_equal(dcd_prefetch_read(p, got, 1000, NULL), 0);
			assert_memory_equal(got, object + 7, 1000);
		} else {
			struct timespec moment = { 0, 100000000 };
			(void)nanosleep(&moment, NULL);
		}
		int64_t before = milliseconds();
		dcd_prefetch_stop(p);
		assert_true(milliseconds() - before < 1000);
		hostile_server_script(server, NULL, 0, 0);
		assert_int_equal(dcd_prefetch_start(p, "payload", OBJECT_SIZE, list, 1, NULL), 0);
		assert_int_equal(dcd_prefetch_read(p, got, 1000, NULL), 0);
		dcd_prefetch_close(p);
		http->ops->close(http);
	}
	hostile_server_stop(server);
}

static int start(void **state)
{
	(void)state;
	(void)unsetenv("http_proxy");
	(void)unsetenv("all_proxy");
	(void)unsetenv("ALL_PROXY");
	uint32_t seed = 1;
	for (size_t i = 0; i < OBJECT_SIZE; i++) {
		object[i] = (uint8_t)next_random(&seed);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_list_arrives_in_order_whatever_the_sizes),
		cmocka_unit_test(ranges_that_touch_become_one_request),
		cmocka_unit_test(an_error_arrives_at_the_read_that_needs_the_missing_byte),
		cmocka_unit_test(stopping_at_any_moment_leaves_a_usable_prefetch),
		cmocka_unit_test(a_fetch_pushes_in_and_reading_ahead_goes_on_at_its_byte),
		cmocka_unit_test(lists_outside_the_object_are_refused),
		cmocka_unit_test(stopping_ends_a_stalled_transfer_and_a_long_back_off_at_once),
	};
	return cmocka_run_group_tests(tests, start, NULL);
}
