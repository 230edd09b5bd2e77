#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/sim_dir.h"
#include "updater/journal/journal_file.h"

static struct dcd_journal *opened(struct sim_dir *sim)
{
	struct dcd_journal *journal = NULL;
	assert_int_equal(dcd_journal_file_open(&sim->base, &journal, NULL), 0);
	return journal;
}

/* A state that can be told from others by its floor. */
static int store_floor(struct sim_dir *sim, uint64_t floor)
{
	static struct dcd_device_state state;
	state.security_floor = floor;
	state.slot[1].content = DCD_CONTENT_WRITING;
	struct dcd_journal *journal = opened(sim);
	int err = journal->ops->store(journal, &state, NULL);
	journal->ops->close(journal);
	return err;
}

/* The floor that a freshly started program reads, or a negative error. */
static int64_t load_floor(struct sim_dir *sim)
{
	static struct dcd_device_state state;
	struct dcd_journal *journal = opened(sim);
	struct dcd_diag diag = { 0 };
	int err = journal->ops->load(journal, &state, &diag);
	journal->ops->close(journal);
	assert_true(err == 0 || diag.text[0] != '\0');
	return err == 0 ? (int64_t)state.security_floor : err;
}

static void an_empty_copy_is_none_only_where_there_never_was_another(void **state)
{
	(void)state;
	static const struct {
		const char *copy[2]; /* null: there is none */
		int err;
	} cases[] = {
		{ { NULL, "" }, 0 },
		{ { "", NULL }, 0 },
		{ { "", "" }, DCD_ERR_JOURNAL },
		{ { "", "damaged" }, DCD_ERR_JOURNAL },
		{ { NULL, "damaged" }, DCD_ERR_JOURNAL },
	};
	static const char *const names[] = { "journal.0", "journal.1" };
	static struct dcd_device_state s;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sim_dir *sim = sim_new();
		for (int copy = 0; copy < 2; copy++) {
			if (cases[i].copy[copy] != NULL) {
				sim_put(sim, names[copy], cases[i].copy[copy], strlen(cases[i].copy[copy]));
			}
		}
		struct dcd_journal *journal = opened(sim);
		assert_int_equal(journal->ops->load(journal, &s, NULL), cases[i].err);
		journal->ops->close(journal);
		sim->base.ops->close(&sim->base);
	}
}

static void no_journal_yet_is_an_empty_state(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	struct dcd_journal *journal = opened(sim);
	static struct dcd_device_state found, zero;
	memset(&found, 0xff, sizeof found);
	assert_int_equal(journal->ops->load(journal, &found, NULL), 0);
	assert_memory_equal(&found, &zero, sizeof zero);
	journal->ops->close(journal);
	sim->base.ops->close(&sim->base);
}

static void the_last_stored_state_is_found_by_the_next_run(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	for (uint64_t floor = 1; floor < 12; floor++) {
		assert_int_equal(store_floor(sim, floor), 0);
		assert_int_equal(load_floor(sim), floor);
	}
	sim->base.ops->close(&sim->base);
}

/* False when the store got through. */
static bool cut_store(uint64_t before, int cut_at, enum sim_loss loss)
{
	struct sim_dir *sim = sim_new();
	for (uint64_t floor = 1; floor <= before; floor++) {
		assert_int_equal(store_floor(sim, floor), 0);
	}
	sim_arm(sim, cut_at, true);
	int err = store_floor(sim, before + 1);
	bool was_cut = sim->dead;
	assert_true(was_cut == (err != 0));
	sim_restart(sim, loss);
	int64_t found = load_floor(sim);
	assert_true(found == (int64_t)before + 1 || (was_cut && found == (int64_t)before));
	/* And life goes on from there: a second cut on the way would find the same promise kept. */
	assert_int_equal(store_floor(sim, before + 2), 0);
	assert_int_equal(load_floor(sim), before + 2);
	sim->base.ops->close(&sim->base);
	return was_cut;
}

static void a_cut_at_any_operation_leaves_the_old_or_the_new_state(void **state)
{
	(void)state;
	for (int loss = 0; loss < SIM_LOSS_COUNT; loss++) {
		for (uint64_t before = 0; before < 3; before++) {
			int cut_at = 0;
			while (cut_store(before, cut_at, (enum sim_loss)loss)) {
				cut_at++;
			}
			assert_int_equal(cut_at, 10); /* two dcd_dir_replace */
		}
	}
}

static void several_stores_of_one_run_never_share_a_number(void **state)
{
	(void)state;
	static struct dcd_device_state s;
	for (int cut_at = 0; cut_at < 10; cut_at++) {
		for (int loss = 0; loss < SIM_LOSS_COUNT; loss++) {
			struct sim_dir *sim = sim_new();
			struct dcd_journal *journal = opened(sim);
			for (s.security_floor = 1; s.security_floor < 4; s.security_floor++) {
				assert_int_equal(journal->ops->store(journal, &s, NULL), 0);
			}
			sim_arm(sim, cut_at, true);
			assert_true(journal->ops->store(journal, &s, NULL) < 0);
			journal->ops->close(journal);
			sim_restart(sim, (enum sim_loss)loss);
			/* From the sixth operation on the first copy is durable: the new state, whichever copy it is in. */
			int64_t found = load_floor(sim);
			assert_true(cut_at >= 5 ? found == 4 : found == 3 || found == 4);
			sim->base.ops->close(&sim->base);
		}
	}
}

static void a_failed_operation_leaves_the_old_or_the_new_state_and_a_later_store_wins(void **state)
{
	(void)state;
	for (int fail_at = 0; fail_at < 10; fail_at++) {
		struct sim_dir *sim = sim_new();
		assert_int_equal(store_floor(sim, 1), 0);
		static struct dcd_device_state s;
		struct dcd_journal *journal = opened(sim);
		sim_arm(sim, fail_at, false);
		s.security_floor = 2;
		assert_true(journal->ops->store(journal, &s, NULL) < 0);
		int64_t found = load_floor(sim);
		assert_true(found == 1 || found == 2);
		/* Same run: the number of the failed attempt must not come a second time with another content. */
		s.security_floor = 3;
		assert_int_equal(journal->ops->store(journal, &s, NULL), 0);
		assert_int_equal(load_floor(sim), 3);
		journal->ops->close(journal);
		sim->base.ops->close(&sim->base);
	}
}

static void any_flipped_byte_in_one_copy_is_survived(void **state)
{
	(void)state;
	static const char *const names[] = { "journal.0", "journal.1" };
	struct sim_dir *sim = sim_new();
	assert_int_equal(store_floor(sim, 1), 0);
	assert_int_equal(store_floor(sim, 2), 0);
	for (size_t copy = 0; copy < 2; copy++) {
		struct sim_bytes *file = sim_file(sim, names[copy]);
		assert_non_null(file);
		for (size_t i = 0; i < file->len; i++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				file->data[i] ^= (uint8_t)(1U << bit);
				assert_int_equal(load_floor(sim), 2);
				file->data[i] ^= (uint8_t)(1U << bit);
			}
		}
	}
	sim->base.ops->close(&sim->base);
}

/* Bit rot in the newer copy's only neighbour: the sequence is under the hash, so that an old copy can't pass for a new one. */
static void any_flipped_byte_of_an_older_copy_does_not_make_it_win(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	assert_int_equal(store_floor(sim, 5), 0);
	sim_arm(sim, 5, true); /* the first copy is in, the second isn't */
	assert_true(store_floor(sim, 6) < 0);
	sim_restart(sim, SIM_LOST);
	assert_int_equal(load_floor(sim), 6);
	for (size_t copy = 0; copy < 2; copy++) {
		struct sim_bytes *file = sim_file(sim, copy == 0 ? "journal.0" : "journal.1");
		for (size_t i = 0; i < file->len; i++) {
			file->data[i] ^= 0x02;
			int64_t found = load_floor(sim);
			assert_true(found == 5 || found == 6);
			file->data[i] ^= 0x02;
		}
	}
	struct sim_bytes *older = sim_file(sim, "journal.0");
	for (size_t i = 0; i < older->len; i++) {
		older->data[i] ^= 0x02;
		assert_int_equal(load_floor(sim), 6);
		older->data[i] ^= 0x02;
	}
	sim->base.ops->close(&sim->base);
}

static void both_copies_damaged_is_reported_and_never_overwritten(void **state)
{
	(void)state;
	struct sim_dir *sim = sim_new();
	assert_int_equal(store_floor(sim, 1), 0);
	struct sim_bytes *copies[] = { sim_file(sim, "journal.0"), sim_file(sim, "journal.1") };
	for (size_t i = 0; i < copies[0]->len; i++) {
		copies[0]->data[i] ^= 0x10;
		copies[1]->data[copies[1]->len - 1 - i] ^= 0x01;
		assert_int_equal(load_floor(sim), DCD_ERR_JOURNAL);
		assert_int_equal(store_floor(sim, 9), DCD_ERR_JOURNAL);
		copies[0]->data[i] ^= 0x10;
		copies[1]->data[copies[1]->len - 1 - i] ^= 0x01;
	}
	assert_int_equal(load_floor(sim), 1);
	copies[0]->len = 0;
	copies[1]->len--;
	assert_int_equal(load_floor(sim), DCD_ERR_JOURNAL);
	sim->base.ops->close(&sim->base);
}

static void one_missing_copy_is_survived_and_made_again(void **state)
{
	(void)state;
	static const char *const names[] = { "journal.0", "journal.1" };
	for (size_t copy = 0; copy < 2; copy++) {
		struct sim_dir *sim = sim_new();
		assert_int_equal(store_floor(sim, 1), 0);
		assert_int_equal(sim_remove(&sim->base, names[copy]), 0);
		assert_int_equal(load_floor(sim), 1);
		assert_int_equal(store_floor(sim, 2), 0);
		assert_int_equal(sim_remove(&sim->base, names[1 - copy]), 0);
		assert_int_equal(load_floor(sim), 2);
		sim_put(sim, names[copy], "junk", 4);
		assert_int_equal(load_floor(sim), DCD_ERR_JOURNAL);
		sim->base.ops->close(&sim->base);
	}
}

static void a_load_that_fails_gives_nothing(void **state)
{
	(void)state;
	static struct dcd_device_state found, untouched;
	struct sim_dir *sim = sim_new();
	struct dcd_journal *journal = opened(sim);
	memset(&found, 0x5A, sizeof found);
	memset(&untouched, 0x5A, sizeof untouched);
	sim_put(sim, "journal.0", "junk", 4);
	assert_int_equal(journal->ops->load(journal, &found, NULL), DCD_ERR_JOURNAL);
	assert_memory_equal(&found, &untouched, sizeof found);
	journal->ops->close(journal);
	sim->base.ops->close(&sim->base);
}

/* What can't be written down must not cost what is there. */
static void a_state_that_makes_no_sense_is_not_stored(void **state)
{
	(void)state;
	static struct dcd_device_state s;
	struct sim_dir *sim = sim_new();
	assert_int_equal(store_floor(sim, 3), 0);
	struct dcd_journal *journal = opened(sim);
	s.target = DCD_SLOT_COUNT;
	sim_arm(sim, 1000, false);
	assert_int_equal(journal->ops->store(journal, &s, NULL), DCD_ERR_USAGE);
	assert_int_equal(sim->operations, 0);
	assert_int_equal(load_floor(sim), 3);
	journal->ops->close(journal);
	sim->base.ops->close(&sim->base);
}

static void a_name_that_leaves_no_room_for_its_scratch_file_is_refused(void **state)
{
	(void)state;
	char name[DCD_DIR_NAME_MAX + 2] = { 0 };
	struct sim_dir *sim = sim_new();
	memset(name, 'x', sizeof name - 1);
	sim_arm(sim, 1000, false);
	assert_int_equal(dcd_dir_replace(&sim->base, name, "1", 1, NULL), DCD_ERR_USAGE);
	assert_int_equal(sim->operations, 0);
	name[DCD_DIR_NAME_MAX] = '\0';
	assert_int_equal(dcd_dir_replace(&sim->base, name, "1", 1, NULL), 0);
	assert_non_null(sim_file(sim, name));
	sim->base.ops->close(&sim->base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_journal_yet_is_an_empty_state),
		cmocka_unit_test(an_empty_copy_is_none_only_where_there_never_was_another),
		cmocka_unit_test(the_last_stored_state_is_found_by_the_next_run),
		cmocka_unit_test(a_cut_at_any_operation_leaves_the_old_or_the_new_state),
		cmocka_unit_test(several_stores_of_one_run_never_share_a_number),
		cmocka_unit_test(a_failed_operation_leaves_the_old_or_the_new_state_and_a_later_store_wins),
		cmocka_unit_test(any_flipped_byte_in_one_copy_is_survived),
		cmocka_unit_test(any_flipped_byte_of_an_older_copy_does_not_make_it_win),
		cmocka_unit_test(both_copies_damaged_is_reported_and_never_overwritten),
		cmocka_unit_test(one_missing_copy_is_survived_and_made_again),
		cmocka_unit_test(a_load_that_fails_gives_nothing),
		cmocka_unit_test(a_state_that_makes_no_sense_is_not_stored),
		cmocka_unit_test(a_name_that_leaves_no_room_for_its_scratch_file_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
