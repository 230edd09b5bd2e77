#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "updater/boot/boot_efi_format.h"

/* Attributes, length of the paths, "decade-A" in UTF-16, four bytes of path, optional data. */
static const uint8_t option[] = { 1, 0,   0, 0,   4, 0,   'd', 0, 'e', 0,    'c',  0, 'a', 0,   'd',
				  0, 'e', 0, '-', 0, 'A', 0,   0, 0,   0x7f, 0xff, 4, 0,   'x', 0 };

static void load_options_are_told_apart_by_their_label(void **state)
{
	(void)state;
	assert_int_equal(dcd_efi_option_kind(option, sizeof option, "decade-A"), DCD_EFI_OURS);
	assert_int_equal(dcd_efi_option_kind(option, sizeof option, "decade-AB"), DCD_EFI_OTHER);
	assert_int_equal(dcd_efi_option_kind(option, sizeof option, "decade-"), DCD_EFI_OTHER);
	assert_int_equal(dcd_efi_option_kind(option, sizeof option, ""), DCD_EFI_OTHER);
	uint8_t inactive[sizeof option];
	memcpy(inactive, option, sizeof option);
	inactive[0] = 0;
	assert_int_equal(dcd_efi_option_kind(inactive, sizeof inactive, "decade-A"), DCD_EFI_INACTIVE);
	for (size_t len = 0; len < sizeof option - 2; len++) {
		assert_int_equal(dcd_efi_option_kind(option, len, "decade-A"), DCD_EFI_DAMAGED);
	}
}

static void names_of_load_options_have_four_digits(void **state)
{
	(void)state;
	assert_int_equal(dcd_efi_option_number("Boot0000"), 0);
	assert_int_equal(dcd_efi_option_number("Boot00AF"), 0xaf);
	assert_int_equal(dcd_efi_option_number("BootFFFF"), 0xffff);
	static const char *const bad[] = { "",         "Boot",     "Boot000",  "Boot00000", "BootOrder",
					   "Boot00af", "boot0000", "BootNext", "Boot-001" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(dcd_efi_option_number(bad[i]), DCD_EFI_NONE);
	}
}

static const struct dcd_boot_state a_good_b_writing = { .order = { 0, 1 }, .slot = { { true, true, 0 }, { false, false, 0 } } };
static const struct dcd_boot_state b_pending = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, false, 3 } } };
static const struct dcd_boot_state b_good = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, true, 0 } }, .booted = 1 };
static const struct dcd_boot_state a_pending = { .order = { 0, 1 },
						 .slot = { { true, false, 3 }, { true, true, 0 } },
						 .booted = 1 };

/* Shell, A, B, network. */
static struct dcd_efi_vars from_order(const uint16_t *order, size_t count)
{
	struct dcd_efi_vars vars = { .number = { 5, 9 }, .next = DCD_EFI_NONE, .trial = DCD_EFI_NONE, .order_count = count };
	memcpy(vars.order, order, count * sizeof order[0]);
	return vars;
}

static void a_life_of_variables(void **state)
{
	(void)state;
	struct dcd_efi_vars vars = from_order((const uint16_t[]){ 1, 5, 9, 2 }, 4), next;
	struct dcd_boot_state s;
	assert_int_equal(dcd_efi_plan(&vars, &a_good_b_writing, &next, NULL), 0);
	assert_memory_equal(next.order, ((const uint16_t[]){ 1, 5, 2 }), 6);
	assert_int_equal(next.order_count, 3);
	dcd_efi_decode(&next, 0, &s);
	assert_memory_equal(&s, &a_good_b_writing, sizeof s);

	vars = next;
	assert_int_equal(dcd_efi_plan(&vars, &b_pending, &next, NULL), 0);
	assert_int_equal(next.next, 9);
	assert_int_equal(next.trial, 1);
	assert_int_equal(next.order_count, 3);
	dcd_efi_decode(&next, 0, &s);
	assert_int_equal(s.order[0], 1);
	assert_int_equal(s.slot[1].tries_left, 1); /* all that a firmware gives */

	vars = next; /* as the firmware boots it */
	vars.next = DCD_EFI_NONE;
	dcd_efi_decode(&vars, 1, &s);
	assert_true(s.order[0] == 1 && s.slot[1].bootable && !s.slot[1].good && s.slot[1].tries_left == 0 && s.slot[0].good);
	dcd_efi_decode(&vars, 0, &s); /* or falls back */
	assert_true(s.order[0] == 1 && s.slot[1].bootable && !s.slot[1].good && s.slot[1].tries_left == 0 && s.slot[0].good);

	assert_int_equal(dcd_efi_plan(&vars, &b_good, &next, NULL), 0);
	assert_memory_equal(next.order, ((const uint16_t[]){ 1, 9, 5, 2 }), 8);
	assert_int_equal(next.trial, DCD_EFI_NONE);
	dcd_efi_decode(&next, 1, &s);
	assert_memory_equal(&s, &b_good, sizeof s);

	vars = next;
	assert_int_equal(dcd_efi_plan(&vars, &a_pending, &next, NULL), 0);
	assert_memory_equal(next.order, ((const uint16_t[]){ 1, 9, 5, 2 }), 8);
	assert_int_equal(next.next, 5);
	dcd_efi_decode(&next, 1, &s);
	assert_true(s.order[0] == 0 && !s.slot[0].good && s.slot[0].tries_left == 1 && s.slot[1].good);
}

static void a_cut_before_the_explanation_is_understood(void **state)
{
	(void)state;
	struct dcd_efi_vars vars = from_order((const uint16_t[]){ 5 }, 1);
	struct dcd_boot_state s;
	vars.next = 9; /* armed, DecadeTrial not written */
	dcd_efi_decode(&vars, 0, &s);
	assert_true(s.order[0] == 1 && s.slot[1].tries_left == 1);
	vars.next = DCD_EFI_NONE; /* and booted */
	dcd_efi_decode(&vars, 1, &s);
	assert_true(s.order[0] == 1 && s.slot[1].bootable && !s.slot[1].good && s.slot[1].tries_left == 0);
	vars = from_order((const uint16_t[]){ 9, 5 }, 2); /* confirmed, DecadeTrial not deleted */
	vars.trial = 1;
	dcd_efi_decode(&vars, 1, &s);
	assert_true(s.order[0] == 1 && s.slot[1].good && s.slot[0].good);
}

static void a_next_boot_of_somebody_else_is_left_alone(void **state)
{
	(void)state;
	struct dcd_efi_vars vars = from_order((const uint16_t[]){ 5, 9 }, 2), next;
	struct dcd_boot_state s;
	vars.next = 77;
	dcd_efi_decode(&vars, 0, &s);
	assert_true(s.order[0] == 0 && s.slot[1].good);
	assert_int_equal(dcd_efi_plan(&vars, &a_good_b_writing, &next, NULL), 0);
	assert_int_equal(next.next, 77);
}

static void a_state_without_a_way_back_and_an_order_without_room_are_refused(void **state)
{
	(void)state;
	struct dcd_efi_vars vars = from_order((const uint16_t[]){ 5 }, 1), next = { .next = 123 };
	const struct dcd_boot_state alone = { .order = { 1, 0 }, .slot = { { false, false, 0 }, { true, false, 3 } } };
	assert_int_equal(dcd_efi_plan(&vars, &alone, &next, NULL), DCD_ERR_USAGE);
	uint8_t order[2 * DCD_EFI_ORDER_MAX + 2] = { 0 };
	assert_false(dcd_efi_order_parse(order, 3, &vars));
	assert_false(dcd_efi_order_parse(order, sizeof order, &vars));
	for (size_t len = sizeof order - 2; len > sizeof order - 8; len -= 2) {
		assert_true(dcd_efi_order_parse(order, len, &vars));
		int err = dcd_efi_plan(&vars, &b_good, &next, NULL);
		assert_int_equal(err, len / 2 > DCD_EFI_ORDER_MAX - 2 ? DCD_ERR_BOOT_STATE : 0);
		assert_true(err != 0 || next.order_count == len / 2 + 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_options_are_told_apart_by_their_label),
		cmocka_unit_test(names_of_load_options_have_four_digits),
		cmocka_unit_test(a_life_of_variables),
		cmocka_unit_test(a_cut_before_the_explanation_is_understood),
		cmocka_unit_test(a_next_boot_of_somebody_else_is_left_alone),
		cmocka_unit_test(a_state_without_a_way_back_and_an_order_without_room_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
