#include "tools/repo/repo_encode.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bsdiff/diff/encode.h"
#include "bsdiff/diff/ordered_pool.h"
#include "tools/repo/repo_delta.h"
#include "tools/repo/repo_job.h"
#include "tools/repo/repo_text.h"

struct encoding {
	struct repo_publish *publish;
	struct repo_delta_target target;
	struct repo_encoded_image *out;
	/* The deltas. */
	struct repo_base *bases;
	size_t base_count;
	struct repo_progress line;
	pthread_mutex_t line_lock;
	size_t makable; /* deltas */
	size_t finished;
	uint64_t bytes_done;
};

static void payload_path(const struct dcd_release_payload *payload, char **ret_relative)
{
	char below[DCD_RELEASE_PAYLOAD_PATH_SIZE];
	dcd_release_payload_path(payload, below);
	*ret_relative = repo_text("targets/%s", below);
}

static void add_payload(struct encoding *e, const struct dcd_release_payload *payload)
{
	struct repo_encoded_image *out = e->out;
	out->payloads = repo_grow(out->payloads, out->image.payload_count + 1, sizeof *out->payloads);
	out->payloads[out->image.payload_count++] = *payload;
	out->image.payloads = out->payloads;
}

static void add_report(struct encoding *e, const char *base_version, enum repo_delta_fate fate, uint64_t length)
{
	struct repo_encoded_image *out = e->out;
	out->reports = repo_grow(out->reports, out->report_count + 1, sizeof *out->reports);
	out->reports[out->report_count++] = (struct repo_delta_report){ base_version, fate, length };
}

/* Gives a cached payload its name, unless the repository or this release has it already. */
static int keep_payload(struct encoding *e, const struct dcd_hash *base_id, const struct dcd_release_payload *payload,
			struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *relative = NULL;
	payload_path(payload, &relative);
	DCD_AUTO_FREE char *published = repo_text("%s/%s", e->publish->place->root, relative);
	DCD_AUTO_FREE char *staged = repo_publish_path(e->publish, relative);
	add_payload(e, payload);
	if (repo_file_exists(published) || repo_file_exists(staged)) {
		struct repo_payload present;
		/* Same name, same table: but is the file whole? */
		int err = repo_payload_open(repo_file_exists(published) ? published : staged, &e->out->image, payload, &present,
					    diag);
		if (err == 0) {
			err = repo_payload_check_frames(&present, &(struct repo_progress){ 0 }, diag);
			repo_payload_close(&present);
		}
		return err;
	}
	DCD_AUTO_FREE char *name = repo_job_result(base_id, &e->out->image.image_id, &e->target.recipe);
	DCD_AUTO_FREE char *cached = repo_cache_path(e->target.cache, name);
	int err = repo_cache_link(cached, staged, diag);
	if (err == 0) {
		err = repo_file_sync_parent(staged, diag);
	}
	if (err == 0) {
		repo_publish_add(e->publish, relative);
	}
	return err;
}

static int encode_full(struct encoding *e, const struct repo_options *options, const char *class_name, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *what = repo_text("%s, full", class_name);
	uint32_t segment_size = options->segment_size != 0 ? options->segment_size : DCD_SEGMENT_SIZE_DEFAULT;
	struct dcd_release_payload payload;
	int err = repo_delta_full(&e->target, segment_size, what, &payload, diag);
	if (err != 0) {
		return err;
	}
	e->out->image.image_id = e->target.image.image_id;
	e->out->image.size = e->target.image.size;
	e->out->image.segment_size = segment_size;
	return keep_payload(e, NULL, &payload, diag);
}

/* ---- deltas, several at a time ---- */

/* What became of one, on its way to the thread that collects them in order. */
struct made_delta {
	int err;
	struct dcd_diag diag;
	struct dcd_release_payload payload;
	enum repo_delta_fate fate;
};

struct delta_progress {
	struct encoding *e;
	uint64_t counted; /* bytes of this delta that are in e->bytes_done */
};

static void progress_to(struct delta_progress *progress, uint64_t bytes, bool finished)
{
	struct encoding *e = progress->e;
	pthread_mutex_lock(&e->line_lock);
	e->bytes_done += bytes > progress->counted ? bytes - progress->counted : 0;
	e->finished += finished ? 1U : 0U;
	progress->counted = bytes > progress->counted ? bytes : progress->counted;
	char phase[64];
	(void)snprintf(phase, sizeof phase, "%zu of %zu deltas,", e->finished, e->makable);
	repo_progress_step(&e->line, phase, e->bytes_done, e->makable * e->target.image.size);
	pthread_mutex_unlock(&e->line_lock);
}

static void delta_step(void *context, uint64_t bytes)
{
	progress_to(context, bytes, false);
}

static int make_delta(const struct encoding *e, const struct repo_base *base, struct delta_progress *progress,
		      struct made_delta *made)
{
	struct repo_payload full;
	const struct repo_delta_step step = { delta_step, progress };
	int err = repo_base_open(e->publish->place->root, base->image, &full, &made->diag);
	if (err == 0) {
		err = repo_delta_make(&e->target, &full, &step, &made->payload, &made->diag);
		repo_payload_close(&full);
	}
	if (err != 0) {
		return dcd_diag_prefix(&made->diag, err, "release %s can't be a base (--bases none does without)", base->version);
	}
	made->payload.base_version = base->version;
	made->fate = repo_delta_is_worth_it(made->payload.length, e->target.full.len) ? REPO_DELTA_KEPT : REPO_DELTA_NOT_WORTH_IT;
	return 0;
}

static int delta_work(void *context, unsigned worker, uint64_t index, void *slot)
{
	struct encoding *e = context;
	struct made_delta *made = slot;
	const struct repo_base *base = &e->bases[index];
	(void)worker;
	*made = (struct made_delta){ .fate = base->fate };
	if (base->fate == REPO_DELTA_KEPT) {
		struct delta_progress progress = { .e = e };
		made->err = make_delta(e, base, &progress, made);
		progress_to(&progress, e->target.image.size, true);
	}
	return 0; /* an error is told in its turn, whichever comes first */
}

static int delta_deliver(void *context, uint64_t index, void *slot)
{
	struct encoding *e = context;
	const struct made_delta *made = slot;
	const struct repo_base *base = &e->bases[index];
	if (made->err == 0) {
		add_report(e, base->version, made->fate, made->payload.length);
	}
	if (made->err != 0 || made->fate != REPO_DELTA_KEPT) {
		return made->err;
	}
	return keep_payload(e, &base->image->image_id, &made->payload, &((struct made_delta *)slot)->diag);
}

static int run_jobs(struct encoding *e, unsigned jobs, struct dcd_diag *diag)
{
	struct made_delta *slots = repo_alloc(dcd_pool_slots(jobs), sizeof *slots);
	const struct dcd_pool_job pool = { .work = delta_work,
					   .deliver = delta_deliver,
					   .context = e,
					   .workers = jobs,
					   .slots = slots,
					   .slot_size = sizeof *slots };
	int err = dcd_pool_run(&pool, 0, e->base_count);
	for (unsigned i = 0; err != 0 && i < dcd_pool_slots(jobs); i++) {
		if (slots[i].diag.err == err) {
			(void)dcd_diag_set(diag, err, "%s", slots[i].diag.text);
			break;
		}
	}
	free(slots);
	return err;
}

static int encode_deltas(struct encoding *e, const struct repo_options *options, const char *class_name, struct dcd_diag *diag)
{
	for (size_t i = 0; i < e->base_count; i++) {
		e->makable += e->bases[i].fate == REPO_DELTA_KEPT ? 1U : 0U;
	}
	unsigned jobs = options->jobs > 0 ? (unsigned)options->jobs : 1;
	jobs = jobs > e->base_count && e->base_count > 0 ? (unsigned)e->base_count : jobs;
	unsigned cores = dcd_pool_workers(options->threads);
	e->target.threads = cores > jobs ? (int)(cores / jobs) : 1;
	pthread_mutex_init(&e->line_lock, NULL);
	repo_progress_begin(&e->line, class_name);
	int err = run_jobs(e, jobs, diag);
	repo_progress_end(&e->line);
	pthread_mutex_destroy(&e->line_lock);
	return err;
}

int repo_encode_image(const struct repo_view *view, struct repo_publish *publish, const struct repo_cache *cache,
		      const struct repo_options *options, const struct repo_image_option *image, struct repo_encoded_image *ret,
		      struct dcd_diag *diag)
{
	struct encoding e = { .publish = publish, .out = ret };
	*ret = (struct repo_encoded_image){ .image = { .class_name = image->class_name } };
	DCD_AUTO_FREE char *scratch = repo_publish_scratch(publish, ".");
	e.target = (struct repo_delta_target){
		.recipe = options->recipe, .threads = options->threads, .scratch = scratch, .cache = cache
	};
	int err = repo_file_map(image->file, &e.target.bytes, diag);
	if (err == 0) {
		err = encode_full(&e, options, image->class_name, diag);
	}
	if (err == 0) {
		e.bases = repo_bases_list(view, publish->place->root, image->class_name, options->bases, ret->image.segment_size,
					  &e.base_count);
		err = encode_deltas(&e, options, image->class_name, diag);
	}
	free(e.bases);
	repo_file_unmap(&e.target.full);
	repo_file_unmap(&e.target.bytes);
	return err;
}

void repo_encoded_image_free(struct repo_encoded_image *image)
{
	free(image->payloads);
	free(image->reports);
	*image = (struct repo_encoded_image){ 0 };
}

void repo_encoded_image_print(const struct repo_encoded_image *image)
{
	static const char *const fates[] = {
		[REPO_DELTA_KEPT] = "",
		[REPO_DELTA_NOT_WORTH_IT] = "  dropped: not below 90 % of the full payload",
		[REPO_DELTA_SEGMENT_SIZE] = "  not made: the base has another segment size",
		[REPO_DELTA_NO_BASE] = "  not made: its full payload is no longer here",
		[REPO_DELTA_TOO_MANY] = "  not made: too many payloads",
	};
	uint64_t full = image->payloads[0].length;
	printf("%-12s %-16s %14llu  100.0 %%  (image: %llu)\n", image->image.class_name, "full", (unsigned long long)full,
	       (unsigned long long)image->image.size);
	for (size_t i = 0; i < image->report_count; i++) {
		const struct repo_delta_report *report = &image->reports[i];
		double percent = full == 0 ? 0 : 100.0 * (double)report->length / (double)full;
		printf("%-12s %-16s %14llu  %5.1f %%%s\n", image->image.class_name, report->base_version,
		       (unsigned long long)report->length, percent, fates[report->fate]);
	}
}
