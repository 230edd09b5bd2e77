/* A release as one file, which the host's own writer makes; and the device that reads it. */
#ifndef DCD_TESTS_SIM_SIM_BUNDLE_H
#define DCD_TESTS_SIM_SIM_BUNDLE_H

#include "manifest/release/release.h"
#include "tests/sim/sim_world.h"

/* Serves it as SIM_BUNDLE: the metadata of now, the manifest, all payloads. */
void sim_bundle_serve(struct sim_world *world, const struct sim_release *made, const struct dcd_release *release);

/* The bundle of `network`'s generation, read from a medium with that network's faults. As a stream it is gone once read. */
int sim_bundle_open(struct sim_source *network, bool stream, struct dcd_source **ret, struct dcd_diag *diag);

#endif
