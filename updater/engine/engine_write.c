/* From a release to a slot that holds it: devices and tables first, then every image. */
#include <string.h>

#include "updater/engine/engine_run.h"

static int too_small(const struct dcd_run *run, const struct dcd_release_image *image, const struct dcd_blockdev *target,
		     struct dcd_diag *diag)
{
	return dcd_diag_set(diag, DCD_ERR_SLOT_TOO_SMALL, "%s has %llu bytes, but the image '%s' of release %s needs %llu",
			    target->name, (unsigned long long)target->size, image->class_name, run->release->version,
			    (unsigned long long)image->size);
}

size_t dcd_run_twin(const struct dcd_run *run, size_t index)
{
	const struct dcd_release_image *images = run->release->images;
	size_t i = 0;
	while (i < index && (!dcd_hash_equal(&images[i].image_id, &images[index].image_id) ||
			     images[i].size != images[index].size || images[i].segment_size != images[index].segment_size)) {
		i++;
	}
	return i;
}

/* What an install would find out before it writes: that each image fits, and that the source has a payload for it. Nothing is
 * fetched. */
int dcd_run_check_images(struct dcd_run *run, struct dcd_diag *diag)
{
	struct dcd_slot_port *slots = &run->engine->slots;
	for (size_t i = 0; i < run->release->image_count; i++) {
		const struct dcd_release_image *image = &run->release->images[i];
		struct dcd_blockdev *target = NULL;
		int err = slots->open(slots->context, run->slot, image->class_name, false, &target, diag);
		if (err == 0) {
			err = image->size > target->size ? too_small(run, image, target, diag) : 0;
			target->ops->close(target);
		}
		if (err == 0 && dcd_run_twin(run, i) == i) {
			err = dcd_image_check_offered(run->engine->source, DCD_TARGETS_PREFIX, image,
						      dcd_run_running_image_id(run, image->class_name), diag);
		}
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

static int open_devices(struct dcd_run *run, struct dcd_image_job *job, bool full, struct dcd_diag *diag)
{
	struct dcd_slot_port *slots = &run->engine->slots;
	int err = slots->open(slots->context, run->slot, job->image->class_name, true, &job->target, diag);
	if (err != 0) {
		return err;
	}
	if (job->image->size > job->target->size) {
		return too_small(run, job->image, job->target, diag);
	}
	job->base_id = full ? NULL : dcd_run_running_image_id(run, job->image->class_name);
	if (job->base_id == NULL) {
		return 0;
	}
	/* A running slot that can't be opened costs the delta, not the update. */
	if (slots->open(slots->context, run->session.boot.booted, job->image->class_name, false, &job->base, NULL) != 0) {
		job->base = NULL;
	}
	return 0;
}

int dcd_run_open_jobs(struct dcd_run *run, bool full, struct dcd_diag *diag)
{
	struct dcd_engine *engine = run->engine;
	run->image_ports = (struct dcd_image_ports){
		.source = engine->source,
		.targets_prefix = DCD_TARGETS_PREFIX,
		.stream = engine->stream,
		.new_writer = engine->new_writer,
		.alg = engine->alg,
		.zstd = engine->zstd,
		.packer = engine->packer,
		.pack_memory_max = engine->pack_memory_max,
		.progress = &engine->progress,
	};
	int err = 0;
	for (size_t i = 0; err == 0 && i < run->release->image_count; i++) {
		struct dcd_image_job *job = &run->jobs[i];
		job->ports = &run->image_ports;
		job->image = &run->release->images[i];
		job->stats = &run->report->stats;
		job->shared = &run->progress;
		job->twin = dcd_run_twin(run, i) < i ? &run->jobs[dcd_run_twin(run, i)] : NULL;
		err = open_devices(run, job, full, diag);
	}
	for (size_t i = 0; err == 0 && i < run->release->image_count; i++) {
		err = dcd_image_job_open(&run->jobs[i], diag);
	}
	return err;
}

static uint64_t image_bytes(const struct dcd_run *run)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < run->release->image_count; i++) {
		sum += run->release->images[i].size;
	}
	return sum;
}

/* *ret_todo: segments that are not right yet, in all images. */
int dcd_run_scan(struct dcd_run *run, uint64_t *ret_todo, struct dcd_diag *diag)
{
	uint64_t todo = 0, todo_bytes = 0;
	run->progress.done = 0;
	run->progress.total = image_bytes(run);
	for (size_t i = 0; i < run->release->image_count; i++) {
		struct dcd_image_job *job = &run->jobs[i];
		int err = dcd_image_job_scan(job, diag);
		if (err != 0) {
			return err;
		}
		todo += job->todo;
		todo_bytes += job->todo * job->image->segment_size;
	}
	run->progress.done = 0;
	run->progress.total = todo_bytes < image_bytes(run) ? todo_bytes : image_bytes(run);
	*ret_todo = todo;
	return 0;
}

/* The loader forgets the slot before its first byte changes; the journal says what it is becoming. */
static int begin_writing(struct dcd_run *run, struct dcd_diag *diag)
{
	const struct dcd_device_state before = run->session.state;
	dcd_life_begin_writing(&run->session.state, &run->session.boot, run->slot, run->release);
	int err = dcd_session_store_boot(&run->session, diag);
	if (err != 0) {
		run->session.state = before; /* the reason of the failure goes to the journal; what didn't begin must not */
		return err;
	}
	return dcd_session_store_journal(&run->session, diag);
}

static int write_images(struct dcd_run *run, struct dcd_diag *diag)
{
	for (size_t i = 0; i < run->release->image_count; i++) {
		int err = dcd_image_job_run(&run->jobs[i], diag);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

int dcd_run_write_slot(struct dcd_run *run, struct dcd_diag *diag)
{
	int err = begin_writing(run, diag);
	if (err == 0) {
		err = write_images(run, diag);
	}
	return err != 0 ? err : dcd_source_finish(run->engine->source, diag);
}
