#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/boot_fixture.h"
#include "tests/unit/sim_dir.h"
#include "updater/boot/boot_systemd.h"

#define TEXT_A "title one\nlinux /A/linux\noptions decade.slot=A quiet\n"
#define TEXT_B "title two\nlinux /B/linux\noptions decade.slot=B quiet\n"

static const struct dcd_boot_state confirmed = { .order = { 0, 1 }, .slot = { { true, true, 0 }, { true, true, 0 } } };
static const struct dcd_boot_state writing = { .order = { 0, 1 }, .slot = { { true, true, 0 }, { false, false, 0 } } };
static const struct dcd_boot_state pending = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, false, 3 } } };
static const struct dcd_boot_state withdrawn = { .order = { 0, 1 }, .slot = { { true, true, 0 }, { true, false, 3 } } };
static const struct dcd_boot_state moved = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, true, 0 } } };
static const struct dcd_boot_state left = { .order = { 0, 1 }, .slot = { { true, false, 2 }, { true, true, 0 } } };

struct lab {
	struct fixture_folder folder;
	struct sim_dir *sim;
	struct dcd_boot_media media;
	struct dcd_boot_control *control;
};

static void keep_open(struct dcd_dir *dir)
{
	(void)dir;
}

static int list(struct dcd_dir *dir, void (*each)(void *context, const char *name), void *context)
{
	struct sim_dir *sim = sim_of(dir);
	for (int i = 0; i < SIM_NAMES; i++) {
		if (sim->now[i].inode >= 0) {
			each(context, sim->now[i].name);
		}
	}
	return 0;
}

static int open_dir(void *context, const char *path, struct dcd_dir **ret, struct dcd_diag *diag)
{
	static struct dcd_dir_ops ops;
	struct lab *lab = context;
	(void)path;
	(void)diag;
	ops = sim_ops;
	ops.close = keep_open;
	ops.list = list;
	lab->sim->base.ops = &ops;
	*ret = &lab->sim->base;
	return 0;
}

static void put_text(struct lab *lab, const char *name, const char *text)
{
	sim_put(lab->sim, name, text, strlen(text));
}

static struct lab *lab_new(void)
{
	struct lab *lab = calloc(1, sizeof *lab);
	assert_non_null(lab);
	fixture_folder_open(&lab->folder);
	lab->sim = sim_new();
	put_text(lab, "decade-A.entry", TEXT_A);
	put_text(lab, "decade-B.entry", TEXT_B);
	put_text(lab, "decade-2-A.conf", TEXT_A);
	put_text(lab, "decade-1-B.conf", TEXT_B);
	put_text(lab, "windows.conf", "title somebody else\n");
	lab->media = (struct dcd_boot_media){ .open_dir = open_dir, .context = lab };
	const struct dcd_boot_options options = {
		.bootname = { "A", "B" },
		.media = &lab->media,
		.cmdline = fixture_put_text(&lab->folder, "cmdline", "decade.slot=A\n"),
	};
	assert_int_equal(dcd_boot_open("systemd-boot", &options, &lab->control, NULL), 0);
	return lab;
}

static void lab_free(struct lab *lab)
{
	lab->control->ops->close(lab->control);
	sim_close(&lab->sim->base);
	fixture_folder_close(&lab->folder);
	free(lab);
}

static int load(struct lab *lab, struct dcd_boot_state *ret)
{
	return lab->control->ops->load(lab->control, ret, NULL);
}

static int store(struct lab *lab, const struct dcd_boot_state *s)
{
	return lab->control->ops->store(lab->control, s, NULL);
}

static void expect_state(struct lab *lab, const struct dcd_boot_state *expected)
{
	struct dcd_boot_state s;
	assert_int_equal(load(lab, &s), 0);
	assert_true(fixture_same_state(&s, expected));
}

static int file_count(struct lab *lab)
{
	int count = 0;
	for (int i = 0; i < SIM_NAMES; i++) {
		count += lab->sim->now[i].inode >= 0;
	}
	return count;
}

static void a_life_is_a_life_of_names(void **state)
{
	(void)state;
	struct lab *lab = lab_new();
	expect_state(lab, &confirmed);
	assert_int_equal(store(lab, &writing), 0);
	assert_null(sim_file(lab->sim, "decade-1-B.conf"));
	expect_state(lab, &writing);
	assert_int_equal(store(lab, &pending), 0);
	assert_non_null(sim_file(lab->sim, "decade-3-B+3.conf"));
	expect_state(lab, &pending);
	assert_int_equal(store(lab, &withdrawn), 0);
	assert_non_null(sim_file(lab->sim, "decade-1-B+3.conf"));
	expect_state(lab, &withdrawn);
	assert_int_equal(store(lab, &pending), 0);
	/* As the loader counts. */
	put_text(lab, "decade-3-B+2-1.conf", TEXT_B);
	assert_int_equal(sim_remove(&lab->sim->base, "decade-3-B+3.conf"), 0);
	assert_int_equal(store(lab, &moved), 0);
	assert_non_null(sim_file(lab->sim, "decade-3-B.conf"));
	expect_state(lab, &moved);
	assert_int_equal(store(lab, &left), 0);
	assert_non_null(sim_file(lab->sim, "decade-4-A+2.conf"));
	expect_state(lab, &left);
	assert_int_equal(file_count(lab), 5);
	assert_non_null(sim_file(lab->sim, "windows.conf"));
	assert_memory_equal(sim_file(lab->sim, "decade-4-A+2.conf")->data, TEXT_A, sizeof TEXT_A - 1);
	lab_free(lab);
}

static void a_store_that_changes_nothing_touches_nothing(void **state)
{
	(void)state;
	struct lab *lab = lab_new();
	sim_arm(lab->sim, -1, false);
	assert_int_equal(store(lab, &confirmed), 0);
	assert_int_equal(lab->sim->operations, 0);
	lab_free(lab);
}

/* Each of the changes that a life has, cut at each operation, in each way. */
static void a_store_that_is_cut_leaves_the_old_state_or_the_new(void **state)
{
	(void)state;
	static const struct dcd_boot_state *const changes[][2] = {
		{ &confirmed, &writing }, { &writing, &pending }, { &pending, &withdrawn }, { &pending, &moved },
		{ &pending, &writing },   { &moved, &left },      { &left, &moved },        { &withdrawn, &pending },
	};
	for (size_t c = 0; c < sizeof changes / sizeof changes[0]; c++) {
		for (int loss = 0; loss < SIM_LOSS_COUNT; loss++) {
			for (int at = 0;; at++) {
				struct lab *lab = lab_new();
				struct dcd_boot_state s;
				assert_int_equal(store(lab, changes[c][0]), 0);
				sim_arm(lab->sim, at, true);
				int err = store(lab, changes[c][1]);
				sim_restart(lab->sim, (enum sim_loss)loss);
				assert_int_equal(load(lab, &s), 0);
				bool is_new = fixture_same_state(&s, changes[c][1]);
				assert_true(is_new || (err != 0 && fixture_same_state(&s, changes[c][0])));
				/* And again to the end. */
				assert_int_equal(store(lab, changes[c][1]), 0);
				expect_state(lab, changes[c][1]);
				lab_free(lab);
				if (err == 0) {
					break;
				}
			}
		}
	}
}

static void entries_that_can_not_be_trusted_are_an_unknown_state(void **state)
{
	(void)state;
	static const char *const bad[][2] = {
		{ "decade-1-B.conf", TEXT_A }, /* passes the other slot */
		{ "decade-1-C.conf", TEXT_B }, /* no slot of ours */
		{ "decade-B.entry", "" },      /* nothing to make an entry of */
		{ "decade-B.entry", TEXT_A },  { "decade-1-B+99.conf", TEXT_B },
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct lab *lab = lab_new();
		struct dcd_boot_state s;
		put_text(lab, bad[i][0], bad[i][1]);
		sim_arm(lab->sim, -1, false);
		assert_int_equal(load(lab, &s), DCD_ERR_BOOT_STATE);
		assert_int_equal(store(lab, &pending), DCD_ERR_BOOT_STATE);
		assert_int_equal(lab->sim->operations, 0);
		lab_free(lab);
	}
	struct lab *lab = lab_new();
	struct dcd_boot_state s;
	assert_int_equal(sim_remove(&lab->sim->base, "decade-2-A.conf"), 0);
	assert_int_equal(sim_remove(&lab->sim->base, "decade-1-B.conf"), 0);
	assert_int_equal(load(lab, &s), DCD_ERR_BOOT_STATE);
	lab_free(lab);
}

static void an_entry_that_a_cut_has_emptied_does_not_count_and_is_cleared_away(void **state)
{
	(void)state;
	struct lab *lab = lab_new();
	put_text(lab, "decade-9-B+3.conf", "");
	expect_state(lab, &confirmed);
	assert_int_equal(store(lab, &writing), 0);
	assert_null(sim_file(lab->sim, "decade-9-B+3.conf"));
	lab_free(lab);
}

static void an_empty_entry_is_not_kept_in_place_of_one_that_boots(void **state)
{
	(void)state;
	static const struct dcd_boot_state counted = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, false, 2 } } };
	struct lab *lab = lab_new();
	assert_int_equal(sim_remove(&lab->sim->base, "decade-1-B.conf"), 0);
	put_text(lab, "decade-3-B+2.conf", "");
	put_text(lab, "decade-3-B+2-1.conf", TEXT_B);
	expect_state(lab, &counted);
	assert_int_equal(store(lab, &counted), 0);
	assert_null(sim_file(lab->sim, "decade-3-B+2.conf"));
	expect_state(lab, &counted);
	lab_free(lab);
}

static void bootnames_that_fat_can_not_keep_apart_are_refused(void **state)
{
	(void)state;
	const struct dcd_boot_options options = { .bootname = { "a", "A" } };
	struct dcd_boot_control *control = NULL;
	assert_int_equal(dcd_boot_systemd_open(&options, &control, NULL), DCD_ERR_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_life_is_a_life_of_names),
		cmocka_unit_test(a_store_that_changes_nothing_touches_nothing),
		cmocka_unit_test(a_store_that_is_cut_leaves_the_old_state_or_the_new),
		cmocka_unit_test(entries_that_can_not_be_trusted_are_an_unknown_state),
		cmocka_unit_test(an_entry_that_a_cut_has_emptied_does_not_count_and_is_cleared_away),
		cmocka_unit_test(an_empty_entry_is_not_kept_in_place_of_one_that_boots),
		cmocka_unit_test(bootnames_that_fat_can_not_keep_apart_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
