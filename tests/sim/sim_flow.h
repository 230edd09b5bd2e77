/*
 * What a device is asked for, as a goal: each flow has a state that it starts from, the thing that it does again and again until
 * the goal is reached, and what must then be true. The same loop runs the flow undisturbed and after any cut or fault.
 */
#ifndef DCD_TESTS_SIM_SIM_FLOW_H
#define DCD_TESTS_SIM_SIM_FLOW_H

#include "tests/sim/sim_device.h"

#define SIM_BOOTS_MAX 12 /* until a device is stable, whatever happened */

struct sim_stage; /* one flow, prepared */

struct sim_flow {
	const char *name;
	/* Brings the world to where the flow begins and makes the media; returns the generation that the device sees. */
	void (*prepare)(struct sim_stage *stage);
	/* Asks the device for what the flow is about; called after each boot while the goal isn't reached. */
	int (*act)(struct sim_device *device);
	/* Null when it is reached, else what is missing. */
	const char *(*missing)(const struct sim_stage *stage, struct sim_device *device);
	bool begins_running; /* the first act comes before any boot: slot 0 or 1 runs already */
	bool gives_up;
	bool gone_sick; /* new_release, which once was good, no longer comes up healthy */
	/* libarchive ends the program when it gets no memory: for the device a cut, of which there are enough, but the explorer's
	 * end. */
	bool dies_without_memory;
	bool damaged; /* a slot is spoilt from the start */
};

struct sim_stage {
	const struct sim_flow *flow;
	const struct sim_traits *traits;
	struct sim_world *world;
	struct sim_image start;
	int generation;      /* that the device sees during the flow */
	int next_generation; /* one good release later: the next install */
	int old_release, new_release, next_release;
	uint64_t floor, floor_after;
	int running; /* with begins_running */
};

extern const struct sim_flow sim_flows[];
extern const int sim_flow_count;

void sim_stage_open(struct sim_stage *stage, const struct sim_flow *flow, const struct sim_traits *traits, uint64_t seed);
void sim_stage_close(struct sim_stage *stage);

/*
 * Runs the device until the flow's goal is reached. Null, or what is broken. `booted`: the first round comes without a boot.
 * `tolerant`: a fault is pending, so that single steps may fail.
 */
const char *sim_flow_drive(const struct sim_stage *stage, struct sim_device *device, bool booted);
/* The security floor that a device has then. */
uint64_t sim_flow_floor(const struct sim_stage *stage, struct sim_device *device);
/* sim_check_media() with what the flow began with. */
const char *sim_flow_check(const struct sim_stage *stage, const struct sim_image *image, uint64_t floor, uint64_t *ret_floor);
/* The next release, after the goal. */
const char *sim_flow_next_install(const struct sim_stage *stage, const struct sim_image *image);

#endif
