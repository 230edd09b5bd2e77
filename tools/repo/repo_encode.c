#include "tools/repo/repo_encode.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bsdiff/diff/encode.h"
#include "manifest/crypto/sha256.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_payload.h"
#include "tools/repo/repo_progress.h"
#include "tools/repo/repo_text.h"

/* A delta that saves less than a tenth isn't worth its file, its place in every manifest and the device's base reads. */
#define WORTH_IT_PERCENT 90
#define FORGET_EVERY (64U << 20) /* bytes */

struct encoding {
	const struct repo_view *view;
	struct repo_publish *publish;
	const struct repo_options *options;
	struct repo_mapping mapping; /* the new image */
	struct repo_encoded_image *out;
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

struct encode_watch {
	struct repo_progress progress;
	const struct repo_mapping *mapping;
	const struct repo_mapping *base; /* or null */
	uint64_t forgotten;              /* bytes */
};

/* The encoder goes through an image once: what lies well behind it need not stay in memory, whatever the image's size. */
static void encode_step(void *context, const char *phase, uint64_t done, uint64_t total)
{
	struct encode_watch *watch = context;
	repo_progress_step(&watch->progress, phase, done, total);
	if (done < watch->forgotten || done - watch->forgotten >= FORGET_EVERY) {
		repo_file_map_forget(watch->mapping, done);
		if (watch->base != NULL) {
			repo_file_map_forget(watch->base, watch->base->len);
		}
		watch->forgotten = done;
	}
}

/* Encodes to a scratch file. */
static int encode(const struct encoding *e, const struct repo_mapping *base, const char *scratch, const char *what,
		  struct dcd_encode_result *ret, struct dcd_diag *diag)
{
	DCD_CLEANUP(repo_file_closep) int fd = open(scratch, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		return repo_file_error(diag, "create", scratch);
	}
	struct encode_watch watch = { .mapping = &e->mapping, .base = base };
	repo_progress_begin(&watch.progress, what);
	struct dcd_encode_options options = {
		.segment_size = e->options->segment_size,
		.effort = e->options->effort,
		.threads = e->options->threads,
		.keep_packed = e->options->keep_packed,
		.alg = &dcd_sha256,
		.progress = encode_step,
		.context = &watch,
	};
	struct dcd_bytes image = { e->mapping.data, e->mapping.len };
	struct dcd_bytes base_bytes = { base == NULL ? NULL : base->data, base == NULL ? 0 : base->len };
	int err = dcd_encode_payload(base == NULL ? NULL : &base_bytes, &image, fd, &options, ret, diag);
	repo_progress_end(&watch.progress);
	if (err == 0 && fsync(fd) != 0) {
		err = repo_file_error(diag, "write", scratch);
	}
	return err;
}

/* What was encoded is decoded again: an encoder's fault, or an image that changed meanwhile, must not reach a device. */
static int verify(const struct encoding *e, const struct repo_mapping *base, const char *scratch,
		  const struct dcd_release_payload *payload, struct dcd_diag *diag)
{
	struct repo_payload opened;
	struct repo_progress progress;
	int err = repo_payload_open(scratch, &e->out->image, payload, &opened, diag);
	if (err != 0) {
		return err;
	}
	repo_progress_begin(&progress, "verify");
	err = repo_payload_make(&opened, base, -1, &progress, diag);
	repo_progress_end(&progress);
	repo_payload_close(&opened);
	return err;
}

/* Gives a payload its name, unless the repository or this release has it already. */
static int keep_payload(struct encoding *e, const char *scratch, const struct dcd_release_payload *payload, struct dcd_diag *diag)
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
	int err = repo_file_rename(scratch, staged, diag);
	if (err == 0) {
		repo_publish_add(e->publish, relative);
	}
	return err;
}

static int encode_full(struct encoding *e, const char *class_name, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *scratch = repo_publish_work(e->publish, "full.dcp");
	DCD_AUTO_FREE char *what = repo_text("%s, full", class_name);
	struct dcd_encode_result result;
	int err = encode(e, NULL, scratch, what, &result, diag);
	if (err != 0) {
		return err;
	}
	uint32_t segment_size = e->options->segment_size != 0 ? e->options->segment_size : DCD_SEGMENT_SIZE_DEFAULT;
	e->out->image.image_id = result.image_id;
	e->out->image.size = e->mapping.len;
	e->out->image.segment_size = segment_size;
	struct dcd_release_payload payload = { .table_hash = result.table_hash,
					       .table_length = result.table_length,
					       .length = result.payload_length };
	err = verify(e, NULL, scratch, &payload, diag);
	return err == 0 ? keep_payload(e, scratch, &payload, diag) : err;
}

/* Rebuilds the image of an earlier release into a scratch file that has no name any more, and maps it. */
static int rebuild_base(const struct encoding *e, const struct dcd_release_image *base, struct repo_mapping *ret,
			struct dcd_diag *diag)
{
	const struct dcd_release_payload *full = dcd_release_payload_find(base, NULL);
	DCD_AUTO_FREE char *relative = NULL;
	payload_path(full, &relative);
	DCD_AUTO_FREE char *path = repo_text("%s/%s", e->publish->place->root, relative);
	DCD_AUTO_FREE char *scratch = repo_publish_work(e->publish, "base.img");
	struct repo_payload payload;
	int err = repo_payload_open(path, base, full, &payload, diag);
	if (err != 0) {
		return err;
	}
	struct repo_progress progress;
	repo_progress_begin(&progress, "rebuild base");
	DCD_CLEANUP(repo_file_closep) int fd = open(scratch, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	err = fd < 0 ? repo_file_error(diag, "create", scratch) : repo_payload_make(&payload, NULL, fd, &progress, diag);
	repo_progress_end(&progress);
	repo_payload_close(&payload);
	if (err == 0) {
		err = repo_file_map(scratch, ret, diag);
	}
	unlink(scratch);
	return err;
}

static int encode_delta(struct encoding *e, const struct dcd_release_image *base, const char *version, struct dcd_diag *diag)
{
	struct repo_mapping mapping = { 0 };
	int err = rebuild_base(e, base, &mapping, diag);
	if (err != 0) {
		return dcd_diag_prefix(diag, err, "release %s can't be a base (--bases none does without)", version);
	}
	DCD_AUTO_FREE char *scratch = repo_publish_work(e->publish, "delta.dcp");
	DCD_AUTO_FREE char *what = repo_text("%s, delta from %s", base->class_name, version);
	struct dcd_encode_result result;
	err = encode(e, &mapping, scratch, what, &result, diag);
	uint64_t full_length = e->out->payloads[0].length;
	bool worth_it = err == 0 && result.payload_length < full_length - full_length / 100 * (100 - WORTH_IT_PERCENT);
	if (worth_it) {
		struct dcd_release_payload payload = { .base_id = result.base_id,
						       .base_size = mapping.len,
						       .base_version = version,
						       .table_hash = result.table_hash,
						       .table_length = result.table_length,
						       .length = result.payload_length };
		err = verify(e, &mapping, scratch, &payload, diag);
		if (err == 0) {
			err = keep_payload(e, scratch, &payload, diag);
		}
	}
	repo_file_unmap(&mapping);
	unlink(scratch);
	if (err == 0) {
		add_report(e, version, worth_it ? REPO_DELTA_KEPT : REPO_DELTA_NOT_WORTH_IT, result.payload_length);
	}
	return err;
}

/* The same image in several releases is one base. */
static bool base_seen(const struct dcd_hash *seen, size_t count, const struct dcd_hash *id)
{
	for (size_t i = 0; i < count; i++) {
		if (dcd_hash_equal(&seen[i], id)) {
			return true;
		}
	}
	return false;
}

static int encode_base(struct encoding *e, const struct dcd_release_image *base, const char *version, struct dcd_diag *diag)
{
	if (base->segment_size != e->out->image.segment_size) {
		add_report(e, version, REPO_DELTA_SEGMENT_SIZE, 0);
		return 0;
	}
	DCD_AUTO_FREE char *relative = NULL;
	payload_path(dcd_release_payload_find(base, NULL), &relative);
	DCD_AUTO_FREE char *full = repo_text("%s/%s", e->publish->place->root, relative);
	if (!repo_file_exists(full)) {
		add_report(e, version, REPO_DELTA_NO_BASE, 0);
		return 0;
	}
	if (e->out->image.payload_count == DCD_RELEASE_PAYLOADS_MAX) {
		add_report(e, version, REPO_DELTA_TOO_MANY, 0);
		return 0;
	}
	return encode_delta(e, base, version, diag);
}

static int encode_deltas(struct encoding *e, const char *class_name, struct dcd_diag *diag)
{
	DCD_AUTO_FREE struct dcd_hash *seen = repo_alloc(e->view->release_count, sizeof *seen);
	size_t seen_count = 0;
	int err = 0;
	for (size_t i = 0; err == 0 && i < e->view->release_count && i < e->options->bases; i++) {
		const struct repo_view_release *earlier = &e->view->releases[i];
		const struct dcd_release_image *base = dcd_release_image_find(earlier->release, class_name);
		if (base == NULL || base->size == 0 || base_seen(seen, seen_count, &base->image_id)) {
			continue;
		}
		seen[seen_count++] = base->image_id;
		err = encode_base(e, base, earlier->summary.version, diag);
	}
	return err;
}

int repo_encode_image(const struct repo_view *view, struct repo_publish *publish, const struct repo_options *options,
		      const struct repo_image_option *image, struct repo_encoded_image *ret, struct dcd_diag *diag)
{
	struct encoding e = { .view = view, .publish = publish, .options = options, .out = ret };
	*ret = (struct repo_encoded_image){ .image = { .class_name = image->class_name } };
	int err = repo_file_map(image->file, &e.mapping, diag);
	if (err == 0) {
		err = encode_full(&e, image->class_name, diag);
	}
	if (err == 0) {
		err = encode_deltas(&e, image->class_name, diag);
	}
	repo_file_unmap(&e.mapping);
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
