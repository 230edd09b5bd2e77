#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/sim_dir.h"
#include "updater/boot/boot.h"

static void the_file_loader_opens_by_its_name(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	const struct dcd_boot_options options = { .bootname = { "A", "B" }, .state_dir = &sim->base };
	struct dcd_boot_control *control = NULL;
	assert_int_equal(dcd_boot_open("file", &options, &control, NULL), 0);
	assert_string_equal(control->name, "file");
	control->ops->close(control);
	sim->base.ops->close(&sim->base);
}

static void loaders_that_are_unknown_or_not_built_in_are_told_apart(void **state)
{
	(void)state;
	const struct dcd_boot_options options = { .bootname = { "A", "B" } };
	struct dcd_boot_control *control = NULL;
	struct dcd_diag diag = { 0 };
	assert_int_equal(dcd_boot_open("lilo", &options, &control, &diag), DCD_ERR_CONFIG);
	assert_non_null(strstr(diag.text, "unknown boot loader 'lilo'"));
	assert_int_equal(dcd_boot_open("", &options, &control, &diag), DCD_ERR_CONFIG);
	assert_null(control);
	static const char *const left_out[][2] = {
#ifndef DCD_HAVE_BOOT_UBOOT
		{ "uboot", "libubootenv-dev" },
#endif
#ifndef DCD_HAVE_BOOT_EFI
		{ "efi", "libefivar-dev" },
#endif
		{ NULL, NULL },
	};
	for (size_t i = 0; left_out[i][0] != NULL; i++) {
		assert_int_equal(dcd_boot_open(left_out[i][0], &options, &control, &diag), DCD_ERR_CONFIG);
		assert_non_null(strstr(diag.text, "not built in: install"));
		assert_non_null(strstr(diag.text, left_out[i][1]));
	}
}

static void bootnames_that_a_loader_cannot_keep_apart_are_refused(void **state)
{
	(void)state;
	static const char *const bad[][DCD_SLOT_COUNT] = {
		{ "A", "A" },   { "", "B" },    { NULL, "B" },
		{ "A", "B C" }, { "A", "B\n" }, { "123456789012345678901234567890123", "B" },
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const struct dcd_boot_options options = { .bootname = { bad[i][0], bad[i][1] } };
		struct dcd_boot_control *control = NULL;
		assert_int_equal(dcd_boot_open("file", &options, &control, NULL), DCD_ERR_CONFIG);
		assert_null(control);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_loader_opens_by_its_name),
		cmocka_unit_test(loaders_that_are_unknown_or_not_built_in_are_told_apart),
		cmocka_unit_test(bootnames_that_a_loader_cannot_keep_apart_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
