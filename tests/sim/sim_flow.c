#include "tests/sim/sim_flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest/tuf/tuf.h"
#include "tests/sim/sim_loader.h"
#include "updater/pipeline/threaded_writer.h"

/* ---- pieces ---- */

static int publish(struct sim_stage *stage, bool bad, uint64_t security_version)
{
	const struct sim_publication publication = {
		.bad = bad, .security_version = security_version, .stone = -1, .bases = 3, .bundle = true
	};
	return sim_world_publish(stage->world, &publication);
}

static void give_up(const struct sim_stage *stage, const struct sim_device *device, const char *what)
{
	(void)fprintf(stderr, "flow %s can't be prepared: %s (%s)\n", stage->flow->name, what, device->diag.text);
	exit(3);
}

/* The device goes to the newest release of the world and confirms it. */
static void update_start(struct sim_stage *stage, bool confirm)
{
	struct sim_device *device = calloc(1, sizeof *device);
	if (device == NULL) {
		abort();
	}
	sim_device_open(device, stage->world, sim_world_generation(stage->world), &stage->start, stage->traits, NULL);
	bool fine = sim_device_boot(device) == 0 && sim_device_settle(device) == 0 &&
		    sim_device_install(device, false, false, false) == 0;
	if (fine && confirm) {
		fine = sim_device_boot(device) == 0 && sim_device_settle(device) == 0;
	}
	if (!fine) {
		give_up(stage, device, "update");
	}
	stage->running = device->media.running;
	sim_image_clear(&stage->start);
	sim_image_copy(&stage->start, &device->media.now);
	sim_device_close(device);
	free(device);
}

/* Runs 1.1, the fallback is 1.0. */
static void prepare_confirmed(struct sim_stage *stage)
{
	sim_device_factory(stage->world, publish(stage, false, 0), &stage->start);
	publish(stage, false, 0);
	update_start(stage, true);
	stage->old_release = 1;
}

static void prepare_factory(struct sim_stage *stage)
{
	sim_device_factory(stage->world, publish(stage, false, 0), &stage->start);
	stage->new_release = publish(stage, false, 0);
}

static void prepare_delta(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	stage->new_release = publish(stage, false, 0);
}

/* Two images of the same bytes: the second is copied from the first. */
static void prepare_alike(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	stage->new_release = sim_world_publish(stage->world, &(struct sim_publication){ .stone = -1, .bases = 3, .alike = true });
}

static void prepare_bad(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	stage->new_release = publish(stage, true, 5);
}

static void prepare_floor(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	stage->new_release = publish(stage, false, 2);
	stage->floor_after = 2;
}

/* Both copies are gone, and with them the floor that the running release had raised. */
static void prepare_lost_journal(struct sim_stage *stage)
{
	sim_device_factory(stage->world, publish(stage, false, 0), &stage->start);
	publish(stage, false, 2);
	update_start(stage, true);
	stage->old_release = 1;
	sim_files_remove(&stage->start.dir[SIM_STATE_DIR], "journal.0");
	sim_files_remove(&stage->start.dir[SIM_STATE_DIR], "journal.1");
	stage->new_release = publish(stage, false, 2);
	stage->floor_after = 2;
}

static void prepare_rotation(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	sim_world_rotate(stage->world, &(struct sim_rotation){ .targets = true, .algorithm = DCD_KEY_ECDSA_P256 });
	sim_world_rotate(stage->world, &(struct sim_rotation){ .algorithm = DCD_KEY_ECDSA_P256 });
	stage->new_release = publish(stage, false, 0);
}

/* P-256, Ed25519, P-384: nobody who has the old keys only can follow. */
static void prepare_algorithms(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	sim_world_rotate(stage->world, &(struct sim_rotation){ .targets = true, .algorithm = DCD_KEY_ED25519 });
	sim_world_rotate(stage->world, &(struct sim_rotation){ .targets = true, .algorithm = DCD_KEY_ECDSA_P384 });
	stage->new_release = publish(stage, false, 0);
}

static void prepare_lost_key(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	sim_world_rotate(stage->world,
			 &(struct sim_rotation){ .targets = true, .root_key_lost = true, .algorithm = DCD_KEY_ED25519 });
	stage->new_release = publish(stage, false, 0);
}

static void prepare_pending(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	publish(stage, false, 0);
	update_start(stage, false);
	stage->new_release = publish(stage, false, 0);
}

static void prepare_withdraw(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	publish(stage, false, 0);
	update_start(stage, false);
	stage->new_release = stage->old_release;
}

static void prepare_withdraw_bad(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	publish(stage, true, 0);
	update_start(stage, false);
	stage->new_release = stage->old_release;
}

/* The device has seen versions far ahead; the vendor replaces the one key that he knows to be stolen, and goes on where he was.
 */
static void prepare_fast_forward(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	sim_world_fast_forward(stage->world);
	struct sim_device *device = sim_must_alloc(sizeof *device);
	sim_device_open(device, stage->world, sim_world_generation(stage->world), &stage->start, stage->traits, NULL);
	if (sim_device_boot(device) != 0 || sim_device_install(device, false, false, false) != DCD_ERR_UP_TO_DATE) {
		give_up(stage, device, "see the versions far ahead");
	}
	sim_image_clear(&stage->start);
	sim_image_copy(&stage->start, &device->media.now);
	sim_device_close(device);
	free(device);
	sim_world_rotate(stage->world, &(struct sim_rotation){ .timestamp_only = true, .algorithm = DCD_KEY_ECDSA_P256 });
	stage->new_release = publish(stage, false, 0);
}

/* Runs 1.2, the fallback is 1.1 with a record. */
static void prepare_user_rollback(struct sim_stage *stage)
{
	prepare_confirmed(stage);
	publish(stage, false, 0);
	update_start(stage, true);
	stage->old_release = 2;
	stage->new_release = 1;
}

static void prepare_repair(struct sim_stage *stage)
{
	prepare_user_rollback(stage);
	int other = dcd_slot_other(stage->running);
	memset(stage->start.dev[other * SIM_CLASSES] + 700, 0x77, 6000);
	stage->start.dev[other * SIM_CLASSES + 1][5] ^= 1;
	stage->new_release = 2; /* what runs stays */
}

static void prepare_resume(struct sim_stage *stage)
{
	prepare_delta(stage);
	struct sim_device *device = calloc(1, sizeof *device);
	if (device == NULL) {
		abort();
	}
	sim_device_open(device, stage->world, sim_world_generation(stage->world), &stage->start, stage->traits, NULL);
	device->source.fault = SIM_NET_BREAKS_OFF;
	device->source.fault_at = 10;
	if (sim_device_boot(device) != 0 || sim_device_install(device, false, false, false) != DCD_ERR_BROKEN_OFF) {
		give_up(stage, device, "break off");
	}
	sim_image_clear(&stage->start);
	sim_image_copy(&stage->start, &device->media.now);
	sim_device_close(device);
	free(device);
	/* One segment got there, one half-way, the rest not. */
	int other = 0;
	uint8_t *dev = stage->start.dev[other * SIM_CLASSES];
	const struct sim_release *release = sim_world_release(stage->world, stage->new_release);
	memcpy(dev + SIM_SEGMENT, release->image[0] + SIM_SEGMENT, SIM_SEGMENT);
	memcpy(dev + (size_t)2 * SIM_SEGMENT, release->image[0] + (size_t)2 * SIM_SEGMENT, 1024);
}

/* ---- acts ---- */

static int act_install(struct sim_device *device)
{
	return sim_device_install(device, false, false, false);
}

static int act_install_full(struct sim_device *device)
{
	return sim_device_install(device, true, false, false);
}

static int act_bundle_file(struct sim_device *device)
{
	return sim_device_install_bundle(device, false);
}

static int act_bundle_stream(struct sim_device *device)
{
	return sim_device_install_bundle(device, true);
}

static int act_install_threaded(struct sim_device *device)
{
	device->engine.new_writer = dcd_threaded_writer_new;
	return sim_device_install(device, false, false, false);
}

static int act_stage_activate(struct sim_device *device)
{
	int err = sim_device_install(device, false, true, false);
	if (err != 0) {
		return err;
	}
	err = sim_device_told(device, dcd_engine_activate(&device->engine, &device->diag));
	int look = dcd_engine_status(&device->engine, &device->state, &device->boot_state, NULL);
	return err != 0 ? err : look;
}

static int act_rollback(struct sim_device *device)
{
	int err = sim_device_told(device, dcd_engine_rollback(&device->engine, &device->diag));
	int look = dcd_engine_status(&device->engine, &device->state, &device->boot_state, NULL);
	return err != 0 ? err : look;
}

static int act_repair(struct sim_device *device)
{
	int err = sim_device_told(device, dcd_engine_repair(&device->engine, &device->report, &device->diag));
	int look = dcd_engine_status(&device->engine, &device->state, &device->boot_state, NULL);
	return err != 0 ? err : look;
}

/* ---- goals ---- */

static bool knows_bad(const struct sim_device *device, const struct sim_release *release)
{
	return dcd_life_is_known_bad(&device->state, &release->manifest_hash);
}

static const char *missing_new(const struct sim_stage *stage, struct sim_device *device)
{
	if (device->running_release != stage->new_release) {
		return "the new release doesn't run";
	}
	if (!device->boot_state.slot[device->boot_state.booted].good ||
	    device->boot_state.order[0] != device->boot_state.booted) {
		return "the new release isn't confirmed";
	}
	if (device->state.security_floor != stage->floor_after) {
		return "the security floor isn't the release's";
	}
	return device->state.phase == DCD_PHASE_IDLE ? NULL : "the journal isn't idle";
}

static const char *missing_fallback(const struct sim_stage *stage, struct sim_device *device)
{
	if (device->state.security_floor != stage->floor) {
		return "a release that never was confirmed raised the floor";
	}
	if (device->running_release != stage->old_release) {
		return "the old release doesn't run";
	}
	if (!knows_bad(device, sim_world_release(stage->world, stage->new_release))) {
		return "the bad release isn't known as bad";
	}
	if (device->state.last.kind != DCD_OUTCOME_ROLLED_BACK || device->state.last.reason[0] == '\0') {
		return "the reason of the rollback is not recorded";
	}
	return device->state.phase == DCD_PHASE_IDLE ? NULL : "the journal isn't idle";
}

static const char *missing_rollback(const struct sim_stage *stage, struct sim_device *device)
{
	if (device->running_release != stage->new_release) {
		return "the release that the user went back to doesn't run";
	}
	if (!device->boot_state.slot[device->boot_state.booted].good) {
		return "it isn't confirmed";
	}
	if (!knows_bad(device, sim_world_release(stage->world, stage->old_release))) {
		return "the release that was left would be installed again";
	}
	return device->state.phase == DCD_PHASE_IDLE ? NULL : "the journal isn't idle";
}

static const char *missing_withdraw(const struct sim_stage *stage, struct sim_device *device)
{
	if (device->running_release != stage->old_release) {
		return "the old release doesn't run";
	}
	int other = dcd_slot_other(device->boot_state.booted);
	const struct dcd_boot_slot *slot = &device->boot_state.slot[other];
	bool first = device->boot_state.order[0] == other && slot->bootable && (slot->good || slot->tries_left > 0);
	if (first || device->state.phase == DCD_PHASE_PENDING) {
		return "the flip was not taken back";
	}
	/* The power may have gone before it was, and then it was tried. */
	bool known = device->state.known_bad_count > 0 || sim_loader->one_try; /* which a firmware may forget, see came_back() */
	return device->left_bad && !known ? "what was tried and left isn't known as bad" : NULL;
}

static const char *missing_repair(const struct sim_stage *stage, struct sim_device *device)
{
	int other = dcd_slot_other(device->boot_state.booted);
	if (device->running_release != stage->old_release) {
		return "what ran doesn't run any more";
	}
	if (sim_world_slot_release(stage->world, &device->media.now, other) != 1) {
		return "the fallback isn't whole";
	}
	const struct dcd_boot_slot *slot = &device->boot_state.slot[other];
	if (!slot->bootable || (!slot->good && slot->tries_left == 0)) {
		return "the fallback can't boot";
	}
	return device->state.slot[other].content == DCD_CONTENT_VERIFIED && device->state.phase == DCD_PHASE_IDLE
		       ? NULL
		       : "the journal doesn't know that the fallback is whole";
}

const struct sim_flow sim_flows[] = {
	{ "first install", prepare_factory, act_install, missing_new, .begins_running = false },
	{ "first install, full", prepare_factory, act_install_full, missing_new, .begins_running = false },
	{ "delta install", prepare_delta, act_install, missing_new, .begins_running = false },
	{ "resumed install", prepare_resume, act_install, missing_new, .begins_running = false },
	{ "delta install, threaded", prepare_delta, act_install_threaded, missing_new, .begins_running = false },
	{ "images alike", prepare_alike, act_install, missing_new, .begins_running = false },
	{ "bundle, a file", prepare_delta, act_bundle_file, missing_new, .dies_without_memory = true },
	{ "bundle, a stream", prepare_delta, act_bundle_stream, missing_new, .dies_without_memory = true },
	{ "stage, then activate", prepare_delta, act_stage_activate, missing_new, .begins_running = false },
	{ "repair", prepare_repair, act_repair, missing_repair, .damaged = true },
	{ "trial that never confirms", prepare_bad, act_install, missing_fallback, .gives_up = false },
	{ "trial that gives up", prepare_bad, act_install, missing_fallback, .gives_up = true },
	{ "staged trial that never confirms", prepare_bad, act_stage_activate, missing_fallback, .gives_up = false },
	{ "user rollback", prepare_user_rollback, act_rollback, missing_rollback, .begins_running = false },
	{ "rollback before the reboot", prepare_withdraw, act_rollback, missing_withdraw, .begins_running = true },
	{ "user rollback that never confirms", prepare_user_rollback, act_rollback, missing_fallback, .gone_sick = true },
	{ "rollback of a bad one before the reboot", prepare_withdraw_bad, act_rollback, missing_withdraw,
	  .begins_running = true },
	{ "recovery from versions far ahead", prepare_fast_forward, act_install, missing_new, .begins_running = false },
	{ "security floor", prepare_floor, act_install, missing_new, .begins_running = false },
	{ "lost journal", prepare_lost_journal, act_install, missing_new, .begins_running = false },
	{ "root rotation", prepare_rotation, act_install, missing_new, .begins_running = false },
	{ "key algorithms", prepare_algorithms, act_install, missing_new, .begins_running = false },
	{ "lost keys", prepare_lost_key, act_install, missing_new, .begins_running = false },
	{ "newer over pending", prepare_pending, act_install, missing_new, .begins_running = true },
};
const int sim_flow_count = sizeof sim_flows / sizeof sim_flows[0];

/* ---- the loop ---- */

void sim_stage_open(struct sim_stage *stage, const struct sim_flow *flow, const struct sim_traits *traits, uint64_t seed)
{
	memset(stage, 0, sizeof *stage);
	stage->flow = flow;
	stage->traits = traits;
	stage->world = sim_world_new(seed);
	flow->prepare(stage);
	stage->generation = sim_world_generation(stage->world);
	stage->next_release = publish(stage, false, stage->floor_after);
	stage->next_generation = sim_world_generation(stage->world);
}

void sim_stage_close(struct sim_stage *stage)
{
	sim_image_clear(&stage->start);
	sim_world_free(stage->world);
}

/* A loader that gives one try takes a trial that was cut for one that failed. What was left is then known as bad, and said so. */
static bool lost_its_try(const struct sim_stage *stage, struct sim_device *device)
{
	return sim_loader->one_try && device->boot_state.slot[device->boot_state.booted].good &&
	       device->state.last.kind == DCD_OUTCOME_ROLLED_BACK && device->state.phase == DCD_PHASE_IDLE &&
	       knows_bad(device, sim_world_release(stage->world, stage->new_release));
}

static bool reached(const struct sim_stage *stage, struct sim_device *device)
{
	return stage->flow->missing(stage, device) == NULL || lost_its_try(stage, device);
}

uint64_t sim_flow_floor(const struct sim_stage *stage, struct sim_device *device)
{
	return lost_its_try(stage, device) ? stage->floor : stage->floor_after;
}

/* What a step does while memory may run short. */
static int watched(struct sim_device *device, int (*step)(struct sim_device *device))
{
	sim_device_watch(device);
	int err = step(device);
	sim_device_unwatch(device);
	return err;
}

static const char *round_of(const struct sim_stage *stage, struct sim_device *device, bool *ret_done)
{
	int err = watched(device, sim_device_settle);
	if (device->media.violation != NULL) {
		return device->media.violation;
	}
	if (err != 0 && err != DCD_ERR_NOT_CONFIRMED && !device->media.fault_struck) {
		return "status or confirmation failed";
	}
	if (err != 0) {
		return NULL;
	}
	if (reached(stage, device)) {
		*ret_done = true;
		return NULL;
	}
	(void)watched(device, stage->flow->act);
	*ret_done = reached(stage, device);
	return device->media.violation;
}

/* Once is a trial; once it was left, a bad release must not come back. */
static bool came_back(const struct sim_stage *stage, struct sim_device *device, bool *forgiven)
{
	bool bad = device->running_release >= 0 && (sim_world_release(stage->world, device->running_release)->bad ||
						    device->running_release + 1 == device->sick_release);
	device->left_bad = device->left_bad || (device->ran_bad && !bad);
	device->ran_bad = bad;
	if (bad && device->left_bad && sim_loader->one_try && !*forgiven) {
		/* A firmware that was cut between BootNext and DecadeTrial forgets that one trial (docs/boot.md). Never twice. */
		*forgiven = true;
		device->left_bad = false;
	}
	return bad && device->left_bad && !device->media.fault_struck;
}

const char *sim_flow_drive(const struct sim_stage *stage, struct sim_device *device, bool booted)
{
	const char *broken = NULL;
	bool forgiven = false;
	bool done = false;
	device->gives_up = stage->flow->gives_up;
	device->sick_release = stage->flow->gone_sick ? stage->new_release + 1 : 0;
	if (booted) {
		device->media.running = stage->running;
		device->running_release = stage->old_release;
	}
	for (int boots = 0; broken == NULL && !done; boots++) {
		if (boots > SIM_BOOTS_MAX) {
			const char *missing = stage->flow->missing(stage, device);
			return missing != NULL ? missing : "the device doesn't settle";
		}
		int err = booted && boots == 0 ? 0 : sim_device_boot(device);
		if (err != 0 && !device->media.fault_struck) {
			return "the loader can't boot";
		}
		if (err == 0 && device->running_release < 0) {
			return "content runs that nobody verified";
		}
		if (err == 0 && came_back(stage, device, &forgiven)) {
			return "a bad release was tried again after it was left";
		}
		if (err == 0) {
			broken = round_of(stage, device, &done);
		}
	}
	return broken;
}

const char *sim_flow_check(const struct sim_stage *stage, const struct sim_image *image, uint64_t floor, uint64_t *ret_floor)
{
	return sim_check_media(stage->world, image, stage->flow->damaged ? &stage->start : NULL, floor, ret_floor);
}

const char *sim_flow_next_install(const struct sim_stage *stage, const struct sim_image *image)
{
	struct sim_device *device = calloc(1, sizeof *device);
	const char *broken = "the next install didn't end right";
	if (device == NULL) {
		abort();
	}
	sim_device_open(device, stage->world, stage->next_generation, image, stage->traits, NULL);
	for (int boots = 0; boots < SIM_BOOTS_MAX && broken != NULL; boots++) {
		int err = sim_device_boot(device);
		if (err != 0) {
			broken = "the loader can't boot before the next install";
			break;
		}
		err = sim_device_settle(device);
		if (err == 0 && device->running_release == stage->next_release) {
			broken = NULL;
		} else if (err == 0) {
			(void)sim_device_install(device, false, false, false);
		}
	}
	if (broken == NULL && device->media.violation != NULL) {
		broken = device->media.violation;
	}
	if (broken == NULL) {
		broken = sim_flow_check(stage, &device->media.now, stage->floor, NULL);
	}
	sim_device_close(device);
	free(device);
	return broken;
}
