#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "updater/engine/boot_control.h"

static struct dcd_boot_state trial_of_b(uint8_t tries)
{
	return (struct dcd_boot_state){
		.order = { 1, 0 },
		.slot = { { .bootable = true, .good = true }, { .bootable = true, .tries_left = tries } },
	};
}

static void a_trial_is_counted_down_and_then_the_good_slot_comes_back(void **state)
{
	(void)state;
	struct dcd_boot_state boot = trial_of_b(2);
	struct dcd_boot_state after;
	assert_int_equal(dcd_boot_choose(&boot, &after), 1);
	assert_int_equal(after.slot[1].tries_left, 1);
	boot = after;
	assert_int_equal(dcd_boot_choose(&boot, &after), 1);
	assert_int_equal(after.slot[1].tries_left, 0);
	boot = after;
	assert_int_equal(dcd_boot_choose(&boot, &after), 0);
	assert_int_equal(after.booted, 0);
	assert_int_equal(after.slot[1].tries_left, 0);
}

static void a_good_slot_is_never_counted(void **state)
{
	(void)state;
	struct dcd_boot_state boot = trial_of_b(3);
	boot.order[0] = 0;
	boot.order[1] = 1;
	boot.slot[0].tries_left = 1;
	struct dcd_boot_state after;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(dcd_boot_choose(&boot, &after), 0);
		assert_int_equal(after.slot[0].tries_left, 1);
		boot = after;
	}
}

static void an_unbootable_slot_is_passed_over_even_when_it_is_primary(void **state)
{
	(void)state;
	struct dcd_boot_state boot = trial_of_b(3);
	boot.slot[1].bootable = false;
	struct dcd_boot_state after;
	assert_int_equal(dcd_boot_choose(&boot, &after), 0);
	assert_int_equal(after.slot[1].tries_left, 3);
}

static void what_was_never_bootable_is_the_last_resort_of_all(void **state)
{
	(void)state;
	struct dcd_boot_state boot = { .order = { 0, 1 }, .slot = { [1] = { .bootable = true } } };
	struct dcd_boot_state after;
	assert_int_equal(dcd_boot_choose(&boot, &after), 1);
	boot.slot[1].bootable = false;
	assert_int_equal(dcd_boot_choose(&boot, &after), 0);
}

static void there_is_no_dead_end_when_every_try_is_spent(void **state)
{
	(void)state;
	struct dcd_boot_state after;
	struct dcd_boot_state spent = { .order = { 1, 0 }, .slot = { { .bootable = true }, { .bootable = true } } };
	assert_int_equal(dcd_boot_choose(&spent, &after), 1);
	spent.slot[0].good = true;
	spent.slot[0].bootable = false; /* a loader whose bookkeeping is half right: good still beats nothing */
	assert_int_equal(dcd_boot_choose(&spent, &after), 0);
	const struct dcd_boot_state nothing = { .order = { 1, 0 } };
	assert_int_equal(dcd_boot_choose(&nothing, &after), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trial_is_counted_down_and_then_the_good_slot_comes_back),
		cmocka_unit_test(a_good_slot_is_never_counted),
		cmocka_unit_test(an_unbootable_slot_is_passed_over_even_when_it_is_primary),
		cmocka_unit_test(what_was_never_bootable_is_the_last_resort_of_all),
		cmocka_unit_test(there_is_no_dead_end_when_every_try_is_spent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
