/*
 * A simulated device: the real engine, TUF client, delta decoder, journal and boot state of the loader `file`, over simulated
 * media and network, and the loop that a device runs for years: boot, look, confirm when healthy, do what it was asked for.
 */
#ifndef DCD_TESTS_SIM_SIM_DEVICE_H
#define DCD_TESTS_SIM_SIM_DEVICE_H

#include "tests/sim/sim_alloc.h"
#include "tests/sim/sim_crash.h"
#include "tests/sim/sim_world.h"
#include "updater/engine/engine.h"

#define SIM_TRIES 3 /* two cuts in a trial must not spend them */

struct sim_device {
	struct sim_media media;
	struct sim_source source;
	struct dcd_plain_stream stream;
	struct dcd_boot_control *boot;
	struct dcd_journal *journal;
	struct dcd_engine engine;
	const struct sim_world *world;
	struct sim_memory memory;
	int watched;         /* depth of sim_device_watch() */
	int64_t clock;       /* what the device believes, seconds since 1970 */
	bool gives_up;       /* the health check of a bad release says so, instead of hanging until the tries are spent */
	bool sick;           /* what runs fails its health check, whatever it is */
	int sick_release;    /* 1 + the release that fails it, though it once passed; 0: none */
	bool ran_bad;        /* when the power went, a bad release ran */
	bool left_bad;       /* one ran before, and no longer does */
	int running_release; /* by the bytes of the running slot */
	struct dcd_device_state state; /* as status showed it last */
	struct dcd_boot_state boot_state;
	struct dcd_report report;
	struct dcd_diag diag;
	uint64_t boots, trials;
};

/* Powered off, with `image` on its media. `device` is set to zero by the caller; `log` may be null. */
void sim_device_open(struct sim_device *device, const struct sim_world *world, int generation, const struct sim_image *image,
		     const struct sim_traits *traits, struct sim_log *log);
void sim_device_close(struct sim_device *device);

/* A new device from the factory: release in slot a, nothing known. */
void sim_device_factory(const struct sim_world *world, int release, struct sim_image *ret);

/* Power on: the loader chooses, counts, and jumps. 0, or why it could not. */
int sim_device_boot(struct sim_device *device);

/* What a device does after each boot: looks, and confirms or gives up a trial. */
int sim_device_settle(struct sim_device *device);

/* From a bundle that the world serves, as a file or as a stream on stdin. */
int sim_device_install_bundle(struct sim_device *device, bool stream);

/* Between these, the device's memory may run short. They nest. */
void sim_device_watch(struct sim_device *device);
void sim_device_unwatch(struct sim_device *device);

int sim_device_install(struct sim_device *device, bool full, bool no_activate, bool again);

/* Every path by which something is told to be done ends here: from now on it must be durable. */
int sim_device_told(struct sim_device *device, int err);

/*
 * The invariants of media without power, whatever happened before. Null, or the sentence of the first that is broken. `floor` is
 * the security floor that must not have fallen; *ret_floor, unless null, the one that is there. A slot that still holds exactly
 * what it holds in `damaged` (may be null) was spoilt before anybody could know.
 */
const char *sim_check_media(const struct sim_world *world, const struct sim_image *image, const struct sim_image *damaged,
			    uint64_t floor, uint64_t *ret_floor);

#endif
