/* The engine's operations, one situation each, on a simulated device: what they return, what they leave. The explorer does the
 * rest. */
#include "updater/engine/engine.h"

#include "tests/unit/engine_lab.h"

static void a_look_at_a_journal_that_is_lost_says_so_and_gives_nothing(void **state)
{
	struct lab *lab = *state;
	install(lab);
	spoil_journal(lab);
	struct dcd_device_state seen, untouched;
	struct dcd_boot_state boot;
	memset(&seen, 0x5A, sizeof seen);
	memset(&untouched, 0x5A, sizeof untouched);
	assert_int_equal(dcd_engine_status(&lab->device.engine, &seen, &boot, NULL), DCD_ERR_JOURNAL);
	assert_memory_equal(&seen, &untouched, sizeof seen);
}

static void a_healthy_trial_is_confirmed_without_a_journal(void **state)
{
	struct lab *lab = *state;
	struct dcd_boot_state boot;
	install(lab);
	power_on(lab);
	assert_int_equal(lab->device.running_release, 1);
	spoil_journal(lab);
	assert_int_equal(dcd_engine_mark_good(&lab->device.engine, &lab->device.diag), 0);
	assert_int_equal(lab->device.boot->ops->load(lab->device.boot, &boot, NULL), 0);
	assert_true(boot.slot[1].good);
}

static void without_journal_and_boot_state_nothing_is_confirmed(void **state)
{
	struct lab *lab = *state;
	install(lab);
	power_on(lab);
	spoil_journal(lab);
	spoil(lab, "boot-state");
	size_t before = lab->log.count;
	assert_int_not_equal(dcd_engine_mark_good(&lab->device.engine, &lab->device.diag), 0);
	assert_true(lab->log.count == before);
}

static void a_way_back_that_is_not_there_is_refused(void **state)
{
	struct lab *lab = *state;
	size_t before = lab->log.count;
	assert_int_equal(dcd_engine_rollback(&lab->device.engine, &lab->device.diag), DCD_ERR_NO_OTHER_SLOT);
	assert_true(lab->log.count == before);
	assert_int_equal(dcd_engine_activate(&lab->device.engine, &lab->device.diag), DCD_ERR_NOTHING_STAGED);
	assert_int_equal(dcd_engine_mark_bad(&lab->device.engine, "sick", &lab->device.diag), DCD_ERR_NO_OTHER_SLOT);
	assert_true(lab->log.count == before);
}

/* A bad release that has filled the disk is left all the same. */
static void a_trial_is_left_even_when_the_journal_can_not_be_stored(void **state)
{
	struct lab *lab = *state;
	int left = 0;
	install(lab);
	power_on(lab);
	sim_image_clear(&lab->image);
	sim_image_copy(&lab->image, &lab->device.media.now);
	for (unsigned long at = 0; at < 12; at++) {
		struct sim_device *device = device_like(lab);
		struct dcd_boot_state boot;
		device->media.running = 1;
		device->media.fault = SIM_FAULT_SPACE;
		device->media.fault_at = at;
		int err = dcd_engine_rollback(&device->engine, &device->diag);
		device->media.fault = SIM_FAULT_NONE;
		assert_int_equal(device->boot->ops->load(device->boot, &boot, NULL), 0);
		left += err == DCD_ERR_NO_SPACE && !boot.slot[1].bootable;
		device_gone(device);
	}
	assert_true(left > 0);
}

static void the_boot_state_is_stored_when_it_changes_and_only_then(void **state)
{
	struct lab *lab = *state;
	install(lab);
	power_on(lab);
	assert_int_equal(sim_device_settle(&lab->device), 0);
	publish(lab, false, 0);
	power_on(lab);
	size_t before = lab->log.count;
	assert_int_equal(sim_device_install(&lab->device, false, true, false), 0);
	assert_true(touched(lab, "boot-state", before) > 0); /* the fallback is taken from the loader */
	publish(lab, false, 0);
	power_on(lab);
	before = lab->log.count;
	assert_int_equal(sim_device_install(&lab->device, false, true, false), 0);
	assert_int_equal(touched(lab, "boot-state", before), 0);
	assert_true(lab->log.count > before);
}

static void a_bad_release_is_forgotten_as_one_when_it_is_asked_for_again(void **state)
{
	struct lab *lab = *state;
	const struct sim_release *release = sim_world_release(lab->world, 1);
	install(lab);
	power_on(lab);
	assert_int_equal(dcd_engine_mark_bad(&lab->device.engine, "sick", &lab->device.diag), 0);
	power_on(lab);
	assert_int_equal(lab->device.running_release, 0);
	assert_int_equal(sim_device_install(&lab->device, false, false, false), DCD_ERR_KNOWN_BAD);
	assert_true(dcd_life_is_known_bad(&lab->device.state, &release->manifest_hash));
	assert_int_equal(sim_device_install(&lab->device, false, false, true), 0);
	assert_false(dcd_life_is_known_bad(&lab->device.state, &release->manifest_hash));
}

static void the_security_floor_comes_back_from_what_runs_when_the_journal_was_removed(void **state)
{
	struct lab *lab = *state;
	struct sim_files *files = &lab->device.media.now.dir[SIM_STATE_DIR];
	publish(lab, false, 4);
	power_on(lab);
	install(lab);
	power_on(lab);
	assert_int_equal(lab->device.running_release, 2);
	/* Not before it is confirmed. */
	sim_files_remove(files, "journal.0");
	sim_files_remove(files, "journal.1");
	power_on(lab);
	publish(lab, false, 5);
	power_on(lab);
	assert_int_equal(check(lab), 0);
	assert_int_equal(look(lab), 0);
	assert_true(lab->device.state.security_floor == 0);
	assert_int_equal(dcd_engine_mark_good(&lab->device.engine, NULL), 0);
	sim_files_remove(files, "journal.0");
	sim_files_remove(files, "journal.1");
	power_on(lab);
	assert_int_equal(look(lab), 0);
	assert_true(lab->device.state.security_floor == 0);
	assert_int_equal(check(lab), 0);
	assert_int_equal(look(lab), 0);
	assert_true(lab->device.state.security_floor == 4);
	assert_string_equal(lab->device.state.slot[1].version, "1.2");
}

static void a_check_tells_what_there_is_and_writes_no_slot(void **state)
{
	struct lab *lab = *state;
	assert_int_equal(check(lab), 0);
	assert_string_equal(lab->device.report.version, "1.1");
	assert_string_equal(lab->device.report.from_version, "1.0");
	assert_true(lab->device.report.bytes_full > 0);
	assert_true(lab->device.media.slot_bytes_written == 0);
	install(lab);
	power_on(lab);
	assert_int_equal(sim_device_settle(&lab->device), 0);
	assert_int_equal(check(lab), DCD_ERR_UP_TO_DATE);
	size_t before = lab->log.count;
	assert_int_equal(check(lab), DCD_ERR_UP_TO_DATE);
	assert_true(lab->log.count == before); /* nothing new, nothing written */
	assert_int_equal(look(lab), 0);
	assert_int_equal(lab->device.state.last.kind, DCD_OUTCOME_CONFIRMED);
	spoil_journal(lab);
	assert_int_equal(check(lab), DCD_ERR_JOURNAL);
}

/* What runs is known only after the repository was asked; then the question is put again. */
static void a_device_that_does_not_know_what_it_runs_finds_out_before_it_chooses(void **state)
{
	struct lab *lab = *state;
	sim_world_fill_slot(lab->world, &lab->device.media.now, 0, 1);
	power_on(lab);
	assert_int_equal(check(lab), DCD_ERR_UP_TO_DATE);
	assert_int_equal(sim_device_install(&lab->device, false, false, false), DCD_ERR_UP_TO_DATE);
	assert_true(lab->device.media.slot_bytes_written == 0);
}

static void a_device_that_does_not_know_what_it_runs_goes_by_the_stepping_stone(void **state)
{
	struct lab *lab = *state;
	(void)sim_world_publish(lab->world, &(struct sim_publication){ .stone = 1, .bases = 2 });
	power_on(lab);
	assert_int_equal(check(lab), 0);
	assert_string_equal(lab->device.report.version, "1.1");
}

static void a_check_that_fails_leaves_its_reason(void **state)
{
	struct lab *lab = *state;
	lab->device.source.fault = SIM_NET_DOWN;
	assert_int_equal(check(lab), DCD_ERR_UNREACHABLE);
	assert_int_equal(look(lab), 0);
	assert_int_equal(lab->device.state.last.kind, DCD_OUTCOME_FAILED);
	assert_int_equal(lab->device.state.last.err, DCD_ERR_UNREACHABLE);
}

static void an_install_that_fails_leaves_its_reason(void **state)
{
	struct lab *lab = *state;
	lab->device.source.fault = SIM_NET_DOWN;
	assert_int_equal(sim_device_install(&lab->device, false, false, false), DCD_ERR_UNREACHABLE);
	assert_int_equal(look(lab), 0);
	assert_int_equal(lab->device.state.last.err, DCD_ERR_UNREACHABLE);
	install(lab);
	spoil_journal(lab);
	assert_int_equal(sim_device_install(&lab->device, false, false, false), DCD_ERR_JOURNAL);
}

static void a_repair_says_why_there_is_nothing_to_do(void **state)
{
	struct lab *lab = *state;
	assert_int_equal(repair(lab), DCD_ERR_UNKNOWN_CONTENT);
	install(lab);
	power_on(lab);
	assert_int_equal(repair(lab), DCD_ERR_NOT_CONFIRMED);
	assert_int_equal(sim_device_settle(&lab->device), 0);
	size_t before = lab->log.count;
	assert_int_equal(repair(lab), DCD_ERR_UP_TO_DATE);
	assert_int_equal(touched(lab, "boot-state", before), 0);
	assert_true(lab->device.media.slot_bytes_written == 0);
}

static void a_repair_that_can_not_ask_the_repository_says_so(void **state)
{
	struct lab *lab = *state;
	update(lab);
	lab->device.source.fault = SIM_NET_DOWN;
	lab->device.source.fault_at = lab->device.source.fetches;
	assert_int_equal(repair(lab), DCD_ERR_UNREACHABLE);
	assert_int_not_equal(lab->device.report.outcome, DCD_OUTCOME_REPAIRED);
	assert_int_equal(look(lab), 0);
	assert_int_equal(lab->device.state.last.err, DCD_ERR_UNREACHABLE);
	spoil_journal(lab);
	assert_int_equal(repair(lab), DCD_ERR_JOURNAL);
}

static void a_repair_wants_the_release_that_was_there_and_no_other(void **state)
{
	struct lab *lab = *state;
	update(lab);
	assert_int_equal(look(lab), 0);
	struct dcd_device_state *seen = &lab->device.state;
	seen->slot[0].manifest_hash.bytes[3] ^= 1;
	assert_int_equal(lab->device.journal->ops->store(lab->device.journal, seen, NULL), 0);
	assert_int_equal(repair(lab), DCD_ERR_NOT_FOUND);
	assert_true(lab->device.media.slot_bytes_written == 0);
}

static void an_update_is_made_of_deltas_where_what_runs_is_known(void **state)
{
	struct lab *lab = *state;
	install(lab);
	assert_true(lab->device.report.delta);
	assert_true(lab->device.report.stats.delta > 0);
	assert_true(lab->device.report.bytes_best < lab->device.report.bytes_full);
}

/* One image was modified before anybody made a record: the other one is still a base. */
static void what_is_known_of_a_modified_slot_is_still_a_base(void **state)
{
	struct lab *lab = *state;
	lab->device.media.now.dev[0][100] ^= 1;
	lab->device.media.flushed[0][100] ^= 1;
	install(lab);
	assert_true(lab->device.report.stats.delta > 0);
	assert_true(lab->device.report.stats.full > 0);
	power_on(lab);
	assert_int_equal(lab->device.running_release, 1);
}

static void a_release_for_other_slots_or_another_board_is_refused(void **state)
{
	struct lab *lab = *state;
	lab->device.engine.slots.class_count = 1;
	assert_int_equal(check(lab), DCD_ERR_WRONG_CLASSES);
	assert_int_equal(sim_device_install(&lab->device, false, false, false), DCD_ERR_WRONG_CLASSES);
	static const char *const classes[] = { "rootfs", "boot", "firmware" };
	lab->device.engine.slots.classes = classes;
	lab->device.engine.slots.class_count = 3;
	assert_int_equal(check(lab), DCD_ERR_WRONG_CLASSES);
	lab->device.engine.slots.classes = sim_class_names;
	lab->device.engine.slots.class_count = SIM_CLASSES;
	lab->device.engine.board = "another board";
	assert_int_not_equal(check(lab), 0);
	assert_int_not_equal(sim_device_install(&lab->device, false, false, false), 0);
	assert_true(lab->device.media.slot_bytes_written == 0);
}

static bool offers_releases_alone(const struct dcd_source *source, const char *path)
{
	(void)source;
	return strncmp(path, "targets/", 8) != 0 || strstr(path, "releases/") != NULL;
}

static void a_check_says_when_the_source_has_nothing_to_install_from(void **state)
{
	struct lab *lab = *state;
	struct dcd_source_ops ops = *lab->device.source.base.ops;
	ops.has = offers_releases_alone;
	lab->device.source.base.ops = &ops;
	assert_int_equal(check(lab), DCD_ERR_NOT_FOUND);
	assert_non_null(strstr(lab->device.diag.text, "no payload of 'rootfs'"));
	assert_int_equal(sim_device_install(&lab->device, false, false, false), DCD_ERR_NOT_FOUND);
	assert_true(lab->device.media.slot_bytes_written == 0);
}

static void before_what_runs_is_confirmed_no_source_is_asked(void **state)
{
	struct lab *lab = *state;
	install(lab);
	power_on(lab);
	lab->device.engine.source = NULL;
	assert_int_equal(sim_device_install(&lab->device, false, false, false), DCD_ERR_NOT_CONFIRMED);
}

static void what_is_staged_is_activated_without_a_look_at_it(void **state)
{
	struct lab *lab = *state;
	assert_int_equal(sim_device_install(&lab->device, false, true, false), 0);
	size_t before = lab->log.count;
	uint64_t written = lab->device.media.slot_bytes_written;
	install(lab);
	assert_int_equal(lab->device.report.stats.segments, 0);
	assert_int_equal(touched(lab, "boot-state", before), 1);
	assert_true(lab->device.media.slot_bytes_written == written);
	power_on(lab);
	assert_int_equal(lab->device.running_release, 1);
}

static void an_image_that_is_another_one_again_is_neither_counted_nor_fetched_twice(void **state)
{
	struct lab *lab = *state;
	(void)sim_world_publish(lab->world, &(struct sim_publication){ .stone = -1, .alike = true });
	power_on(lab);
	assert_int_equal(check(lab), 0);
	assert_int_equal(2 * lab->device.report.bytes_best, lab->device.report.bytes_full);
	install(lab);
	assert_true(lab->device.report.stats.bytes_payload == lab->device.report.bytes_best);
	assert_true(lab->device.report.stats.same > 0);
	power_on(lab);
	assert_int_equal(lab->device.running_release, 2);
}

/* The release after the stepping stone is chosen only when it is known that the stone runs. */
static void a_device_that_finds_out_that_it_runs_the_stepping_stone_goes_on_from_it(void **state)
{
	struct lab *lab = *state;
	(void)sim_world_publish(lab->world, &(struct sim_publication){ .stone = 1, .bases = 2 });
	sim_world_fill_slot(lab->world, &lab->device.media.now, 0, 1);
	power_on(lab);
	install(lab);
	assert_string_equal(lab->device.report.version, "1.2");
	power_on(lab);
	assert_int_equal(lab->device.running_release, 2);
}

static int cancel_scan(void *context, const struct dcd_progress *progress)
{
	int *reports = context;
	return progress->stage == DCD_STAGE_SCANNING && (*reports)++ == 0;
}

static void an_install_that_is_cancelled_while_it_looks_writes_nothing(void **state)
{
	struct lab *lab = *state;
	int reports = 0;
	update(lab); /* else it looks at what runs first */
	publish(lab, false, 0);
	power_on(lab);
	size_t before = lab->log.count;
	lab->device.engine.progress = (struct dcd_progress_port){ .report = cancel_scan, .context = &reports };
	assert_int_equal(sim_device_install(&lab->device, false, false, false), DCD_ERR_CANCELLED);
	assert_true(lab->device.media.slot_bytes_written == 0);
	assert_int_equal(touched(lab, "boot-state", before), 0);
}

/* How an install ends when access `at` fails. False: so many accesses there aren't. */
static bool fail_install(struct lab *lab, unsigned long at, bool *ret_bootable, bool *ret_written)
{
	struct sim_device *device = device_like(lab);
	const struct dcd_install_options options = { .no_activate = true };
	struct dcd_boot_state boot;
	device->media.running = 1;
	device->media.fault = SIM_FAULT_IO;
	device->media.fault_at = at;
	int err = dcd_engine_install(&device->engine, &options, &device->report, &device->diag);
	bool struck = device->media.fault_struck;
	assert_true(err == 0 || struck);
	device->media.fault = SIM_FAULT_NONE;
	assert_int_equal(device->boot->ops->load(device->boot, &boot, NULL), 0);
	*ret_bootable = boot.slot[0].bootable;
	*ret_written = device->media.slot_bytes_written > 0;
	device_gone(device);
	return struck;
}

/* The other slot holds a good release. Whatever fails: before its first byte changes, the loader has let go of it. */
static void no_byte_of_a_slot_changes_before_the_loader_has_let_go_of_it(void **state)
{
	struct lab *lab = *state;
	int let_go = 0, kept = 0;
	bool bootable, written;
	update(lab);
	publish(lab, false, 0);
	power_on(lab);
	sim_image_clear(&lab->image);
	sim_image_copy(&lab->image, &lab->device.media.now);
	for (unsigned long at = 0; fail_install(lab, at, &bootable, &written); at++) {
		assert_false(bootable && written);
		let_go += !bootable;
		kept += bootable;
	}
	assert_true(let_go > 0 && kept > 0);
}

static int open_small_slot(void *context, int slot, const char *class_name, bool writable, struct dcd_blockdev **ret,
			   struct dcd_diag *diag)
{
	int err = sim_media_open_slot(context, slot, class_name, writable, ret, diag);
	if (err == 0 && slot == 1) {
		(*ret)->size = SIM_SEGMENT;
	}
	return err;
}

static int open_no_slot(void *context, int slot, const char *class_name, bool writable, struct dcd_blockdev **ret,
			struct dcd_diag *diag)
{
	return slot == 1 ? DCD_ERR_IO : sim_media_open_slot(context, slot, class_name, writable, ret, diag);
}

static void a_slot_that_is_too_small_or_gone_is_found_before_anything_is_written(void **state)
{
	struct lab *lab = *state;
	lab->device.engine.slots.open = open_small_slot;
	assert_int_equal(check(lab), DCD_ERR_SLOT_TOO_SMALL);
	assert_int_equal(sim_device_install(&lab->device, false, false, false), DCD_ERR_SLOT_TOO_SMALL);
	lab->device.engine.slots.open = open_no_slot;
	assert_int_equal(check(lab), DCD_ERR_IO);
	assert_int_equal(sim_device_install(&lab->device, false, false, false), DCD_ERR_IO);
	assert_true(lab->device.media.slot_bytes_written == 0);
}

static int check_watched(struct sim_device *device)
{
	int err = dcd_engine_check(&device->engine, &device->report, &device->diag);
	/* What runs isn't taken for unknown, which would cost the delta. */
	assert_true(err != 0 || device->report.delta);
	return err;
}

static void wherever_memory_is_short_a_check_says_so(void **state)
{
	struct lab *lab = *state;
	sim_image_clear(&lab->image);
	sim_image_copy(&lab->image, &lab->device.media.now);
	fail_each_allocation(lab, check_watched);
}

static void without_memory_to_begin_nothing_begins(void **state)
{
	struct lab *lab = *state;
	struct sim_device *device = &lab->device;
	const struct dcd_install_options options = { .again = false };
	int err[3];
	if (!sim_alloc_can_watch()) {
		skip();
	}
	device->memory = (struct sim_memory){ .fails = true, .for_good = true };
	sim_device_watch(device);
	err[0] = dcd_engine_check(&device->engine, &device->report, &device->diag);
	err[1] = dcd_engine_install(&device->engine, &options, &device->report, &device->diag);
	err[2] = dcd_engine_repair(&device->engine, &device->report, &device->diag);
	sim_device_unwatch(device);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(err[i], DCD_ERR_NO_MEMORY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_look_at_a_journal_that_is_lost_says_so_and_gives_nothing, begin_good, end),
		cmocka_unit_test_setup_teardown(a_healthy_trial_is_confirmed_without_a_journal, begin_good, end),
		cmocka_unit_test_setup_teardown(without_journal_and_boot_state_nothing_is_confirmed, begin_good, end),
		cmocka_unit_test_setup_teardown(a_way_back_that_is_not_there_is_refused, begin_good, end),
		cmocka_unit_test_setup_teardown(a_trial_is_left_even_when_the_journal_can_not_be_stored, begin_good, end),
		cmocka_unit_test_setup_teardown(the_boot_state_is_stored_when_it_changes_and_only_then, begin_good, end),
		cmocka_unit_test_setup_teardown(a_bad_release_is_forgotten_as_one_when_it_is_asked_for_again, begin_bad, end),
		cmocka_unit_test_setup_teardown(a_check_tells_what_there_is_and_writes_no_slot, begin_good, end),
		cmocka_unit_test_setup_teardown(the_security_floor_comes_back_from_what_runs_when_the_journal_was_removed,
						begin_good, end),
		cmocka_unit_test_setup_teardown(a_device_that_does_not_know_what_it_runs_finds_out_before_it_chooses, begin_good,
						end),
		cmocka_unit_test_setup_teardown(a_device_that_does_not_know_what_it_runs_goes_by_the_stepping_stone, begin_good,
						end),
		cmocka_unit_test_setup_teardown(a_check_that_fails_leaves_its_reason, begin_good, end),
		cmocka_unit_test_setup_teardown(an_install_that_fails_leaves_its_reason, begin_good, end),
		cmocka_unit_test_setup_teardown(a_repair_says_why_there_is_nothing_to_do, begin_good, end),
		cmocka_unit_test_setup_teardown(a_repair_that_can_not_ask_the_repository_says_so, begin_good, end),
		cmocka_unit_test_setup_teardown(a_repair_wants_the_release_that_was_there_and_no_other, begin_good, end),
		cmocka_unit_test_setup_teardown(an_update_is_made_of_deltas_where_what_runs_is_known, begin_good, end),
		cmocka_unit_test_setup_teardown(what_is_known_of_a_modified_slot_is_still_a_base, begin_good, end),
		cmocka_unit_test_setup_teardown(a_release_for_other_slots_or_another_board_is_refused, begin_good, end),
		cmocka_unit_test_setup_teardown(a_check_says_when_the_source_has_nothing_to_install_from, begin_good, end),
		cmocka_unit_test_setup_teardown(before_what_runs_is_confirmed_no_source_is_asked, begin_good, end),
		cmocka_unit_test_setup_teardown(what_is_staged_is_activated_without_a_look_at_it, begin_good, end),
		cmocka_unit_test_setup_teardown(an_image_that_is_another_one_again_is_neither_counted_nor_fetched_twice,
						begin_good, end),
		cmocka_unit_test_setup_teardown(a_device_that_finds_out_that_it_runs_the_stepping_stone_goes_on_from_it,
						begin_good, end),
		cmocka_unit_test_setup_teardown(an_install_that_is_cancelled_while_it_looks_writes_nothing, begin_good, end),
		cmocka_unit_test_setup_teardown(no_byte_of_a_slot_changes_before_the_loader_has_let_go_of_it, begin_good, end),
		cmocka_unit_test_setup_teardown(a_slot_that_is_too_small_or_gone_is_found_before_anything_is_written, begin_good,
						end),
		cmocka_unit_test_setup_teardown(wherever_memory_is_short_a_check_says_so, begin_good, end),
		cmocka_unit_test_setup_teardown(without_memory_to_begin_nothing_begins, begin_good, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
