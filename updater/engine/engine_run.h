/*
 * One run of check, install or repair, and its steps: what the engine's operations are put together from. Not for anybody else.
 */
#ifndef DCD_UPDATER_ENGINE_ENGINE_RUN_H
#define DCD_UPDATER_ENGINE_ENGINE_RUN_H

#include "updater/engine/engine_state.h"
#include "updater/engine/policy.h"

#define DCD_TARGETS_PREFIX "targets/"

/* One run of check, install or repair. */
struct dcd_run {
	struct dcd_engine *engine;
	struct dcd_session session;
	struct dcd_policy policy;
	struct dcd_tuf *tuf;
	struct dcd_tuf_target target;
	struct dcd_release *release;
	int slot;                     /* the one to be written */
	struct dcd_slot_record bases; /* images that the running slot was found to hold, where it has no record */
	struct dcd_image_ports image_ports;
	struct dcd_image_job jobs[DCD_RELEASE_IMAGES_MAX];
	struct dcd_progress progress;
	struct dcd_report *report;
};

/* ---- begin and end (engine_run.c) ---- */

/* What a run does between its begin and its end. */
typedef int dcd_run_step(struct dcd_run *run, const void *options, struct dcd_diag *diag);

/*
 * One run: opens it, does `step` and closes it. When the step fails, the reason stays, in the journal, for status and for the
 * report; the step's error is the one that is returned. `again`: policy.h.
 */
DCD_NODISCARD int dcd_run_do(struct dcd_engine *engine, bool again, dcd_run_step *step, const void *options,
			     struct dcd_report *report, struct dcd_diag *diag);

struct dcd_slot_record *dcd_run_running_record(struct dcd_run *run);
/* The image that the running slot is known to hold in that class, or null. */
const struct dcd_hash *dcd_run_running_image_id(struct dcd_run *run, const char *class_name);
/* A text cut to its room; null is "". */
void dcd_run_set_text(char *to, size_t size, const char *from);

/* ---- which release (engine_select.c) ---- */

DCD_NODISCARD int dcd_run_refresh(struct dcd_run *run, struct dcd_diag *diag);
/* The manifest of run->target. */
DCD_NODISCARD int dcd_run_load_release(struct dcd_run *run, struct dcd_diag *diag);
/* Refresh, find out what runs, choose: run->release is what this device should have, or the error says why there is none. */
DCD_NODISCARD int dcd_run_select(struct dcd_run *run, struct dcd_diag *diag);
/* What the chosen payloads take, for the report. */
void dcd_run_estimate(struct dcd_run *run, bool no_delta);

/* ---- from the release to the slot (engine_write.c) ---- */

/* The first image of the release that has the same content as image `index`; itself when there is none before it. */
size_t dcd_run_twin(const struct dcd_run *run, size_t index);

/* What an install would find out before it writes. Nothing is fetched. */
DCD_NODISCARD int dcd_run_check_images(struct dcd_run *run, struct dcd_diag *diag);
/* Devices and payload tables of every image. Nothing is written. */
DCD_NODISCARD int dcd_run_open_jobs(struct dcd_run *run, bool full, struct dcd_diag *diag);
/* *ret_todo: segments that are not right yet, in all images. */
DCD_NODISCARD int dcd_run_scan(struct dcd_run *run, uint64_t *ret_todo, struct dcd_diag *diag);
/* The loader forgets the slot, the journal says what it becomes, every image is written, the source is read to its end. */
DCD_NODISCARD int dcd_run_write_slot(struct dcd_run *run, struct dcd_diag *diag);

#endif
