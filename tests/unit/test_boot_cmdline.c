#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/boot_fixture.h"
#include "updater/boot/boot_cmdline.h"

static const char *const names[DCD_SLOT_COUNT] = { "A", "AB" };

static int slot_in(const char *text)
{
	int slot = -1;
	int err = dcd_boot_cmdline_parse(text, strlen(text), names, "cmdline", &slot, NULL);
	return err != 0 ? err : slot;
}

static void the_slot_is_found_wherever_it_stands(void **state)
{
	(void)state;
	assert_int_equal(slot_in("decade.slot=A"), 0);
	assert_int_equal(slot_in("root=/dev/vda2 decade.slot=AB quiet\n"), 1);
	assert_int_equal(slot_in("quiet  decade.slot=A\n"), 0);
	assert_int_equal(slot_in("decade.slot=AB quiet decade.slot=AB"), 1);
}

static void a_command_line_that_does_not_say_it_is_no_guess(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"quiet",
		"decade.slot=",
		"decade.slot=B",
		"decade.slot=ABC",
		"decade.slot=a",
		"decade.slot",
		"xdecade.slot=A",
		"decade.slot=A decade.slot=AB",
		"decade.slot=A,",
		"dyndbg=\"file drivers/usb/* decade.slot=A\"",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(slot_in(bad[i]), DCD_ERR_BOOT_STATE);
	}
}

static void a_file_that_is_missing_or_endless_is_an_error(void **state)
{
	(void)state;
	struct fixture_folder folder;
	fixture_folder_open(&folder);
	int slot = -1;
	assert_int_equal(dcd_boot_cmdline_read(fixture_put_text(&folder, "cmdline", "a decade.slot=AB\n"), names, &slot, NULL),
			 0);
	assert_int_equal(slot, 1);
	assert_int_equal(dcd_boot_cmdline_read(fixture_path(&folder, "nothing"), names, &slot, NULL), DCD_ERR_BOOT_STATE);
	struct dcd_diag diag;
	assert_int_equal(dcd_boot_cmdline_read("/dev/zero", names, &slot, &diag), DCD_ERR_BOOT_STATE);
	assert_non_null(strstr(diag.text, "longer"));
	fixture_folder_close(&folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_slot_is_found_wherever_it_stands),
		cmocka_unit_test(a_command_line_that_does_not_say_it_is_no_guess),
		cmocka_unit_test(a_file_that_is_missing_or_endless_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
