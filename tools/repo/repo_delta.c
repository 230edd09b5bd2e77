#include "tools/repo/repo_delta.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bsdiff/diff/encode.h"
#include "manifest/crypto/sha256.h"
#include "tools/repo/repo_job.h"
#include "tools/repo/repo_text.h"

#define FORGET_EVERY (8U << 20) /* bytes */

/* ---- encoding ---- */

struct watch {
	const struct repo_mapping *image;
	const struct repo_mapping *base; /* or null */
	uint64_t forgotten;              /* bytes */
	struct repo_progress *line;      /* or null */
	const struct repo_delta_step *step;
};

/* The encoder goes through an image once a phase: what lies well behind it need not stay in memory, whatever the image's size. */
static void watch_step(void *context, const char *phase, uint64_t done, uint64_t total)
{
	struct watch *watch = context;
	if (watch->line != NULL) {
		repo_progress_step(watch->line, phase, done, total);
	}
	if (phase[0] != 'i' && (done < watch->forgotten || done - watch->forgotten >= FORGET_EVERY)) {
		repo_file_map_forget(watch->image, done);
		if (watch->base != NULL) {
			repo_file_map_forget(watch->base, watch->base->len);
		}
		watch->forgotten = done;
	}
	if (watch->step != NULL && phase[0] == 'e') {
		watch->step->done(watch->step->context, done);
	}
}

struct encode_inputs {
	const struct repo_mapping *base; /* null: the full payload */
	const struct repo_payload *base_full;
	uint32_t segment_size;
	struct watch watch;
};

static struct dcd_bytes bytes_of(const struct repo_mapping *mapping)
{
	return mapping == NULL ? (struct dcd_bytes){ 0 } : (struct dcd_bytes){ mapping->data, mapping->len };
}

/* To a scratch file, durable. */
static int encode(const struct repo_delta_target *target, struct encode_inputs *in, const char *scratch, struct dcd_diag *diag)
{
	DCD_CLEANUP(repo_file_closep) int fd = open(scratch, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		return repo_file_error(diag, "create", scratch);
	}
	struct dcd_encode_options options = {
		.segment_size = in->segment_size,
		.effort = target->recipe.effort,
		.keep_packed = target->recipe.keep_packed,
		.threads = target->threads,
		.alg = &dcd_sha256,
		.progress = watch_step,
		.context = &in->watch,
	};
	if (in->base != NULL) {
		options.full = bytes_of(&target->full);
		options.base_table = (struct dcd_bytes){ in->base_full->table, dcd_payload_frames_offset(&in->base_full->view) };
	}
	struct dcd_bytes image = bytes_of(&target->bytes), base = bytes_of(in->base);
	struct dcd_encode_result result;
	int err = dcd_encode_payload(in->base == NULL ? NULL : &base, &image, fd, &options, &result, diag);
	if (err == 0 && fsync(fd) != 0) {
		err = repo_file_error(diag, "write", scratch);
	}
	return err;
}

/* ---- believing ---- */

/* Makes the image from the payload, and holds it against what it is to be: an encoder's fault, another machine's, an image that
 * changed. */
static int prove(const char *path, const struct dcd_release_image *image, const struct dcd_hash *base_id,
		 const struct repo_mapping *base, struct dcd_release_payload *ret, struct dcd_diag *diag)
{
	struct repo_payload opened;
	struct dcd_release_payload payload;
	struct dcd_release_image said;
	struct repo_progress silent = { 0 };
	int err = repo_payload_describe(path, &payload, &said, diag);
	if (err == 0 && ((base_id == NULL) != dcd_hash_is_zero(&payload.base_id) ||
			 (base_id != NULL && !dcd_hash_equal(base_id, &payload.base_id)) ||
			 payload.base_size != (base == NULL ? 0 : base->len))) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: needs another base than its name says", path);
	}
	if (err == 0) {
		err = repo_payload_open(path, image, &payload, &opened, diag);
	}
	if (err != 0) {
		return err;
	}
	err = repo_payload_make(&opened, base, -1, &silent, diag);
	repo_payload_close(&opened);
	if (err == 0) {
		*ret = payload;
	}
	return err;
}

/* Whether the cache has it and it is what it should be; what isn't goes. */
static bool cached(const struct repo_delta_target *target, const char *name, const struct dcd_hash *base_id,
		   const struct repo_mapping *base, struct dcd_release_payload *ret)
{
	if (!repo_cache_has(target->cache, name)) {
		return false;
	}
	struct dcd_diag why = { 0 };
	DCD_AUTO_FREE char *path = repo_cache_path(target->cache, name);
	if (prove(path, &target->image, base_id, base, ret, &why) == 0) {
		return true;
	}
	fprintf(stderr, "decade-repo: %s; making it again\n", why.text);
	(void)unlink(path);
	return false;
}

/* Only what was proven comes into the cache under its name. */
static int make(const struct repo_delta_target *target, struct encode_inputs *in, const char *name,
		const struct dcd_hash *base_id, struct dcd_release_payload *ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *scratch = repo_cache_scratch(target->cache, name);
	int err = encode(target, in, scratch, diag);
	if (err == 0) {
		err = prove(scratch, &target->image, base_id, in->base, ret, diag);
	}
	if (err == 0) {
		err = repo_cache_put(target->cache, scratch, name, diag);
	}
	if (err != 0) {
		(void)unlink(scratch);
	}
	return err;
}

/* ---- the two kinds ---- */

static int identify(struct repo_delta_target *target, uint32_t segment_size, struct dcd_diag *diag)
{
	struct dcd_encode_options options = { .segment_size = segment_size, .threads = target->threads, .alg = &dcd_sha256 };
	struct dcd_bytes bytes = bytes_of(&target->bytes);
	target->image.size = bytes.len;
	target->image.segment_size = segment_size;
	return dcd_encode_image_id(&bytes, &options, &target->image.image_id, diag);
}

int repo_delta_full(struct repo_delta_target *target, uint32_t segment_size, const char *what, struct dcd_release_payload *ret,
		    struct dcd_diag *diag)
{
	int err = identify(target, segment_size, diag);
	if (err != 0) {
		return err;
	}
	DCD_AUTO_FREE char *name = repo_job_result(NULL, &target->image.image_id, &target->recipe);
	if (!cached(target, name, NULL, NULL, ret)) {
		struct repo_progress line;
		repo_progress_begin(&line, what);
		struct encode_inputs in = { .segment_size = segment_size, .watch = { .image = &target->bytes, .line = &line } };
		err = make(target, &in, name, NULL, ret, diag);
		repo_progress_end(&line);
	}
	DCD_AUTO_FREE char *path = repo_cache_path(target->cache, name);
	return err != 0 ? err : repo_file_map(path, &target->full, diag);
}

int repo_delta_rebuild(const struct repo_payload *full, const char *folder, struct repo_mapping *ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *path = repo_text("%s/decade-repo-base-XXXXXX", folder);
	struct repo_progress silent = { 0 };
	DCD_CLEANUP(repo_file_closep) int fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		return repo_file_error(diag, "make a file in", folder);
	}
	int err = repo_payload_make(full, NULL, fd, &silent, diag);
	if (err == 0) {
		err = repo_file_map(path, ret, diag);
	}
	(void)unlink(path);
	return err;
}

int repo_delta_make(const struct repo_delta_target *target, const struct repo_payload *base, const struct repo_delta_step *step,
		    struct dcd_release_payload *ret, struct dcd_diag *diag)
{
	struct repo_mapping mapping = { 0 };
	int err = repo_delta_rebuild(base, target->scratch, &mapping, diag);
	if (err != 0) {
		return err;
	}
	const struct dcd_hash *base_id = &base->view.image_id;
	DCD_AUTO_FREE char *name = repo_job_result(base_id, &target->image.image_id, &target->recipe);
	if (!cached(target, name, base_id, &mapping, ret)) {
		struct encode_inputs in = { .base = &mapping, .base_full = base, .segment_size = target->image.segment_size };
		in.watch = (struct watch){ .image = &target->bytes, .base = &mapping, .step = step };
		err = make(target, &in, name, base_id, ret, diag);
	}
	repo_file_unmap(&mapping);
	return err;
}
