#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bsdiff/diff/ordered_pool.h"

struct tally {
	uint64_t next;
	uint64_t fail_at;
	int wrong_order;
};

static int square(void *context, unsigned worker, uint64_t index, void *slot)
{
	struct tally *tally = context;
	(void)worker;
	if (index == tally->fail_at) {
		return DCD_ERR_IO;
	}
	*(uint64_t *)slot = index * index;
	return 0;
}

static int take(void *context, uint64_t index, void *slot)
{
	struct tally *tally = context;
	tally->wrong_order += index != tally->next || *(uint64_t *)slot != index * index;
	tally->next++;
	return 0;
}

static int run(struct tally *tally, unsigned workers, uint64_t first, uint64_t end)
{
	uint64_t slots[20];
	const struct dcd_pool_job job = { square, take, tally, workers, slots, sizeof slots[0] };
	tally->next = first;
	return dcd_pool_run(&job, first, end);
}

static void results_arrive_once_and_in_order(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= 9; workers++) {
		struct tally tally = { .fail_at = UINT64_MAX };
		assert_int_equal(run(&tally, workers, 5, 5000), 0);
		assert_int_equal(tally.next, 5000);
		assert_int_equal(tally.wrong_order, 0);
	}
	struct tally tally = { .fail_at = UINT64_MAX };
	assert_int_equal(run(&tally, 3, 7, 7), 0);
}

static void an_error_stops_the_run_and_is_returned(void **state)
{
	(void)state;
	struct tally tally = { .fail_at = 1000 };
	assert_int_equal(run(&tally, 4, 0, 5000), DCD_ERR_IO);
	assert_true(tally.next <= 1000);
	assert_int_equal(tally.wrong_order, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_arrive_once_and_in_order),
		cmocka_unit_test(an_error_stops_the_run_and_is_returned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
