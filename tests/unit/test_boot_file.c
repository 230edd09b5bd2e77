#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/sim_dir.h"
#include "updater/boot/boot_file.h"
#include "updater/boot/boot_file_format.h"
#include "updater/boot/crc32.h"

static const struct dcd_boot_state factory = { .order = { 0, 1 },
					       .slot = { { true, true, 0 }, { false, false, 0 } },
					       .booted = 0 };
static const struct dcd_boot_state trial = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, false, 3 } }, .booted = 0 };

static struct dcd_boot_control *opened(struct sim_dir *sim)
{
	const struct dcd_boot_options options = { .bootname = { "A", "AB" }, .state_dir = &sim->base };
	struct dcd_boot_control *control = NULL;
	assert_int_equal(dcd_boot_file_open(&options, &control, NULL), 0);
	return control;
}

static bool same(const struct dcd_boot_state *a, const struct dcd_boot_state *b)
{
	return memcmp(a->order, b->order, sizeof a->order) == 0 && memcmp(a->slot, b->slot, sizeof a->slot) == 0 &&
	       a->booted == b->booted;
}

static void load_expecting(struct sim_dir *sim, const struct dcd_boot_state *expected)
{
	struct dcd_boot_control *control = opened(sim);
	struct dcd_boot_state state;
	assert_int_equal(control->ops->load(control, &state, NULL), 0);
	assert_true(same(&state, expected));
	control->ops->close(control);
}

static void store(struct sim_dir *sim, const struct dcd_boot_state *state)
{
	struct dcd_boot_control *control = opened(sim);
	assert_int_equal(control->ops->store(control, state, NULL), 0);
	control->ops->close(control);
}

static void crc32_of_the_check_string_is_the_published_one(void **state)
{
	(void)state;
	assert_int_equal(dcd_crc32("123456789", 9), 0xcbf43926);
	assert_int_equal(dcd_crc32("", 0), 0);
}

static void a_factory_device_boots_slot_a(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	load_expecting(sim, &factory);
	sim->base.ops->close(&sim->base);
}

static void every_valid_state_is_found_again(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	for (unsigned bits = 0; bits < 2U * 64 * 64; bits++) {
		uint8_t first = (uint8_t)(bits & 1);
		struct dcd_boot_state s = { .order = { first, (uint8_t)(1 - first) }, .booted = 0 };
		for (unsigned i = 0; i < DCD_SLOT_COUNT; i++) {
			unsigned part = bits >> (1 + 6 * i);
			s.slot[i] = (struct dcd_boot_slot){ (part & 1) != 0, (part & 2) != 0, (uint8_t)(part >> 2 & 15) };
		}
		const char *const names[DCD_SLOT_COUNT] = { "A", "AB" };
		char text[DCD_BOOT_FILE_MAX];
		size_t len = dcd_boot_file_encode(&s, names, text);
		struct dcd_boot_state back = { .booted = 0 };
		assert_int_equal(dcd_boot_file_decode((const uint8_t *)text, len, names, "x", &back, NULL), 0);
		assert_true(same(&s, &back));
	}
	store(sim, &trial);
	load_expecting(sim, &trial);
	sim->base.ops->close(&sim->base);
}

static void a_store_leaves_booted_alone_and_booting_leaves_the_state_alone(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	struct dcd_boot_state claimed = trial;
	claimed.booted = 1;
	store(sim, &claimed);
	load_expecting(sim, &trial);
	struct dcd_boot_control *control = opened(sim);
	assert_int_equal(dcd_boot_file_set_booted(control, 1, NULL), 0);
	control->ops->close(control);
	load_expecting(sim, &claimed);
	sim->base.ops->close(&sim->base);
}

/* The state after a cut at operation `cut_at` of a store, when the device comes up in the way `loss` says. False: the store got
 * through. */
static bool cut_store(const struct dcd_boot_state *before, int cut_at, enum sim_loss loss)
{
	struct sim_dir *sim = sim_new();
	if (before != &factory) {
		store(sim, before);
	}
	struct dcd_boot_state after = { .order = { 0, 1 }, .slot = { { true, true, 0 }, { true, true, 7 } }, .booted = 0 };
	sim_arm(sim, cut_at, true);
	struct dcd_boot_control *control = opened(sim);
	int err = control->ops->store(control, &after, NULL);
	bool was_cut = sim->dead;
	assert_true(was_cut == (err != 0));
	sim_restart(sim, loss);
	struct dcd_boot_state found;
	assert_int_equal(control->ops->load(control, &found, NULL), 0);
	assert_true(same(&found, &after) || (was_cut && same(&found, before)));
	control->ops->close(control);
	sim->base.ops->close(&sim->base);
	return was_cut;
}

static void a_cut_at_any_operation_leaves_the_old_or_the_new_state(void **state)
{
	(void)state;
	for (int loss = 0; loss < SIM_LOSS_COUNT; loss++) {
		int cut_at = 0;
		while (cut_store(&trial, cut_at, (enum sim_loss)loss)) {
			cut_at++;
		}
		assert_int_equal(cut_at, 5); /* one dcd_dir_replace */
		cut_at = 0;
		while (cut_store(&factory, cut_at, (enum sim_loss)loss)) {
			cut_at++;
		}
		assert_int_equal(cut_at, 10); /* and the factory's slot written down before */
	}
}

static void a_failed_operation_is_reported_and_changes_nothing_before_the_rename(void **state)
{
	(void)state;
	for (int fail_at = 0; fail_at < 4; fail_at++) {
		struct sim_dir *sim = sim_new();
		store(sim, &trial);
		sim_arm(sim, fail_at, false);
		struct dcd_boot_control *control = opened(sim);
		struct dcd_diag diag = { 0 };
		assert_int_equal(control->ops->store(control, &factory, &diag), fail_at == 0 ? DCD_ERR_NO_SPACE : DCD_ERR_IO);
		assert_non_null(strstr(diag.text, "boot-state"));
		control->ops->close(control);
		load_expecting(sim, fail_at < 3 ? &trial : &factory);
		sim->base.ops->close(&sim->base);
	}
}

static void every_flipped_byte_and_every_length_is_noticed(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	store(sim, &trial);
	struct dcd_boot_control *control = opened(sim);
	struct dcd_boot_state found;
	struct sim_bytes *file = sim_file(sim, "boot-state");
	for (size_t i = 0; i < file->len; i++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			file->data[i] ^= (uint8_t)flip;
			assert_int_equal(control->ops->load(control, &found, NULL), DCD_ERR_BOOT_STATE);
			file->data[i] ^= (uint8_t)flip;
		}
	}
	size_t whole = file->len;
	for (file->len = 1; file->len < whole; file->len++) {
		assert_int_equal(control->ops->load(control, &found, NULL), DCD_ERR_BOOT_STATE);
	}
	/* Empty is what a first store that was cut leaves; without a word on which slot runs it is slot 0, as in the factory. */
	file->len = 0;
	assert_int_equal(control->ops->load(control, &found, NULL), 0);
	assert_true(same(&found, &factory));
	file->len = whole;
	assert_int_equal(control->ops->load(control, &found, NULL), 0);
	control->ops->close(control);
	sim->base.ops->close(&sim->base);
}

/* A text with a right checksum that must be refused all the same. */
static void refuse_text(const char *body)
{
	char text[1024];
	(void)snprintf(text, sizeof text, "%scrc32 %08x\n", body, (unsigned)dcd_crc32(body, strlen(body)));
	struct sim_dir *sim = sim_new();
	sim_put(sim, "boot-state", text, strlen(text));
	sim_put(sim, "booted", "A\n", 2);
	struct dcd_boot_control *control = opened(sim);
	struct dcd_boot_state found;
	struct dcd_diag diag = { 0 };
	assert_int_equal(control->ops->load(control, &found, &diag), DCD_ERR_BOOT_STATE);
	assert_non_null(strstr(diag.text, "boot-state"));
	control->ops->close(control);
	sim->base.ops->close(&sim->base);
}

static void what_no_store_writes_is_refused(void **state)
{
	(void)state;
#define LINES "slot A bootable=1 good=1 tries=0\nslot AB bootable=1 good=0 tries=3\n"
	refuse_text("");
	refuse_text("decade-boot-state 2\norder A AB\n" LINES);
	refuse_text("decade-boot-state 1\norder A A\n" LINES);
	refuse_text("decade-boot-state 1\norder A C\n" LINES);
	refuse_text("decade-boot-state 1\norder A AB\n" LINES "\n");
	refuse_text("decade-boot-state 1\norder A AB\n" LINES LINES);
	refuse_text("decade-boot-state 1\norder A AB\nslot AB bootable=1 good=1 tries=0\nslot A bootable=1 good=0 tries=3\n");
	refuse_text("decade-boot-state 1\norder A AB\nslot A bootable=2 good=1 tries=0\nslot AB bootable=1 good=0 tries=3\n");
	refuse_text("decade-boot-state 1\norder A AB\nslot A bootable=1 good=1 tries=00\nslot AB bootable=1 good=0 tries=3\n");
	refuse_text("decade-boot-state 1\norder A AB\nslot A bootable=1 good=1 tries=16\nslot AB bootable=1 good=0 tries=3\n");
	refuse_text("decade-boot-state 1\norder A AB\nslot A bootable=1 good=1 tries=\nslot AB bootable=1 good=0 tries=3\n");
#undef LINES
}

static void an_unknown_or_missing_running_slot_is_not_guessed(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	struct dcd_boot_control *control = opened(sim);
	struct dcd_boot_state found;
	sim_put(sim, "booted", "C\n", 2);
	assert_int_equal(control->ops->load(control, &found, NULL), DCD_ERR_BOOT_STATE);
	sim_put(sim, "booted", "A", 1);
	assert_int_equal(control->ops->load(control, &found, NULL), DCD_ERR_BOOT_STATE);
	sim_put(sim, "booted", "AB\n", 3);
	assert_int_equal(control->ops->load(control, &found, NULL), DCD_ERR_BOOT_STATE); /* boot-state was lost */
	assert_int_equal(control->ops->store(control, &trial, NULL), 0);
	assert_int_equal(control->ops->load(control, &found, NULL), 0);
	assert_int_equal(found.booted, 1);
	assert_int_equal(sim_remove(&sim->base, "booted"), 0);
	assert_int_equal(control->ops->load(control, &found, NULL), DCD_ERR_BOOT_STATE);
	assert_int_equal(control->ops->store(control, &trial, NULL), DCD_ERR_BOOT_STATE);
	control->ops->close(control);
	sim->base.ops->close(&sim->base);
}

static void a_state_that_makes_no_sense_is_not_stored(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	struct dcd_boot_control *control = opened(sim);
	struct dcd_boot_state bad = trial;
	bad.order[1] = 1;
	assert_int_equal(control->ops->store(control, &bad, NULL), DCD_ERR_USAGE);
	bad = trial;
	bad.slot[1].tries_left = DCD_TRIES_MAX + 1;
	assert_int_equal(control->ops->store(control, &bad, NULL), DCD_ERR_USAGE);
	control->ops->close(control);
	load_expecting(sim, &factory);
	sim->base.ops->close(&sim->base);
}

static void a_file_that_is_too_long_is_no_boot_state(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	struct dcd_boot_control *control = opened(sim);
	struct dcd_boot_state found, untouched;
	char text[DCD_BOOT_FILE_MAX + 1];
	struct dcd_diag diag = { 0 };
	memset(text, 'A', sizeof text);
	memset(&found, 0x5A, sizeof found);
	memset(&untouched, 0x5A, sizeof untouched);
	sim_put(sim, "boot-state", text, sizeof text);
	assert_int_equal(control->ops->load(control, &found, &diag), DCD_ERR_BOOT_STATE);
	assert_non_null(strstr(diag.text, "boot-state is larger than a boot state can be"));
	assert_memory_equal(&found, &untouched, sizeof found);
	sim_put(sim, "booted", text, sizeof text);
	assert_int_equal(control->ops->store(control, &trial, &diag), DCD_ERR_BOOT_STATE);
	assert_non_null(strstr(diag.text, "booted is larger than a boot state can be"));
	assert_int_equal(sim_file(sim, "boot-state")->len, sizeof text);
	control->ops->close(control);
	sim->base.ops->close(&sim->base);
}

static void names_that_a_loader_can_not_tell_apart_are_refused(void **state)
{
	(void)state;
	static const char *const refused[][DCD_SLOT_COUNT] = { { "A", "A" }, { "", "B" }, { "A", NULL }, { "A", "B\n" } };
	struct sim_dir *sim = sim_new();
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		const struct dcd_boot_options options = { .bootname = { refused[i][0], refused[i][1] }, .state_dir = &sim->base };
		struct dcd_boot_control *control = NULL;
		struct dcd_diag diag = { 0 };
		assert_int_equal(dcd_boot_file_open(&options, &control, &diag), DCD_ERR_CONFIG);
		assert_null(control);
		assert_true(diag.text[0] != '\0');
	}
	sim->base.ops->close(&sim->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32_of_the_check_string_is_the_published_one),
		cmocka_unit_test(a_factory_device_boots_slot_a),
		cmocka_unit_test(every_valid_state_is_found_again),
		cmocka_unit_test(a_store_leaves_booted_alone_and_booting_leaves_the_state_alone),
		cmocka_unit_test(a_cut_at_any_operation_leaves_the_old_or_the_new_state),
		cmocka_unit_test(a_failed_operation_is_reported_and_changes_nothing_before_the_rename),
		cmocka_unit_test(every_flipped_byte_and_every_length_is_noticed),
		cmocka_unit_test(what_no_store_writes_is_refused),
		cmocka_unit_test(an_unknown_or_missing_running_slot_is_not_guessed),
		cmocka_unit_test(a_state_that_makes_no_sense_is_not_stored),
		cmocka_unit_test(a_file_that_is_too_long_is_no_boot_state),
		cmocka_unit_test(names_that_a_loader_can_not_tell_apart_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
