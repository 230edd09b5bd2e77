/* decade-repo work: does jobs that `plan` wrote down. Needs REPO's payloads and the cache, neither keys nor metadata. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_delta.h"
#include "tools/repo/repo_job.h"
#include "tools/repo/repo_text.h"

struct work {
	const struct repo_place *place;
	struct repo_cache cache;
	struct repo_delta_target target; /* of the job before: jobs of one image come together as a rule */
	struct repo_progress line;
};

/* A payload file without a release: what it says of itself, as a release that is held to it. */
static int open_unsigned(const char *path, struct dcd_release_image *ret_image, struct repo_payload *ret, struct dcd_diag *diag)
{
	struct dcd_release_payload said;
	struct dcd_release_image image = { 0 };
	int err = repo_payload_describe(path, &said, &image, diag);
	if (err == 0) {
		err = repo_payload_open(path, &image, &said, ret, diag);
	}
	if (err == 0) {
		*ret_image = image;
	}
	return err;
}

static void forget_target(struct work *work)
{
	repo_file_unmap(&work->target.full);
	repo_file_unmap(&work->target.bytes);
	work->target.image = (struct dcd_release_image){ 0 };
}

/* The new image, rebuilt from its full payload in the cache. */
static int take_target(struct work *work, const struct repo_job *job, struct dcd_diag *diag)
{
	struct repo_delta_target *target = &work->target;
	if (dcd_hash_equal(&target->image.image_id, &job->image_id) && target->recipe.effort == job->recipe.effort) {
		target->recipe = job->recipe; /* deltas' own; the full payload is the same */
		return 0;
	}
	forget_target(work);
	target->recipe = job->recipe;
	DCD_AUTO_FREE char *name = repo_job_result(NULL, &job->image_id, &job->recipe);
	DCD_AUTO_FREE char *path = repo_cache_path(target->cache, name);
	struct dcd_release_image image;
	struct repo_payload full;
	int err = open_unsigned(path, &image, &full, diag);
	if (err != 0) {
		return dcd_diag_prefix(diag, err, "the new image's full payload, which `plan` puts into the cache");
	}
	if (full.view.base_size != 0 || !dcd_hash_equal(&image.image_id, &job->image_id)) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: is the payload of something else", path);
	}
	if (err == 0) {
		err = repo_delta_rebuild(&full, target->scratch, &target->bytes, diag);
	}
	repo_payload_close(&full);
	if (err == 0) {
		err = repo_file_map(path, &target->full, diag);
		target->image = image;
	}
	return err;
}

static int open_base(const struct work *work, const struct repo_job *job, struct repo_payload *ret, struct dcd_diag *diag)
{
	char hex[DCD_HASH_HEX_SIZE];
	dcd_hash_to_hex(&job->base_table, hex);
	DCD_AUTO_FREE char *path = repo_text("%s/targets/payloads/%s.dcp", work->place->root, hex);
	struct dcd_release_payload said;
	struct dcd_release_image image;
	int err = repo_payload_describe(path, &said, &image, diag);
	if (err == 0 && (!dcd_hash_equal(&said.table_hash, &job->base_table) || said.base_size != 0)) {
		err = dcd_diag_set(diag, DCD_ERR_HASH, "%s: is not the payload that its name says", path);
	}
	if (err == 0 && image.segment_size != work->target.image.segment_size) {
		err = dcd_diag_set(diag, DCD_ERR_USAGE, "%s: has another segment size than the new image", path);
	}
	return err != 0 ? err : repo_payload_open(path, &image, &said, ret, diag);
}

static void show_step(void *context, uint64_t bytes)
{
	struct work *work = context;
	repo_progress_step(&work->line, "encoding", bytes, work->target.image.size);
}

/* Whether somebody has done the job. A file appears whole; whether it is right is for the publisher to see. */
static bool is_done(const struct work *work, const struct repo_payload *base, const struct repo_job *job)
{
	DCD_AUTO_FREE char *name = repo_job_result(&base->view.image_id, &job->image_id, &job->recipe);
	return repo_cache_has(work->target.cache, name);
}

static int do_job(struct work *work, const char *text, struct dcd_diag *diag)
{
	struct repo_job job;
	struct repo_payload base = { .fd = -1 };
	struct dcd_release_payload made = { 0 };
	int err = repo_job_parse(text, &job, diag);
	if (err == 0) {
		err = take_target(work, &job, diag);
	}
	if (err == 0) {
		err = open_base(work, &job, &base, diag);
	}
	bool done = err == 0 && is_done(work, &base, &job);
	if (err == 0 && !done) {
		const struct repo_delta_step step = { show_step, work };
		repo_progress_begin(&work->line, "delta");
		err = repo_delta_make(&work->target, &base, &step, &made, diag);
		repo_progress_end(&work->line);
	}
	repo_payload_close(&base);
	if (err == 0) {
		printf("%s %s\n", text, done ? "was done" : "done");
		(void)fflush(stdout);
	}
	return err;
}

int repo_work(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	const char *temporary = getenv("TMPDIR");
	struct work work = { .place = place };
	if (options->cache == NULL || options->job_count == 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE,
				    "needs --cache DIR and at least one JOB; `decade-repo plan` prints them");
	}
	int err = repo_cache_open(options->cache, place->root, &work.cache, diag);
	if (err != 0) {
		return err;
	}
	work.target.threads = options->threads;
	work.target.cache = &work.cache;
	work.target.scratch = options->scratch != NULL ? options->scratch : temporary != NULL ? temporary : "/var/tmp";
	for (size_t i = 0; err == 0 && i < options->job_count; i++) {
		err = do_job(&work, options->job_texts[i], diag);
	}
	forget_target(&work);
	repo_cache_close(&work.cache);
	return err;
}
