#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "updater/engine/life.h"

#define NOW 1800000000

/* A device that runs release 1 in slot 0, confirmed, with nothing in slot 1. */
struct device {
	struct dcd_device_state state;
	struct dcd_boot_state boot;
};

static struct device factory_device(void)
{
	struct device device = { 0 };
	device.boot.order[1] = 1;
	device.boot.slot[0] = (struct dcd_boot_slot){ .bootable = true, .good = true };
	struct dcd_slot_record *record = &device.state.slot[0];
	record->content = DCD_CONTENT_VERIFIED;
	strcpy(record->version, "1");
	record->manifest_hash.bytes[0] = 1;
	record->sequence_number = 1;
	return device;
}

static struct dcd_release release_of(uint8_t number, uint64_t security_version)
{
	static const char *const versions[] = { "0", "1", "2", "3" };
	struct dcd_release release = {
		.version = versions[number],
		.sequence_number = number,
		.security_version = security_version,
	};
	release.manifest_hash.bytes[0] = number;
	return release;
}

static void install(struct device *device, uint8_t number, uint64_t security_version)
{
	const struct dcd_release release = release_of(number, security_version);
	int target = dcd_slot_other(device->boot.booted);
	assert_int_equal(dcd_life_may_write_other(&device->boot, NULL), 0);
	dcd_life_begin_writing(&device->state, &device->boot, target, &release);
	assert_int_equal(dcd_life_of(&device->state, &device->boot), DCD_LIFE_WRITING);
	dcd_life_staged(&device->state, NOW);
	assert_int_equal(dcd_life_activate(&device->state, &device->boot, 3, NOW, NULL), 0);
}

static int reboot(struct device *device)
{
	struct dcd_boot_state after;
	int booted = dcd_boot_choose(&device->boot, &after);
	device->boot = after;
	(void)dcd_life_reconcile(&device->state, &device->boot, NOW);
	return booted;
}

static void while_a_slot_is_written_it_can_not_boot_and_the_running_one_is_first(void **state)
{
	(void)state;
	struct device device = factory_device();
	const struct dcd_release release = release_of(2, 0);
	device.boot.order[0] = 1;
	device.boot.order[1] = 0;
	device.boot.slot[1] = (struct dcd_boot_slot){ .bootable = true, .good = true };
	dcd_life_begin_writing(&device.state, &device.boot, 1, &release);
	assert_false(device.boot.slot[1].bootable);
	assert_int_equal(device.boot.order[0], 0);
	assert_int_equal(device.state.slot[1].content, DCD_CONTENT_WRITING);
	assert_int_equal(reboot(&device), 0);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_WRITING);
}

static void a_release_that_is_confirmed_raises_the_floor_and_only_then(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 7);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_PENDING);
	assert_int_equal(reboot(&device), 1);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_TRIAL);
	assert_int_equal(device.state.security_floor, 0);
	assert_true(dcd_life_confirm(&device.state, &device.boot, 3, NOW));
	assert_int_equal(device.state.security_floor, 7);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_IDLE);
	assert_int_equal(device.state.last.kind, DCD_OUTCOME_CONFIRMED);
	assert_false(dcd_life_confirm(&device.state, &device.boot, 3, NOW));
}

static void a_release_that_never_confirms_is_rolled_back_and_known_bad(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 7);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(reboot(&device), 1);
	}
	assert_int_equal(reboot(&device), 0);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_ROLLED_BACK);
	const struct dcd_release release = release_of(2, 7);
	assert_true(dcd_life_is_known_bad(&device.state, &release.manifest_hash));
	assert_string_equal(device.state.last.version, "2");
	assert_int_equal(device.state.security_floor, 0);
	dcd_life_forget_bad(&device.state, &release.manifest_hash);
	assert_false(dcd_life_is_known_bad(&device.state, &release.manifest_hash));
}

static void an_unconfirmed_slot_forbids_to_touch_the_other(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	assert_int_equal(reboot(&device), 1);
	assert_int_equal(dcd_life_may_write_other(&device.boot, NULL), DCD_ERR_NOT_CONFIRMED);
}

static void a_cut_between_journal_and_flip_leaves_a_staged_release(void **state)
{
	(void)state;
	struct device device = factory_device();
	const struct dcd_release release = release_of(2, 0);
	dcd_life_begin_writing(&device.state, &device.boot, 1, &release);
	dcd_life_staged(&device.state, NOW);
	const struct dcd_boot_state before_flip = device.boot;
	assert_int_equal(dcd_life_activate(&device.state, &device.boot, 3, NOW, NULL), 0);
	device.boot = before_flip;
	assert_true(dcd_life_reconcile(&device.state, &device.boot, NOW));
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_STAGED);
	assert_int_equal(dcd_life_activate(&device.state, &device.boot, 3, NOW, NULL), 0);
	assert_int_equal(reboot(&device), 1);
}

static void a_cut_between_confirm_and_journal_is_made_up_for(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 5);
	assert_int_equal(reboot(&device), 1);
	struct dcd_device_state stale_journal = device.state;
	assert_true(dcd_life_confirm(&device.state, &device.boot, 3, NOW));
	assert_true(dcd_life_reconcile(&stale_journal, &device.boot, NOW));
	assert_int_equal(stale_journal.phase, DCD_PHASE_IDLE);
	assert_int_equal(stale_journal.security_floor, 5);
	assert_int_equal(stale_journal.last.kind, DCD_OUTCOME_CONFIRMED);
}

static void a_user_goes_back_as_a_trial_and_is_not_updated_straight_away_again(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	assert_int_equal(reboot(&device), 1);
	assert_true(dcd_life_confirm(&device.state, &device.boot, 3, NOW));
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), 0);
	assert_true(device.boot.slot[1].good); /* the way forward again */
	assert_false(device.boot.slot[0].good);
	assert_int_equal(reboot(&device), 0);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_TRIAL);
	assert_true(dcd_life_confirm(&device.state, &device.boot, 3, NOW));
	const struct dcd_release left = release_of(2, 0);
	assert_true(dcd_life_is_known_bad(&device.state, &left.manifest_hash));
}

static void a_trial_whose_journal_was_lost_still_shows_as_one(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	assert_int_equal(reboot(&device), 1);
	memset(&device.state, 0, sizeof device.state);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_TRIAL);
}

static void a_rollback_that_was_cut_before_its_flip_can_be_asked_for_again(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	assert_int_equal(reboot(&device), 1);
	assert_true(dcd_life_confirm(&device.state, &device.boot, 3, NOW));
	const struct dcd_boot_state before = device.boot;
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), 0);
	device.boot = before; /* the journal was stored, the loader was not */
	assert_int_equal(reboot(&device), 1);
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), 0);
	assert_int_equal(reboot(&device), 0);
}

static void nobody_goes_back_below_the_security_floor(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 3);
	assert_int_equal(reboot(&device), 1);
	assert_true(dcd_life_confirm(&device.state, &device.boot, 3, NOW));
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), DCD_ERR_DOWNGRADE);
	assert_int_equal(device.boot.order[0], 1);
}

static void before_the_reboot_going_back_takes_the_flip_back(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), 0);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_STAGED);
	assert_int_equal(reboot(&device), 0);
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), DCD_ERR_NO_OTHER_SLOT);
}

static void a_bad_trial_gives_up_its_tries_at_once(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	assert_int_equal(reboot(&device), 1);
	assert_int_equal(dcd_life_mark_bad(&device.state, &device.boot, "no network", NOW, NULL), 0);
	assert_non_null(strstr(device.state.last.reason, "no network"));
	assert_int_equal(reboot(&device), 0);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_ROLLED_BACK);
}

static void the_only_slot_that_boots_is_never_given_up(void **state)
{
	(void)state;
	struct device device = factory_device();
	assert_int_equal(dcd_life_mark_bad(&device.state, &device.boot, "x", NOW, NULL), DCD_ERR_NO_OTHER_SLOT);
	assert_true(device.boot.slot[0].bootable);
}

/* Release 2 runs in slot 1, confirmed; release 1 is behind it in slot 0. */
static struct device updated_device(uint64_t security_version)
{
	struct device device = factory_device();
	install(&device, 2, security_version);
	assert_int_equal(reboot(&device), 1);
	assert_true(dcd_life_confirm(&device.state, &device.boot, 3, NOW));
	return device;
}

static void a_way_back_that_is_withdrawn_leaves_the_fallback_as_it_was(void **state)
{
	(void)state;
	struct device device = updated_device(0);
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), 0);
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), 0);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_IDLE);
	assert_true(device.boot.slot[0].bootable);
	assert_int_equal(reboot(&device), 1);
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), 0);
	assert_int_equal(reboot(&device), 0);
}

static void a_way_back_that_is_cut_before_the_flip_can_be_asked_for_again(void **state)
{
	(void)state;
	struct device device = updated_device(0);
	const struct dcd_boot_state before = device.boot;
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), 0);
	device.boot = before;
	assert_int_equal(reboot(&device), 1);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_IDLE);
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), 0);
	assert_int_equal(reboot(&device), 0);
}

static void the_way_back_never_leads_to_a_release_that_was_rolled_back(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(reboot(&device), 1);
	}
	assert_int_equal(reboot(&device), 0);
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), DCD_ERR_KNOWN_BAD);
	assert_int_equal(reboot(&device), 0);
}

static void a_confirmed_slot_is_not_given_up_for_one_that_never_was(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	assert_int_equal(dcd_life_mark_bad(&device.state, &device.boot, "x", NOW, NULL), DCD_ERR_NO_OTHER_SLOT);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(reboot(&device), 1);
	}
	assert_int_equal(reboot(&device), 0);
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_ROLLED_BACK);
}

static void a_confirmed_slot_is_not_given_up_for_one_below_the_floor(void **state)
{
	(void)state;
	struct device device = updated_device(7);
	assert_int_equal(dcd_life_mark_bad(&device.state, &device.boot, "x", NOW, NULL), DCD_ERR_DOWNGRADE);
	assert_int_equal(reboot(&device), 1);
	struct device equal = updated_device(0);
	assert_int_equal(dcd_life_mark_bad(&equal.state, &equal.boot, "x", NOW, NULL), 0);
	assert_int_equal(reboot(&equal), 0);
}

static void a_slot_that_proves_itself_after_all_is_not_known_bad(void **state)
{
	(void)state;
	struct device device = factory_device();
	const struct dcd_release release = release_of(2, 0);
	install(&device, 2, 0);
	assert_int_equal(reboot(&device), 1);
	const struct dcd_boot_state before = device.boot;
	assert_int_equal(dcd_life_mark_bad(&device.state, &device.boot, "x", NOW, NULL), 0);
	device.boot = before; /* a cut before the loader knew */
	assert_int_equal(reboot(&device), 1);
	assert_true(dcd_life_is_known_bad(&device.state, &release.manifest_hash));
	assert_true(dcd_life_confirm(&device.state, &device.boot, 3, NOW));
	assert_false(dcd_life_is_known_bad(&device.state, &release.manifest_hash));
	assert_int_equal(reboot(&device), 1);
}

static void a_release_is_remembered_as_bad_once_and_only_by_a_name(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	assert_int_equal(reboot(&device), 1);
	assert_int_equal(dcd_life_mark_bad(&device.state, &device.boot, "sick", NOW, NULL), 0);
	assert_true(device.state.known_bad_count == 1);
	device.boot.booted = 1;
	assert_int_equal(dcd_life_mark_bad(&device.state, &device.boot, "sick", NOW, NULL), 0);
	assert_true(device.state.known_bad_count == 1);
	memset(&device.state.slot[1].manifest_hash, 0, sizeof device.state.slot[1].manifest_hash);
	assert_int_equal(dcd_life_mark_bad(&device.state, &device.boot, "sick", NOW, NULL), 0);
	assert_true(device.state.known_bad_count == 1);
}

static void a_release_that_was_not_tried_yet_is_not_given_up(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	assert_false(dcd_life_reconcile(&device.state, &device.boot, NOW));
	assert_int_equal(dcd_life_of(&device.state, &device.boot), DCD_LIFE_PENDING);
	assert_true(device.state.known_bad_count == 0);
}

static void what_somebody_else_made_the_loader_boot_is_not_ours_to_write(void **state)
{
	(void)state;
	static const enum dcd_phase phases[] = { DCD_PHASE_WRITING, DCD_PHASE_STAGED };
	for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
		struct device device = factory_device();
		install(&device, 2, 0);
		device.state.phase = phases[i];
		device.boot.booted = 1;
		assert_true(dcd_life_reconcile(&device.state, &device.boot, NOW));
		assert_int_equal(device.state.phase, DCD_PHASE_IDLE);
		device.state.phase = phases[i];
		device.state.target = 1;
		device.boot.booted = 0;
		assert_false(dcd_life_reconcile(&device.state, &device.boot, NOW));
		assert_int_equal(device.state.phase, phases[i]);
	}
}

static void only_what_is_staged_is_activated_and_only_from_a_confirmed_slot(void **state)
{
	(void)state;
	struct device device = factory_device();
	const struct dcd_release release = release_of(2, 0);
	assert_int_equal(dcd_life_activate(&device.state, &device.boot, 3, NOW, NULL), DCD_ERR_NOTHING_STAGED);
	dcd_life_begin_writing(&device.state, &device.boot, 1, &release);
	assert_int_equal(dcd_life_activate(&device.state, &device.boot, 3, NOW, NULL), DCD_ERR_NOTHING_STAGED);
	dcd_life_staged(&device.state, NOW);
	device.boot.slot[0].good = false;
	assert_int_equal(dcd_life_activate(&device.state, &device.boot, 3, NOW, NULL), DCD_ERR_NOT_CONFIRMED);
	assert_int_equal(device.state.phase, DCD_PHASE_STAGED);
	assert_int_equal(device.boot.order[0], 0);
}

static void a_trial_without_a_way_back_is_not_given_up(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	assert_int_equal(reboot(&device), 1);
	device.boot.slot[0] = (struct dcd_boot_slot){ .bootable = false, .good = true };
	assert_int_equal(dcd_life_mark_bad(&device.state, &device.boot, "sick", NOW, NULL), DCD_ERR_NO_OTHER_SLOT);
	device.boot.slot[0] = (struct dcd_boot_slot){ .bootable = true, .good = false, .tries_left = 0 };
	assert_int_equal(dcd_life_mark_bad(&device.state, &device.boot, "sick", NOW, NULL), DCD_ERR_NO_OTHER_SLOT);
	assert_true(device.boot.slot[1].bootable);
}

static void going_back_from_a_trial_gives_it_up(void **state)
{
	(void)state;
	struct device device = factory_device();
	install(&device, 2, 0);
	assert_int_equal(reboot(&device), 1);
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), 0);
	assert_false(device.boot.slot[1].bootable);
	assert_int_equal(device.state.last.kind, DCD_OUTCOME_ROLLED_BACK);
	assert_true(dcd_life_is_known_bad(&device.state, &device.state.slot[1].manifest_hash));
}

static void nobody_goes_back_to_a_slot_that_holds_no_release(void **state)
{
	(void)state;
	struct device device = factory_device();
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), DCD_ERR_NO_OTHER_SLOT);
	device.state.slot[1].content = DCD_CONTENT_WRITING;
	device.boot.slot[1] = (struct dcd_boot_slot){ .bootable = true, .good = true };
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), DCD_ERR_NO_OTHER_SLOT);
	device.state.slot[1].content = DCD_CONTENT_UNKNOWN;
	assert_int_equal(dcd_life_rollback(&device.state, &device.boot, 3, NOW, NULL), 0);
}

static void a_reason_has_no_control_characters(void **state)
{
	(void)state;
	struct device device = factory_device();
	assert_true(dcd_life_note(&device.state, DCD_OUTCOME_FAILED, DCD_ERR_IO, "", "a\033[2J\nb\177", NOW));
	assert_string_equal(device.state.last.reason, "a?[2J?b?");
}

static void the_same_reason_is_noted_once(void **state)
{
	(void)state;
	struct device device = factory_device();
	assert_true(dcd_life_note(&device.state, DCD_OUTCOME_FAILED, DCD_ERR_UNREACHABLE, "", "away", NOW));
	assert_false(dcd_life_note(&device.state, DCD_OUTCOME_FAILED, DCD_ERR_UNREACHABLE, "", "away", NOW + 60));
	assert_true(dcd_life_note(&device.state, DCD_OUTCOME_FAILED, DCD_ERR_NOT_FOUND, "", "away", NOW + 60));
}

static void the_list_of_bad_releases_forgets_the_oldest(void **state)
{
	(void)state;
	struct device device = factory_device();
	for (uint8_t i = 0; i < DCD_KNOWN_BAD_MAX + 2; i++) {
		struct device trial = device;
		const struct dcd_release base = release_of(2, 0);
		struct dcd_release release = base;
		release.manifest_hash.bytes[1] = i;
		dcd_life_begin_writing(&trial.state, &trial.boot, 1, &release);
		dcd_life_staged(&trial.state, NOW);
		assert_int_equal(dcd_life_activate(&trial.state, &trial.boot, 1, NOW, NULL), 0);
		assert_int_equal(reboot(&trial), 1);
		assert_int_equal(reboot(&trial), 0);
		device.state = trial.state;
		assert_true(dcd_life_is_known_bad(&device.state, &release.manifest_hash));
	}
	assert_int_equal(device.state.known_bad_count, DCD_KNOWN_BAD_MAX);
	struct dcd_release first = release_of(2, 0);
	assert_false(dcd_life_is_known_bad(&device.state, &first.manifest_hash));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(while_a_slot_is_written_it_can_not_boot_and_the_running_one_is_first),
		cmocka_unit_test(a_release_that_is_confirmed_raises_the_floor_and_only_then),
		cmocka_unit_test(a_release_that_never_confirms_is_rolled_back_and_known_bad),
		cmocka_unit_test(an_unconfirmed_slot_forbids_to_touch_the_other),
		cmocka_unit_test(a_cut_between_journal_and_flip_leaves_a_staged_release),
		cmocka_unit_test(a_cut_between_confirm_and_journal_is_made_up_for),
		cmocka_unit_test(a_user_goes_back_as_a_trial_and_is_not_updated_straight_away_again),
		cmocka_unit_test(a_trial_whose_journal_was_lost_still_shows_as_one),
		cmocka_unit_test(a_rollback_that_was_cut_before_its_flip_can_be_asked_for_again),
		cmocka_unit_test(nobody_goes_back_below_the_security_floor),
		cmocka_unit_test(before_the_reboot_going_back_takes_the_flip_back),
		cmocka_unit_test(a_bad_trial_gives_up_its_tries_at_once),
		cmocka_unit_test(the_only_slot_that_boots_is_never_given_up),
		cmocka_unit_test(a_way_back_that_is_withdrawn_leaves_the_fallback_as_it_was),
		cmocka_unit_test(a_way_back_that_is_cut_before_the_flip_can_be_asked_for_again),
		cmocka_unit_test(the_way_back_never_leads_to_a_release_that_was_rolled_back),
		cmocka_unit_test(a_confirmed_slot_is_not_given_up_for_one_that_never_was),
		cmocka_unit_test(a_confirmed_slot_is_not_given_up_for_one_below_the_floor),
		cmocka_unit_test(a_slot_that_proves_itself_after_all_is_not_known_bad),
		cmocka_unit_test(a_release_is_remembered_as_bad_once_and_only_by_a_name),
		cmocka_unit_test(a_release_that_was_not_tried_yet_is_not_given_up),
		cmocka_unit_test(what_somebody_else_made_the_loader_boot_is_not_ours_to_write),
		cmocka_unit_test(only_what_is_staged_is_activated_and_only_from_a_confirmed_slot),
		cmocka_unit_test(a_trial_without_a_way_back_is_not_given_up),
		cmocka_unit_test(going_back_from_a_trial_gives_it_up),
		cmocka_unit_test(nobody_goes_back_to_a_slot_that_holds_no_release),
		cmocka_unit_test(a_reason_has_no_control_characters),
		cmocka_unit_test(the_same_reason_is_noted_once),
		cmocka_unit_test(the_list_of_bad_releases_forgets_the_oldest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
