#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/boot_fixture.h"
#include "tests/unit/efi_firmware.h"
#include "updater/boot/boot_efi.h"

struct lab {
	struct fixture_folder folder;
	struct dcd_boot_control *control;
};

static void boots(struct lab *lab, const char *slot)
{
	char line[64];
	(void)snprintf(line, sizeof line, "initrd=x decade.slot=%s\n", slot);
	(void)fixture_put_text(&lab->folder, "cmdline", line);
}

/* A shell, the slots, a network; B is unbootable. */
static struct lab *lab_new(void)
{
	struct lab *lab = calloc(1, sizeof *lab);
	assert_non_null(lab);
	fixture_folder_open(&lab->folder);
	firmware = (struct firmware){ .fail_at = -1 };
	firmware_put_option("Boot0001", "UEFI Shell", 1);
	firmware_put_option("Boot0005", "decade-A", 1);
	firmware_put_option("Boot000A", "decade-B", 1);
	firmware_put(EFI_GLOBAL_GUID, "BootOrder", "\x05\0\x01", 4);
	boots(lab, "A");
	const struct dcd_boot_options options = { .bootname = { "A", "B" }, .cmdline = fixture_path(&lab->folder, "cmdline") };
	assert_int_equal(dcd_boot_open("efi", &options, &lab->control, NULL), 0);
	return lab;
}

static void lab_free(struct lab *lab)
{
	lab->control->ops->close(lab->control);
	fixture_folder_close(&lab->folder);
	free(lab);
}

static int store(struct lab *lab, const struct dcd_boot_state *s)
{
	return lab->control->ops->store(lab->control, s, NULL);
}

static struct dcd_boot_state loaded(struct lab *lab)
{
	struct dcd_boot_state s;
	struct dcd_diag diag;
	assert_int_equal(lab->control->ops->load(lab->control, &s, &diag), 0);
	return s;
}

static const struct dcd_boot_state writing = { .order = { 0, 1 }, .slot = { { true, true, 0 }, { false, false, 0 } } };
static const struct dcd_boot_state pending = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, false, 1 } } };
static const struct dcd_boot_state good = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, true, 0 } }, .booted = 1 };

/* What a firmware does: takes BootNext and deletes it, else the first of ours in BootOrder. */
static void reset(struct lab *lab)
{
	struct firmware_var *next = firmware_find("BootNext"), *order = firmware_find("BootOrder");
	uint8_t number = next != NULL ? next->data[0] : order->data[0];
	firmware_remove("BootNext");
	boots(lab, number == 0x0a ? "B" : "A");
}

static void a_trial_is_one_boot_and_a_confirmation_one_store(void **state)
{
	(void)state;
	struct lab *lab = lab_new();
	struct dcd_boot_state s = loaded(lab);
	assert_true(fixture_same_state(&s, &writing));
	assert_int_equal(store(lab, &pending), 0);
	s = loaded(lab);
	assert_true(fixture_same_state(&s, &pending));
	assert_memory_equal(firmware_find("BootNext")->data, "\x0a\0", 2);
	reset(lab);
	s = loaded(lab);
	assert_true(s.booted == 1 && s.order[0] == 1 && !s.slot[1].good && s.slot[1].tries_left == 0);
	reset(lab); /* unconfirmed: back */
	s = loaded(lab);
	assert_true(s.booted == 0 && s.order[0] == 1 && !s.slot[1].good && s.slot[1].tries_left == 0 && s.slot[0].good);
	assert_int_equal(store(lab, &writing), 0);
	assert_int_equal(store(lab, &pending), 0);
	reset(lab);
	assert_int_equal(store(lab, &good), 0);
	reset(lab);
	s = loaded(lab);
	assert_true(fixture_same_state(&s, &good));
	assert_memory_equal(firmware_find("BootOrder")->data, "\x0a\0\x05\0\x01\0", 6);
	lab_free(lab);
}

/* Up to the store that carries the change the old state is there, after it the new one; whatever follows explains it. */
static void a_change_that_is_cut_is_the_old_state_or_the_new(void **state)
{
	(void)state;
	static const struct dcd_boot_state *const changes[][2] = { { &writing, &pending },
								   { &pending, &writing },
								   { &pending, &good } };
	for (size_t c = 0; c < sizeof changes / sizeof changes[0]; c++) {
		for (int at = 0;; at++) {
			struct lab *lab = lab_new();
			assert_int_equal(store(lab, changes[c][0]), 0);
			if (changes[c][1] == &good) {
				reset(lab);
			}
			struct dcd_boot_state before = loaded(lab);
			firmware.stores = 0;
			firmware.fail_at = at;
			int err = store(lab, changes[c][1]);
			firmware.fail_at = -1;
			struct dcd_boot_state s = loaded(lab);
			bool is_new = fixture_same_state(&s, changes[c][1]);
			assert_true(is_new || (err != 0 && fixture_same_state(&s, &before)));
			assert_int_equal(store(lab, changes[c][1]), 0);
			s = loaded(lab);
			assert_true(fixture_same_state(&s, changes[c][1]));
			lab_free(lab);
			if (err == 0) {
				assert_true(at > 0);
				break;
			}
		}
	}
}

static void expect_unknown(struct lab *lab, const char *sentence)
{
	struct dcd_boot_state s;
	struct dcd_diag diag = { 0 };
	struct firmware before = firmware;
	assert_int_equal(lab->control->ops->load(lab->control, &s, &diag), DCD_ERR_BOOT_STATE);
	assert_non_null(strstr(diag.text, sentence));
	assert_int_equal(store(lab, &pending), DCD_ERR_BOOT_STATE);
	assert_memory_equal(&before.var, &firmware.var, sizeof firmware.var);
}

static void variables_that_can_not_be_trusted_are_an_unknown_state(void **state)
{
	(void)state;
	struct lab *lab = lab_new();
	firmware_remove("Boot000A");
	expect_unknown(lab, "no entry 'decade-B'");
	firmware_put_option("Boot000A", "decade-B", 0);
	expect_unknown(lab, "inactive");
	firmware_put_option("Boot000A", "decade-B", 1);
	firmware_put_option("Boot000B", "decade-B", 1);
	expect_unknown(lab, "two entries");
	firmware_remove("Boot000B");
	firmware_put(EFI_GLOBAL_GUID, "BootOrder", "\x05\0\x01", 3);
	expect_unknown(lab, "no list of numbers");
	firmware_put(EFI_GLOBAL_GUID, "BootNext", "\x05", 1);
	firmware_put(EFI_GLOBAL_GUID, "BootOrder", "\x05\0\x01", 4);
	expect_unknown(lab, "no list of numbers");
	firmware_remove("BootNext");
	firmware_put(EFI_GLOBAL_GUID, "DecadeTrial", "C", 1);
	expect_unknown(lab, "names neither");
	firmware_remove("DecadeTrial");
	boots(lab, "C");
	expect_unknown(lab, "decade.slot");
	boots(lab, "A");
	firmware.unreadable = true;
	expect_unknown(lab, "can't be read");
	firmware.unreadable = false;
	firmware_remove("BootOrder");
	struct dcd_boot_state s;
	assert_int_equal(lab->control->ops->load(lab->control, &s, NULL), DCD_ERR_BOOT_STATE);
	lab_free(lab);
}

static void a_firmware_that_refuses_or_forgets_is_told(void **state)
{
	(void)state;
	struct lab *lab = lab_new();
	firmware.fail_at = 0;
	assert_int_equal(store(lab, &pending), DCD_ERR_IO);
	firmware.fail_at = -1;
	firmware.forgets = true;
	assert_int_equal(store(lab, &pending), DCD_ERR_READ_BACK);
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trial_is_one_boot_and_a_confirmation_one_store),
		cmocka_unit_test(a_change_that_is_cut_is_the_old_state_or_the_new),
		cmocka_unit_test(variables_that_can_not_be_trusted_are_an_unknown_state),
		cmocka_unit_test(a_firmware_that_refuses_or_forgets_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
