#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/boot_fixture.h"
#include "updater/boot/boot_exec.h"

#define STATE "order A B\nslot A bootable=1 good=1 tries=0\nslot B bootable=0 good=0 tries=0\nend\n"
/* A program in three lines: prints a file, replaces it by what it is told. */
#define KEEPS                                                                                                                    \
	"#!/bin/sh\ncd \"$(dirname \"$0\")\"\n[ $1 = get ] && { echo decade-boot 1; echo booted A; cat state; } || tail -n +2 "  \
	">state\n"

struct lab {
	struct fixture_folder folder;
	struct dcd_boot_control *control;
};

static void put_program(struct lab *lab, const char *text)
{
	(void)unlink(fixture_path(&lab->folder, "program")); /* one that still runs is "busy" */
	assert_int_equal(chmod(fixture_put_text(&lab->folder, "program", text), 0700), 0);
}

static struct lab *lab_new(const char *program)
{
	struct lab *lab = calloc(1, sizeof *lab);
	assert_non_null(lab);
	fixture_folder_open(&lab->folder);
	(void)fixture_put_text(&lab->folder, "state", STATE);
	put_program(lab, program);
	const struct dcd_boot_options options = {
		.bootname = { "A", "B" },
		.program = fixture_path(&lab->folder, "program"),
		.program_timeout_s = 1,
	};
	assert_int_equal(dcd_boot_open("exec", &options, &lab->control, NULL), 0);
	return lab;
}

static void lab_free(struct lab *lab)
{
	lab->control->ops->close(lab->control);
	fixture_folder_close(&lab->folder);
	free(lab);
}

static void expect_load(struct lab *lab, const char *program, const char *sentence)
{
	struct dcd_boot_state s = { .booted = 9 };
	struct dcd_diag diag = { 0 };
	put_program(lab, program);
	assert_int_equal(lab->control->ops->load(lab->control, &s, &diag), DCD_ERR_BOOT_STATE);
	assert_non_null(strstr(diag.text, sentence));
	assert_int_equal(s.booted, 9);
}

static void a_program_keeps_what_it_is_told(void **state)
{
	(void)state;
	struct lab *lab = lab_new(KEEPS);
	const struct dcd_boot_state pending = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, false, 3 } } };
	struct dcd_boot_state back;
	assert_int_equal(lab->control->ops->load(lab->control, &back, NULL), 0);
	assert_int_equal(back.order[0], 0);
	assert_int_equal(lab->control->ops->store(lab->control, &pending, NULL), 0);
	assert_int_equal(lab->control->ops->load(lab->control, &back, NULL), 0);
	assert_true(fixture_same_state(&back, &pending));
	lab_free(lab);
}

static void a_program_that_fails_is_quoted(void **state)
{
	(void)state;
	struct lab *lab = lab_new(KEEPS);
	expect_load(lab, "#!/bin/sh\necho the fuse is blown >&2\nexit 7\n", "ended with 7: the fuse is blown");
	expect_load(lab, "#!/bin/sh\nexit 7\n", "ended with 7: it said nothing");
	expect_load(lab, "#!/bin/sh\nkill -9 $$\n", "signal 9");
	expect_load(lab, "#!/nothing\n", "can't be started");
	expect_load(lab, "#!/bin/sh\necho hello\n", "no boot state");
	expect_load(lab, "#!/bin/sh\nwhile echo yes; do :; done\n", "more than 1024 bytes");
	lab_free(lab);
}

static void a_program_that_does_not_end_is_killed_with_its_children(void **state)
{
	(void)state;
	struct lab *lab = lab_new(KEEPS);
	time_t began = time(NULL);
	expect_load(lab, "#!/bin/sh\nsleep 61 & sleep 61\n", "had not ended after 1 s");
	assert_true(time(NULL) - began < 20);
	/* Outputs that are closed early, or held open by what was left in the background, don't matter. */
	expect_load(lab, "#!/bin/sh\nexec >&- 2>&-\nsleep 61\n", "had not ended after 1 s");
	put_program(lab, KEEPS "[ $1 = get ] && sleep 3 &\n");
	struct dcd_boot_state back;
	began = time(NULL);
	assert_int_equal(lab->control->ops->load(lab->control, &back, NULL), 0);
	assert_true(time(NULL) - began < 3);
	lab_free(lab);
}

static void a_store_that_is_only_said_to_be_done_is_told(void **state)
{
	(void)state;
	struct lab *lab = lab_new(KEEPS);
	const struct dcd_boot_state pending = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, false, 3 } } };
	put_program(lab, "#!/bin/sh\ncd \"$(dirname \"$0\")\"\n[ $1 = get ] && { echo decade-boot 1; echo booted A; cat state; } "
			 "|| true\n");
	assert_int_equal(lab->control->ops->store(lab->control, &pending, NULL), DCD_ERR_READ_BACK);
	put_program(lab,
		    "#!/bin/sh\ncd \"$(dirname \"$0\")\"\n[ $1 = get ] && { echo decade-boot 1; echo booted A; cat state; }\n");
	assert_int_equal(lab->control->ops->store(lab->control, &pending, NULL), DCD_ERR_IO);
	/* An unknown state is not overwritten. */
	(void)fixture_put_text(&lab->folder, "state", "damaged\n");
	put_program(lab, KEEPS);
	assert_int_equal(lab->control->ops->store(lab->control, &pending, NULL), DCD_ERR_BOOT_STATE);
	char text[64];
	assert_int_equal(fixture_get(&lab->folder, "state", text, sizeof text), 8);
	lab_free(lab);
}

static void a_loader_without_a_program_is_a_mistake_in_the_configuration(void **state)
{
	(void)state;
	const struct dcd_boot_options options = { .bootname = { "A", "B" } };
	struct dcd_boot_control *control = NULL;
	assert_int_equal(dcd_boot_exec_open(&options, &control, NULL), DCD_ERR_CONFIG);
	assert_null(control);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_keeps_what_it_is_told),
		cmocka_unit_test(a_program_that_fails_is_quoted),
		cmocka_unit_test(a_program_that_does_not_end_is_killed_with_its_children),
		cmocka_unit_test(a_store_that_is_only_said_to_be_done_is_told),
		cmocka_unit_test(a_loader_without_a_program_is_a_mistake_in_the_configuration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
