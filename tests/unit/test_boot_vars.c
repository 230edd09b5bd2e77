#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "updater/boot/boot_vars.h"

static const char *const names[DCD_SLOT_COUNT] = { "A", "AB" };

static struct dcd_boot_vars vars_of_names(void)
{
	struct dcd_boot_vars vars;
	assert_int_equal(dcd_boot_vars_init(&vars, names, NULL), 0);
	return vars;
}

static int decode(const char *order, const char *left_a, const char *left_b, const char *good_a, const char *good_b,
		  struct dcd_boot_state *ret)
{
	struct dcd_boot_vars vars = vars_of_names();
	const char *const value[DCD_BOOT_VARS] = { order, left_a, left_b, good_a, good_b };
	return dcd_boot_vars_decode(&vars, value, "env", ret, NULL);
}

static void variables_are_named_as_the_scripts_know_them(void **state)
{
	(void)state;
	struct dcd_boot_vars vars = vars_of_names();
	assert_string_equal(vars.name[0], "BOOT_ORDER");
	assert_string_equal(vars.name[1], "BOOT_A_LEFT");
	assert_string_equal(vars.name[2], "BOOT_AB_LEFT");
	assert_string_equal(vars.name[3], "BOOT_A_GOOD");
	assert_string_equal(vars.name[4], "BOOT_AB_GOOD");
}

static void bootnames_that_no_script_can_spell_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "a-b", "a.b", "a b", "123456789012345678901234567890123" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct dcd_boot_vars vars;
		const char *const pair[DCD_SLOT_COUNT] = { "A", bad[i] };
		assert_int_equal(dcd_boot_vars_init(&vars, pair, NULL), DCD_ERR_CONFIG);
	}
}

static void every_state_that_can_be_stored_is_found_again(void **state)
{
	(void)state;
	struct dcd_boot_vars vars = vars_of_names();
	for (unsigned bits = 0; bits < 2U * 64 * 64; bits++) {
		uint8_t first = (uint8_t)(bits & 1);
		struct dcd_boot_state s = { .order = { first, (uint8_t)(1 - first) } };
		for (unsigned i = 0; i < DCD_SLOT_COUNT; i++) {
			unsigned part = bits >> (1 + 6 * i);
			s.slot[i] = (struct dcd_boot_slot){ (part & 1) != 0, (part & 2) != 0, (uint8_t)(part >> 2 & 15) };
		}
		struct dcd_boot_var_values values;
		int err = dcd_boot_vars_encode(&vars, &s, &values, NULL);
		if (!s.slot[0].bootable && !s.slot[1].bootable) {
			assert_int_equal(err, DCD_ERR_USAGE);
			continue;
		}
		assert_int_equal(err, 0);
		const char *value[DCD_BOOT_VARS];
		for (int i = 0; i < DCD_BOOT_VARS; i++) {
			value[i] = values.text[i];
		}
		struct dcd_boot_state back;
		assert_int_equal(dcd_boot_vars_decode(&vars, value, "env", &back, NULL), 0);
		uint8_t primary = s.slot[s.order[0]].bootable ? s.order[0] : s.order[1];
		assert_int_equal(back.order[0], primary);
		assert_int_equal(back.order[1], 1 - primary);
		for (int i = 0; i < DCD_SLOT_COUNT; i++) {
			assert_int_equal(back.slot[i].bootable, s.slot[i].bootable);
			assert_int_equal(back.slot[i].good, s.slot[i].good);
			assert_int_equal(back.slot[i].tries_left, s.slot[i].tries_left < 9 ? s.slot[i].tries_left : 9);
		}
	}
}

static void absent_numbers_and_flags_count_as_zero(void **state)
{
	(void)state;
	struct dcd_boot_state s;
	assert_int_equal(decode("AB", NULL, NULL, NULL, NULL, &s), 0);
	assert_int_equal(s.order[0], 1);
	assert_false(s.slot[0].bootable);
	assert_true(s.slot[1].bootable);
	assert_false(s.slot[1].good);
	assert_int_equal(s.slot[1].tries_left, 0);
}

static void what_nobody_of_us_writes_is_an_unknown_state(void **state)
{
	(void)state;
	struct dcd_boot_state s = { .booted = 7 };
	static const char *const orders[] = { "", " ", "A ", " A", "A  AB", "A A", "B", "A AB A", "A AB B", "A,AB", "AB\n", "a" };
	for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
		assert_int_equal(decode(orders[i], "1", "1", "1", "1", &s), DCD_ERR_BOOT_STATE);
	}
	assert_int_equal(decode(NULL, "1", "1", "1", "1", &s), DCD_ERR_BOOT_STATE);
	static const char *const digits[] = { "", "10", "03", "-1", "f", "3 ", " 3", "true" };
	for (size_t i = 0; i < sizeof digits / sizeof digits[0]; i++) {
		assert_int_equal(decode("A AB", digits[i], "1", "1", "1", &s), DCD_ERR_BOOT_STATE);
		assert_int_equal(decode("A AB", "1", "1", "1", digits[i], &s), DCD_ERR_BOOT_STATE);
	}
	assert_int_equal(decode("A AB", "1", "1", "2", "1", &s), DCD_ERR_BOOT_STATE);
	assert_int_equal(s.booted, 7); /* untouched */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(variables_are_named_as_the_scripts_know_them),
		cmocka_unit_test(bootnames_that_no_script_can_spell_are_refused),
		cmocka_unit_test(every_state_that_can_be_stored_is_found_again),
		cmocka_unit_test(absent_numbers_and_flags_count_as_zero),
		cmocka_unit_test(what_nobody_of_us_writes_is_an_unknown_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
