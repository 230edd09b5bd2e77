#include "bsdiff/diff/encode_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "bsdiff/apply/image_id.h"
#include "bsdiff/apply/payload.h"
#include "bsdiff/diff/ordered_pool.h"

int dcd_encode_options_check(const struct dcd_encode_options *options, uint64_t len, struct dcd_encode_options *ret,
			     struct dcd_diag *diag)
{
	struct dcd_encode_options checked = *options;
	if (checked.segment_size == 0) {
		checked.segment_size = DCD_SEGMENT_SIZE_DEFAULT;
	}
	if (checked.effort == 0) {
		checked.effort = 6;
	}
	uint32_t size = checked.segment_size;
	if (size < DCD_SEGMENT_SIZE_MIN || size > DCD_SEGMENT_SIZE_MAX || (size & (size - 1)) != 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "segment size %u: must be a power of two between %u and %u", size,
				    DCD_SEGMENT_SIZE_MIN, DCD_SEGMENT_SIZE_MAX);
	}
	if (checked.effort < 1 || checked.effort > 9) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "effort %d: must be between 1 and 9", checked.effort);
	}
	if (checked.threads < 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%d threads: must be 0 (one a core) or more", checked.threads);
	}
	if (dcd_div_ceil_u64(len, size) > DCD_SEGMENT_COUNT_MAX) {
		return dcd_diag_set(diag, DCD_ERR_USAGE,
				    "an image of %llu bytes has more than %u segments of %u bytes: use larger ones",
				    (unsigned long long)len, DCD_SEGMENT_COUNT_MAX, size);
	}
	if (checked.pack_memory > DCD_PACK_MEMORY_MAX) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%u bytes to pack blocks in: the format allows %u", checked.pack_memory,
				    DCD_PACK_MEMORY_MAX);
	}
	*ret = checked;
	return 0;
}

/* Of a device's memory: header and table of an image of 800 segments, and the decompressor of streams. */
#define BESIDE_FRAME (160U << 10)

/* Deflate's share of the default: what a compressor takes beyond it is given on top. */
#define PACKER_SHARE (640U << 10)

uint64_t dcd_encode_pack_memory(const struct dcd_encode_options *options, uint64_t packer)
{
	if (options->pack_memory != 0) {
		return options->pack_memory;
	}
	uint64_t segments = 3 * (uint64_t)(options->segment_size > 1U << 20 ? options->segment_size : 1U << 20);
	return dcd_min_u64(segments - BESIDE_FRAME + (packer > PACKER_SHARE ? packer - PACKER_SHARE : 0), DCD_PACK_MEMORY_MAX);
}

struct dcd_segment dcd_segment_at(const struct dcd_bytes *image, uint32_t segment_size, uint64_t index)
{
	uint64_t offset = index * segment_size;
	return (struct dcd_segment){ .data = image->data + offset,
				     .len = (uint32_t)dcd_min_u64(segment_size, image->len - offset),
				     .index = (uint32_t)index,
				     .offset = offset };
}

struct leaves_job {
	const struct dcd_bytes *image;
	const struct dcd_encode_options *options;
	struct dcd_image_leaves *leaves;
	struct dcd_hash zero_leaf; /* of a whole segment */
	struct dcd_image_tree tree;
};

static bool all_zero(const uint8_t *data, size_t len)
{
	return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

static int leaf_work(void *context, unsigned worker, uint64_t index, void *slot)
{
	(void)worker;
	(void)slot;
	struct leaves_job *job = context;
	struct dcd_segment segment = dcd_segment_at(job->image, job->options->segment_size, index);
	job->leaves->zero[index] = all_zero(segment.data, segment.len);
	if (job->leaves->zero[index] && segment.len == job->options->segment_size) {
		job->leaves->leaves[index] = job->zero_leaf;
	} else {
		dcd_segment_hash(job->options->alg, segment.data, segment.len, &job->leaves->leaves[index]);
	}
	return 0;
}

static int leaf_deliver(void *context, uint64_t index, void *slot)
{
	(void)slot;
	struct leaves_job *job = context;
	dcd_image_tree_add(&job->tree, &job->leaves->leaves[index]);
	if (job->options->progress != NULL) {
		struct dcd_segment segment = dcd_segment_at(job->image, job->options->segment_size, index);
		job->options->progress(job->options->context, "hashing", segment.offset + segment.len, job->image->len);
	}
	return 0;
}

static int zero_leaf_compute(const struct dcd_encode_options *options, struct dcd_hash *ret)
{
	uint8_t *zeros = calloc(1, options->segment_size);
	if (zeros == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	dcd_segment_hash(options->alg, zeros, options->segment_size, ret);
	free(zeros);
	return 0;
}

int dcd_image_leaves_compute(const struct dcd_bytes *image, const struct dcd_encode_options *options,
			     struct dcd_image_leaves *ret)
{
	struct dcd_image_leaves leaves = { .count = (uint32_t)dcd_div_ceil_u64(image->len, options->segment_size) };
	leaves.leaves = calloc(leaves.count + (size_t)1, sizeof *leaves.leaves);
	leaves.zero = calloc(leaves.count + (size_t)1, sizeof *leaves.zero);
	struct leaves_job job = { .image = image, .options = options, .leaves = &leaves };
	int err = leaves.leaves == NULL || leaves.zero == NULL ? DCD_ERR_NO_MEMORY : zero_leaf_compute(options, &job.zero_leaf);
	if (err == 0) {
		dcd_image_tree_begin(&job.tree, options->alg);
		struct dcd_pool_job pool = {
			.work = leaf_work, .deliver = leaf_deliver, .context = &job, .workers = dcd_pool_workers(options->threads)
		};
		err = dcd_pool_run(&pool, 0, leaves.count);
	}
	if (err != 0) {
		dcd_image_leaves_free(&leaves);
		return err;
	}
	dcd_image_tree_id(&job.tree, image->len, options->segment_size, &leaves.id);
	*ret = leaves;
	return 0;
}

static int leaves_from_view(const struct dcd_payload *view, struct dcd_image_leaves *ret)
{
	struct dcd_image_leaves leaves = { .count = view->segment_count, .id = view->image_id };
	leaves.leaves = calloc(leaves.count + (size_t)1, sizeof *leaves.leaves);
	leaves.zero = calloc(leaves.count + (size_t)1, sizeof *leaves.zero);
	if (leaves.leaves == NULL || leaves.zero == NULL) {
		dcd_image_leaves_free(&leaves);
		return DCD_ERR_NO_MEMORY;
	}
	for (uint32_t i = 0; i < leaves.count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(view, i, &entry);
		leaves.leaves[i] = entry.segment_hash;
		leaves.zero[i] = entry.kind == DCD_FRAME_ZERO;
	}
	*ret = leaves;
	return 0;
}

int dcd_image_leaves_read(const struct dcd_bytes *table, const struct dcd_bytes *image, const struct dcd_encode_options *options,
			  struct dcd_image_leaves *ret)
{
	uint64_t length = 0;
	struct dcd_payload view;
	if (table->len > SIZE_MAX || dcd_payload_table_length(table->data, (size_t)table->len, &length) != 0 ||
	    length > table->len || dcd_payload_open(table->data, (size_t)length, options->alg, &view) != 0 ||
	    view.base_size != 0 || view.image_size != image->len || view.segment_size != options->segment_size) {
		return DCD_ERR_USAGE;
	}
	return leaves_from_view(&view, ret);
}

void dcd_image_leaves_free(struct dcd_image_leaves *leaves)
{
	free(leaves->leaves);
	free(leaves->zero);
	*leaves = (struct dcd_image_leaves){ 0 };
}
