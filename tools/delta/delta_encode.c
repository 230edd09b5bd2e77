/* decade-delta diff, full, id: the ones that use the encoder. */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "manifest/crypto/sha256.h"
#include "tools/delta/delta_commands.h"
#include "tools/delta/mapped_file.h"
#include "tools/delta/new_file.h"
#include "tools/delta/progress_line.h"

#define FORGET_EVERY (8U << 20) /* bytes */

/* The encoder goes through an image once a phase: what lies behind it need not stay in memory, whatever the image's size. */
struct watch {
	struct dcd_progress_line line;
	const struct dcd_mapped_file *base; /* or null */
	const struct dcd_mapped_file *image;
	uint64_t forgotten; /* bytes */
};

static void watch_step(void *context, const char *phase, uint64_t done, uint64_t total)
{
	struct watch *watch = context;
	dcd_progress_line_show(&watch->line, phase, done, total);
	if (strcmp(phase, "indexing") != 0 && (done < watch->forgotten || done - watch->forgotten >= FORGET_EVERY)) {
		dcd_mapped_file_forget(watch->image, done);
		if (watch->base != NULL) {
			dcd_mapped_file_forget(watch->base, watch->base->bytes.len);
		}
		watch->forgotten = done;
	}
}

static struct dcd_encode_options encode_options(const struct dcd_delta_options *options, struct watch *watch)
{
	return (struct dcd_encode_options){ .segment_size = options->segment_size,
					    .effort = options->effort,
					    .threads = options->threads,
					    .keep_packed = options->keep_packed,
					    .pack_memory = options->pack_memory,
					    .alg = &dcd_sha256,
					    .progress = watch_step,
					    .context = watch };
}

static void print_result(const struct dcd_encode_result *result, uint64_t image_size)
{
	char id[DCD_HASH_HEX_SIZE];
	dcd_hash_to_hex(&result->image_id, id);
	printf("%llu bytes for an image of %llu: %u zero, %u same, %u delta, %u full segments; image id %s\n",
	       (unsigned long long)result->payload_length, (unsigned long long)image_size, result->frames[DCD_FRAME_ZERO],
	       result->frames[DCD_FRAME_SAME], result->frames[DCD_FRAME_DELTA], result->frames[DCD_FRAME_FULL], id);
}

static int encode_mapped(const struct dcd_mapped_file *base, const struct dcd_mapped_file *image, const char *payload_path,
			 const struct dcd_delta_options *options, struct dcd_diag *diag)
{
	struct dcd_new_file out;
	int err = dcd_new_file_create(payload_path, &out, diag);
	if (err != 0) {
		return err;
	}
	struct watch watch = { .base = base, .image = image };
	dcd_progress_line_begin(&watch.line);
	struct dcd_encode_options encode = encode_options(options, &watch);
	struct dcd_encode_result result;
	err = dcd_encode_payload(base == NULL ? NULL : &base->bytes, &image->bytes, out.fd, &encode, &result, diag);
	dcd_progress_line_end(&watch.line);
	if (err != 0) {
		dcd_new_file_drop(&out);
		return err;
	}
	err = dcd_new_file_commit(&out, diag);
	if (err == 0) {
		print_result(&result, image->bytes.len);
	}
	return err;
}

int dcd_delta_command_encode(const char *old_path, const char *new_path, const char *payload_path,
			     const struct dcd_delta_options *options, struct dcd_diag *diag)
{
	struct dcd_mapped_file base = { { 0 } }, image = { { 0 } };
	int err = old_path == NULL ? 0 : dcd_mapped_file_open(old_path, &base, diag);
	err = err != 0 ? err : dcd_mapped_file_open(new_path, &image, diag);
	err = err != 0 ? err : encode_mapped(old_path == NULL ? NULL : &base, &image, payload_path, options, diag);
	dcd_mapped_file_close(&image);
	dcd_mapped_file_close(&base);
	return err;
}

int dcd_delta_command_id(const char *path, const struct dcd_delta_options *options, struct dcd_diag *diag)
{
	struct dcd_mapped_file image = { { 0 } };
	int err = dcd_mapped_file_open(path, &image, diag);
	if (err != 0) {
		return err;
	}
	struct watch watch = { .image = &image };
	dcd_progress_line_begin(&watch.line);
	struct dcd_encode_options encode = encode_options(options, &watch);
	struct dcd_hash id;
	err = dcd_encode_image_id(&image.bytes, &encode, &id, diag);
	dcd_progress_line_end(&watch.line);
	dcd_mapped_file_close(&image);
	if (err == 0) {
		char text[DCD_HASH_HEX_SIZE];
		dcd_hash_to_hex(&id, text);
		puts(text);
	}
	return err;
}
