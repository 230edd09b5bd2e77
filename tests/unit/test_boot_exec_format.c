#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "updater/boot/boot_exec_format.h"

static const char *const names[DCD_SLOT_COUNT] = { "A", "AB" };

static int decode(const char *text, struct dcd_boot_state *ret)
{
	return dcd_boot_exec_decode(text, strlen(text), names, "program", ret, NULL);
}

static void every_state_is_found_again(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 4U * 64 * 64; bits++) {
		uint8_t first = (uint8_t)(bits & 1);
		struct dcd_boot_state s = { .order = { first, (uint8_t)(1 - first) }, .booted = (int)(bits >> 1 & 1) }, back;
		for (unsigned i = 0; i < DCD_SLOT_COUNT; i++) {
			unsigned part = bits >> (2 + 6 * i);
			s.slot[i] = (struct dcd_boot_slot){ (part & 1) != 0, (part & 2) != 0, (uint8_t)(part >> 2 & 15) };
		}
		char text[DCD_BOOT_EXEC_MAX], answer[2 * DCD_BOOT_EXEC_MAX];
		size_t len = dcd_boot_exec_encode(&s, names, text);
		(void)snprintf(answer, sizeof answer, "decade-boot 1\nbooted %s\n%.*s", names[s.booted], (int)(len - 14),
			       text + 14);
		assert_int_equal(decode(answer, &back), 0);
		assert_memory_equal(&back.order, &s.order, sizeof s.order);
		assert_memory_equal(&back.slot, &s.slot, sizeof s.slot);
		assert_int_equal(back.booted, s.booted);
	}
}

static void anything_else_is_an_unknown_state(void **state)
{
	(void)state;
	static const char good[] = "decade-boot 1\nbooted A\norder A AB\nslot A bootable=1 good=1 tries=0\nslot AB bootable=0 "
				   "good=0 tries=15\nend\n";
	struct dcd_boot_state s;
	assert_int_equal(decode(good, &s), 0);
	/* Cut anywhere; one byte changed anywhere, unless it is another state. */
	for (size_t i = 0; i < sizeof good - 1; i++) {
		char text[sizeof good + 1];
		(void)snprintf(text, sizeof text, "%.*s", (int)i, good);
		assert_int_equal(decode(text, &s), DCD_ERR_BOOT_STATE);
		memcpy(text, good, sizeof good);
		text[i] = ' ' + (good[i] == ' ');
		assert_int_equal(decode(text, &s), DCD_ERR_BOOT_STATE);
	}
	static const char *const bad[] = {
		"decade-boot 1\nbooted A\norder A A\nslot A bootable=1 good=1 tries=0\nslot AB bootable=0 good=0 tries=0\nend\n",
		"decade-boot 1\nbooted A\norder A AB\nslot AB bootable=1 good=1 tries=0\nslot A bootable=0 good=0 tries=0\nend\n",
		"decade-boot 1\nbooted A\norder A AB\nslot A bootable=1 good=1 tries=16\nslot AB bootable=0 good=0 "
		"tries=0\nend\n",
		"decade-boot 1\norder A AB\nslot A bootable=1 good=1 tries=0\nslot AB bootable=0 good=0 tries=0\nend\n",
		"decade-boot 1\nbooted A\norder A AB\nslot A bootable=1 good=1 tries=0\nslot AB bootable=0 good=0 "
		"tries=0\nend\n\n",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(decode(bad[i], &s), DCD_ERR_BOOT_STATE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_is_found_again),
		cmocka_unit_test(anything_else_is_an_unknown_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
