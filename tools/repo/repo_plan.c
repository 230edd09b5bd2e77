/* decade-repo plan: a release's deltas as jobs for any machines. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "bsdiff/diff/encode.h"
#include "manifest/json/canonical.h"
#include "manifest/json/json.h"
#include "tools/repo/repo_bases.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_delta.h"
#include "tools/repo/repo_job.h"
#include "tools/repo/repo_signing.h"
#include "tools/repo/repo_text.h"

/* ---- plan ---- */

struct planned {
	const char *class_name;
	const struct repo_base *base;
	const struct dcd_release_image *image;
	char *job;
	char *result;
};

/* What a machine needs to have and what it makes, below REPO and the cache. */
static int print_json(const struct planned *planned, const char *full_name)
{
	char below[DCD_RELEASE_PAYLOAD_PATH_SIZE];
	dcd_release_payload_path(dcd_release_payload_find(planned->base->image, NULL), below);
	DCD_AUTO_FREE char *base = repo_text("targets/%s", below);
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *object = dcd_json_new_object();
	int bad = dcd_json_set_string(object, "job", planned->job);
	bad |= dcd_json_set_string(object, "class", planned->class_name);
	bad |= dcd_json_set_string(object, "base_version", planned->base->version);
	bad |= dcd_json_set_u64(object, "base_size", planned->base->image->size);
	bad |= dcd_json_set_u64(object, "image_size", planned->image->size);
	bad |= dcd_json_set_string(object, "needs_from_repository", base);
	bad |= dcd_json_set_string(object, "needs_from_cache", full_name);
	bad |= dcd_json_set_string(object, "makes_in_cache", planned->result);
	DCD_AUTO_FREE uint8_t *text = NULL;
	size_t len = 0;
	if (bad != 0 || dcd_json_canonical_file_bytes(object, &text, &len) != 0) {
		return DCD_ERR_NO_MEMORY;
	}
	printf("%.*s\n", (int)len, (const char *)text);
	return 0;
}

static int plan_base(const struct repo_options *options, const struct repo_delta_target *target, const char *class_name,
		     const struct repo_base *base, const char *full_name)
{
	struct repo_job job = { .base_table = dcd_release_payload_find(base->image, NULL)->table_hash,
				.image_id = target->image.image_id,
				.recipe = target->recipe };
	DCD_AUTO_FREE char *result = repo_job_result(&base->image->image_id, &target->image.image_id, &target->recipe);
	if (base->fate != REPO_DELTA_KEPT || repo_cache_has(target->cache, result)) {
		return 0;
	}
	DCD_AUTO_FREE char *text = repo_job_text(&job);
	if (options->json) {
		return print_json(&(struct planned){ class_name, base, &target->image, text, result }, full_name);
	}
	puts(text);
	return 0;
}

static int plan_image(const struct repo_place *place, const struct repo_view *view, const struct repo_cache *cache,
		      const struct repo_options *options, const struct repo_image_option *image, struct dcd_diag *diag)
{
	struct repo_delta_target target = { .recipe = options->recipe, .threads = options->threads, .cache = cache };
	struct dcd_release_payload full;
	DCD_AUTO_FREE struct repo_base *bases = NULL;
	DCD_AUTO_FREE char *what = repo_text("%s, full", image->class_name);
	uint32_t segment_size = options->segment_size != 0 ? options->segment_size : DCD_SEGMENT_SIZE_DEFAULT;
	size_t count = 0;
	int err = repo_file_map(image->file, &target.bytes, diag);
	if (err == 0) {
		err = repo_delta_full(&target, segment_size, what, &full, diag);
	}
	if (err == 0) {
		bases = repo_bases_list(view, place->root, image->class_name, options->bases, segment_size, &count);
	}
	DCD_AUTO_FREE char *full_name = repo_job_result(NULL, &target.image.image_id, &target.recipe);
	for (size_t i = 0; err == 0 && i < count; i++) {
		err = plan_base(options, &target, image->class_name, &bases[i], full_name);
	}
	repo_file_unmap(&target.full);
	repo_file_unmap(&target.bytes);
	return err;
}

int repo_plan(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	DCD_CLEANUP(repo_view_closep) struct repo_view *view = NULL;
	struct repo_cache cache;
	int64_t now = 0;
	if (options->cache == NULL || options->image_count == 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "needs --cache DIR, which the release uses too, and --image CLASS=FILE");
	}
	int err = repo_clock_now(&now, diag);
	if (err == 0) {
		err = repo_view_open(place, NULL, NULL, now, &view, diag);
	}
	if (err == 0) {
		err = repo_view_load_releases(view, diag);
	}
	if (err == 0) {
		err = repo_cache_open(options->cache, place->root, &cache, diag);
	}
	if (err != 0) {
		return err;
	}
	for (size_t i = 0; err == 0 && i < options->image_count; i++) {
		err = plan_image(place, view, &cache, options, &options->images[i], diag);
	}
	repo_cache_close(&cache);
	return err;
}
