#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/boot_fixture.h"
#include "updater/boot/boot_uboot.h"
#include "updater/boot/crc32.h"

#define COPY 512U
#define HEADER 5U
#define FOREIGN "bootcmd=run decade\0bootdelay=-2\0odd= a=b \0"
#define OURS "BOOT_ORDER=A B\0BOOT_A_GOOD=1\0BOOT_B_LEFT=2\0BOOT_B_GOOD=1\0"

static const struct dcd_boot_state in_env = { .order = { 0, 1 }, .slot = { { true, true, 0 }, { true, true, 2 } }, .booted = 0 };
static const struct dcd_boot_state pending = { .order = { 1, 0 },
					       .slot = { { true, true, 0 }, { true, false, 3 } },
					       .booted = 0 };

struct lab {
	struct fixture_folder folder;
	struct fixture_block witness;
	struct dcd_boot_media media;
	struct dcd_boot_control *control;
	uint8_t env[2 * COPY];
};

/* One copy as U-Boot writes it. */
static void make_copy(uint8_t *copy, uint8_t flag, const char *data, size_t len)
{
	memset(copy, 0, COPY);
	memcpy(copy + HEADER, data, len);
	uint32_t crc = dcd_crc32(copy + HEADER, COPY - HEADER);
	memcpy(copy, &crc, sizeof crc); /* in the machine's order, as the board's */
	copy[4] = flag;
}

static void put_env(struct lab *lab)
{
	(void)fixture_put(&lab->folder, "env", lab->env, sizeof lab->env);
}

static void get_env(struct lab *lab)
{
	assert_int_equal(fixture_get(&lab->folder, "env", lab->env, sizeof lab->env), sizeof lab->env);
}

static struct lab *lab_new(uint8_t flag_0, uint8_t flag_1)
{
	struct lab *lab = calloc(1, sizeof *lab);
	char config[400];
	assert_non_null(lab);
	fixture_folder_open(&lab->folder);
	const char *env = fixture_path(&lab->folder, "env");
	(void)snprintf(config, sizeof config, "# two copies\n%s 0x0 0x%x\n%s 0x%x 0x%x\n", env, COPY, env, COPY, COPY);
	make_copy(lab->env, flag_0, FOREIGN OURS, sizeof FOREIGN OURS);
	make_copy(lab->env + COPY, flag_1, "BOOT_ORDER=B\0", sizeof "BOOT_ORDER=B\0");
	put_env(lab);
	lab->media = (struct dcd_boot_media){ .open_block = fixture_open_block, .context = &lab->witness };
	const struct dcd_boot_options options = {
		.bootname = { "A", "B" },
		.media = &lab->media,
		.cmdline = fixture_put_text(&lab->folder, "cmdline", "decade.slot=A\n"),
		.uboot_config = fixture_put_text(&lab->folder, "fw_env.config", config),
	};
	assert_int_equal(dcd_boot_open("uboot", &options, &lab->control, NULL), 0);
	return lab;
}

static void lab_free(struct lab *lab)
{
	assert_int_equal(lab->witness.opened, 0);
	lab->control->ops->close(lab->control);
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

static bool holds(const uint8_t *copy, const char *text)
{
	return memmem(copy, COPY, text, strlen(text) + 1) != NULL;
}

static void a_store_writes_the_copy_that_is_not_current(void **state)
{
	(void)state;
	struct lab *lab = lab_new(7, 6);
	struct dcd_boot_state s;
	uint8_t before[COPY];
	memcpy(before, lab->env, COPY);
	assert_int_equal(load(lab, &s), 0);
	assert_true(fixture_same_state(&s, &in_env));
	assert_int_equal(store(lab, &pending), 0);
	get_env(lab);
	assert_memory_equal(lab->env, before, COPY);
	assert_int_equal(lab->env[COPY + 4], 8);
	assert_true(holds(lab->env + COPY, "BOOT_ORDER=B A"));
	assert_int_equal(load(lab, &s), 0);
	assert_true(fixture_same_state(&s, &pending));
	lab_free(lab);
}

static void variables_that_are_not_ours_survive(void **state)
{
	(void)state;
	struct lab *lab = lab_new(1, 0);
	assert_int_equal(store(lab, &pending), 0);
	assert_int_equal(store(lab, &in_env), 0);
	get_env(lab);
	for (size_t copy = 0; copy < 2; copy++) {
		assert_true(holds(lab->env + copy * COPY, "bootcmd=run decade"));
		assert_true(holds(lab->env + copy * COPY, "bootdelay=-2"));
		assert_true(holds(lab->env + copy * COPY, "odd= a=b "));
	}
	lab_free(lab);
}

static void the_flag_goes_on_from_255_to_0(void **state)
{
	(void)state;
	struct lab *lab = lab_new(255, 254);
	struct dcd_boot_state s;
	assert_int_equal(store(lab, &pending), 0);
	get_env(lab);
	assert_int_equal(lab->env[COPY + 4], 0);
	assert_int_equal(load(lab, &s), 0);
	assert_true(fixture_same_state(&s, &pending));
	lab_free(lab);
}

static void a_store_that_is_cut_at_any_byte_leaves_the_old_state_or_the_new(void **state)
{
	(void)state;
	struct lab *lab = lab_new(1, 0);
	uint8_t old[2 * COPY], new[2 * COPY];
	memcpy(old, lab->env, sizeof old);
	assert_int_equal(store(lab, &pending), 0);
	get_env(lab);
	memcpy(new, lab->env, sizeof new);
	for (size_t cut = 0; cut <= sizeof old; cut += 3) {
		struct dcd_boot_state s;
		memcpy(lab->env, new, cut);
		memcpy(lab->env + cut, old + cut, sizeof old - cut);
		put_env(lab);
		assert_int_equal(load(lab, &s), 0);
		assert_true(fixture_same_state(&s, &in_env) || fixture_same_state(&s, &pending));
	}
	lab_free(lab);
}

static void a_copy_that_is_damaged_leaves_the_other_and_two_leave_nothing(void **state)
{
	(void)state;
	struct lab *lab = lab_new(7, 6);
	struct dcd_boot_state s;
	struct dcd_diag diag;
	uint8_t before[2 * COPY];
	lab->env[9] ^= 1;
	put_env(lab);
	assert_int_equal(load(lab, &s), 0);
	assert_int_equal(s.order[0], 1);
	lab->env[COPY + 9] ^= 1;
	put_env(lab);
	memcpy(before, lab->env, sizeof before);
	assert_int_equal(lab->control->ops->load(lab->control, &s, &diag), DCD_ERR_BOOT_STATE);
	assert_non_null(strstr(diag.text, "both copies"));
	assert_int_equal(store(lab, &pending), DCD_ERR_BOOT_STATE);
	get_env(lab);
	assert_memory_equal(lab->env, before, sizeof before);
	lab_free(lab);
}

static void an_environment_without_our_variables_is_not_filled_in(void **state)
{
	(void)state;
	struct lab *lab = lab_new(7, 6);
	struct dcd_boot_state s;
	uint8_t before[2 * COPY];
	make_copy(lab->env, 7, FOREIGN, sizeof FOREIGN);
	put_env(lab);
	memcpy(before, lab->env, sizeof before);
	assert_int_equal(load(lab, &s), DCD_ERR_BOOT_STATE);
	assert_int_equal(store(lab, &pending), DCD_ERR_BOOT_STATE);
	get_env(lab);
	assert_memory_equal(lab->env, before, sizeof before);
	lab_free(lab);
}

static void one_copy_alone_is_refused(void **state)
{
	(void)state;
	struct lab *lab = lab_new(1, 0);
	struct dcd_boot_state s;
	struct dcd_diag diag;
	char config[200];
	(void)snprintf(config, sizeof config, "%s 0 0x200\n#%s 0x200 0x200\n", fixture_path(&lab->folder, "env"), "x");
	(void)fixture_put_text(&lab->folder, "fw_env.config", config);
	assert_int_equal(lab->control->ops->load(lab->control, &s, &diag), DCD_ERR_CONFIG);
	assert_non_null(strstr(diag.text, "only one copy"));
	(void)fixture_put_text(&lab->folder, "fw_env.config", "/nothing 0 0x200\n/nothing 0x200 0x200\n");
	assert_int_equal(load(lab, &s), DCD_ERR_BOOT_STATE);
	(void)unlink(fixture_path(&lab->folder, "fw_env.config"));
	assert_int_equal(load(lab, &s), DCD_ERR_CONFIG);
	lab_free(lab);
}

static void a_flush_that_fails_is_told_although_the_library_does_not(void **state)
{
	(void)state;
	struct lab *lab = lab_new(1, 0);
	assert_int_equal(store(lab, &pending), 0);
	assert_int_equal(lab->witness.flushes, 1);
	lab->witness.fails_flush = true;
	assert_int_equal(store(lab, &in_env), DCD_ERR_IO);
	lab_free(lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_writes_the_copy_that_is_not_current),
		cmocka_unit_test(variables_that_are_not_ours_survive),
		cmocka_unit_test(the_flag_goes_on_from_255_to_0),
		cmocka_unit_test(a_store_that_is_cut_at_any_byte_leaves_the_old_state_or_the_new),
		cmocka_unit_test(a_copy_that_is_damaged_leaves_the_other_and_two_leave_nothing),
		cmocka_unit_test(an_environment_without_our_variables_is_not_filled_in),
		cmocka_unit_test(one_copy_alone_is_refused),
		cmocka_unit_test(a_flush_that_fails_is_told_although_the_library_does_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
