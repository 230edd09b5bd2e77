/* A simulated device in a unit test's hands: made, updated, looked at, damaged. */
#ifndef DCD_TESTS_UNIT_ENGINE_LAB_H
#define DCD_TESTS_UNIT_ENGINE_LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/sim_device.h"

static const struct sim_traits traits = { .name = "a test's", .sector = 512, .drive_cache = true };

struct lab {
	struct sim_world *world;
	struct sim_image image;
	struct sim_device device;
	struct sim_log log;
};

static inline void publish(struct lab *lab, bool bad, uint64_t security_version)
{
	(void)sim_world_publish(lab->world, &(struct sim_publication){
						    .bad = bad, .security_version = security_version, .stone = -1, .bases = 2 });
}

/* Powers the device on with what is there now. */
static inline void power_on(struct lab *lab)
{
	if (lab->device.boot != NULL) {
		sim_image_clear(&lab->image);
		sim_image_copy(&lab->image, &lab->device.media.now);
		sim_device_close(&lab->device);
		memset(&lab->device, 0, sizeof lab->device);
	}
	sim_device_open(&lab->device, lab->world, sim_world_generation(lab->world), &lab->image, &traits, &lab->log);
	assert_int_equal(sim_device_boot(&lab->device), 0);
}

/* Another device like the lab's, off; device_gone() ends it. */
static inline struct sim_device *device_like(struct lab *lab)
{
	struct sim_device *device = calloc(1, sizeof *device);
	assert_non_null(device);
	sim_device_open(device, lab->world, sim_world_generation(lab->world), &lab->image, &traits, NULL);
	return device;
}

static inline void device_gone(struct sim_device *device)
{
	sim_device_close(device);
	free(device);
}

/*
 * Runs `step` on a device like the lab's as often as it allocates, with one allocation failing each time: that may cost what was
 * asked for, but then for this reason. A key that can't be held is one that can't verify: where others can, that is no failure.
 */
static inline void fail_each_allocation(struct lab *lab, int (*step)(struct sim_device *device))
{
	int failures = 0;
	bool struck = true;
	if (!sim_alloc_can_watch()) {
		skip();
	}
	for (unsigned long at = 0; struck; at++) {
		struct sim_device *device = device_like(lab);
		assert_int_equal(sim_device_boot(device), 0);
		device->memory = (struct sim_memory){ .fails = true, .fail_at = at };
		sim_device_watch(device);
		int err = step(device);
		sim_device_unwatch(device);
		struck = device->memory.struck;
		assert_true(err == 0 || (struck && err == DCD_ERR_NO_MEMORY));
		failures += err != 0;
		device_gone(device);
	}
	assert_true(failures > 20);
}

/* Runs release 1.0 from the factory; 1.1 is there, good or bad. */
static inline int begin(void **state, bool bad)
{
	struct lab *lab = calloc(1, sizeof *lab);
	if (lab == NULL) {
		return -1;
	}
	lab->world = sim_world_new(7);
	publish(lab, false, 0);
	sim_device_factory(lab->world, 0, &lab->image);
	publish(lab, bad, 0);
	power_on(lab);
	*state = lab;
	return 0;
}

static inline int begin_good(void **state)
{
	return begin(state, false);
}

static inline int begin_bad(void **state)
{
	return begin(state, true);
}

static inline int end(void **state)
{
	struct lab *lab = *state;
	sim_device_close(&lab->device);
	sim_image_clear(&lab->image);
	sim_log_clear(&lab->log);
	sim_world_free(lab->world);
	free(lab);
	return 0;
}

static inline void spoil(struct lab *lab, const char *name)
{
	struct sim_files *files = &lab->device.media.now.dir[SIM_STATE_DIR];
	if (sim_files_find(files, name) != NULL) {
		sim_files_put(files, name, sim_blob_new("rotten", 6));
	}
}

static inline void spoil_journal(struct lab *lab)
{
	spoil(lab, "journal.0");
	spoil(lab, "journal.1");
}

static inline int look(struct lab *lab)
{
	struct sim_device *device = &lab->device;
	return dcd_engine_status(&device->engine, &device->state, &device->boot_state, &device->diag);
}

static inline void install(struct lab *lab)
{
	assert_int_equal(sim_device_install(&lab->device, false, false, false), 0);
}

/* Operations on a file of the state folder since `from`. */
static inline int touched(const struct lab *lab, const char *name, size_t from)
{
	int count = 0;
	for (size_t i = from; i < lab->log.count; i++) {
		const struct sim_op *op = &lab->log.ops[i];
		count += (op->kind == SIM_RENAME && strcmp(op->to, name) == 0) ||
			 (op->kind == SIM_FILE_WRITE && strcmp(op->name, name) == 0);
	}
	return count;
}

static inline int check(struct lab *lab)
{
	return dcd_engine_check(&lab->device.engine, &lab->device.report, &lab->device.diag);
}

static inline int repair(struct lab *lab)
{
	return dcd_engine_repair(&lab->device.engine, &lab->device.report, &lab->device.diag);
}

/* Runs 1.1, confirmed; 1.0 is the fallback, with a record since the update. */
static inline void update(struct lab *lab)
{
	install(lab);
	power_on(lab);
	assert_int_equal(sim_device_settle(&lab->device), 0);
	assert_int_equal(lab->device.running_release, 1);
}

#endif
