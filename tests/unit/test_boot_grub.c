#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/boot_fixture.h"
#include "updater/boot/boot_grub.h"

#define ENV                                                                                                                      \
	"# GRUB Environment Block\nBOOT_ORDER=A B\nBOOT_A_LEFT=0\nBOOT_A_GOOD=1\nBOOT_B_LEFT=0\nBOOT_B_GOOD=1\nsaved_entry=7\n"

static const struct dcd_boot_state pending = { .order = { 1, 0 },
					       .slot = { { true, true, 0 }, { true, false, 3 } },
					       .booted = 0 };

struct lab {
	struct fixture_folder folder;
	struct fixture_block block;
	struct dcd_boot_media media;
	struct dcd_boot_control *control;
};

static struct lab *lab_new(void)
{
	struct lab *lab = calloc(1, sizeof *lab);
	assert_non_null(lab);
	fixture_folder_open(&lab->folder);
	memset(lab->block.bytes, '#', sizeof lab->block.bytes);
	memcpy(lab->block.bytes, ENV, sizeof ENV - 1);
	lab->block.size = 1024;
	lab->media = (struct dcd_boot_media){ .open_block = fixture_open_block, .context = &lab->block };
	const struct dcd_boot_options options = {
		.bootname = { "A", "B" },
		.media = &lab->media,
		.cmdline = fixture_put_text(&lab->folder, "cmdline", "quiet decade.slot=A\n"),
		.grubenv = fixture_path(&lab->folder, "grubenv"),
	};
	assert_int_equal(dcd_boot_open("grub", &options, &lab->control, NULL), 0);
	return lab;
}

static void lab_free(struct lab *lab)
{
	assert_int_equal(lab->block.opened, 0);
	lab->control->ops->close(lab->control);
	fixture_folder_close(&lab->folder);
	free(lab);
}

static int load(struct lab *lab, struct dcd_boot_state *ret)
{
	return lab->control->ops->load(lab->control, ret, NULL);
}

static void a_store_is_one_flushed_write_of_one_sector(void **state)
{
	(void)state;
	struct lab *lab = lab_new();
	struct dcd_boot_state back;
	assert_int_equal(lab->control->ops->store(lab->control, &pending, NULL), 0);
	assert_int_equal(lab->block.writes, 1);
	assert_int_equal(lab->block.written, 512);
	assert_int_equal(lab->block.flushes, 1);
	assert_int_equal(load(lab, &back), 0);
	assert_true(fixture_same_state(&back, &pending));
	assert_non_null(strstr((const char *)lab->block.bytes, "\nsaved_entry=7\n"));
	lab_free(lab);
}

static void a_block_that_is_unknown_is_neither_read_nor_written(void **state)
{
	(void)state;
	struct lab *lab = lab_new();
	struct dcd_boot_state back;
	lab->block.bytes[3] ^= 1;
	assert_int_equal(load(lab, &back), DCD_ERR_BOOT_STATE);
	assert_int_equal(lab->control->ops->store(lab->control, &pending, NULL), DCD_ERR_BOOT_STATE);
	lab->block.bytes[3] ^= 1;
	lab->block.size = 2048;
	assert_int_equal(load(lab, &back), DCD_ERR_BOOT_STATE);
	assert_int_equal(lab->control->ops->store(lab->control, &pending, NULL), DCD_ERR_BOOT_STATE);
	lab->block.size = 1024;
	lab->block.missing = true;
	assert_int_equal(load(lab, &back), DCD_ERR_BOOT_STATE);
	assert_int_equal(lab->block.writes, 0);
	lab_free(lab);
}

static void a_kernel_that_does_not_know_its_slot_is_an_unknown_state(void **state)
{
	(void)state;
	struct lab *lab = lab_new();
	struct dcd_boot_state back;
	(void)fixture_put_text(&lab->folder, "cmdline", "quiet\n");
	assert_int_equal(load(lab, &back), DCD_ERR_BOOT_STATE);
	(void)fixture_put_text(&lab->folder, "cmdline", "decade.slot=B\n");
	assert_int_equal(load(lab, &back), 0);
	assert_int_equal(back.booted, 1);
	lab_free(lab);
}

static void a_medium_that_fails_or_forgets_is_told(void **state)
{
	(void)state;
	struct lab *lab = lab_new();
	lab->block.fails_flush = true;
	assert_int_equal(lab->control->ops->store(lab->control, &pending, NULL), DCD_ERR_IO);
	lab->block.fails_flush = false;
	memset(lab->block.bytes, '#', sizeof lab->block.bytes);
	memcpy(lab->block.bytes, ENV, sizeof ENV - 1);
	lab->block.forgets = true;
	assert_int_equal(lab->control->ops->store(lab->control, &pending, NULL), DCD_ERR_READ_BACK);
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_is_one_flushed_write_of_one_sector),
		cmocka_unit_test(a_block_that_is_unknown_is_neither_read_nor_written),
		cmocka_unit_test(a_kernel_that_does_not_know_its_slot_is_an_unknown_state),
		cmocka_unit_test(a_medium_that_fails_or_forgets_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
