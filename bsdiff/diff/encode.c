/*
 * The encoder's conductor: hash both images, find which segments need a frame, index the base, encode, write. The base is
 * indexed by suffix array one piece at a time; the image's segments are encoded against the piece that lies nearest.
 */
#include "bsdiff/diff/encode.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "bsdiff/apply/payload.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/codec/zstd_encode.h"
#include "bsdiff/diff/base_coverage.h"
#include "bsdiff/diff/effort.h"
#include "bsdiff/diff/encode_plan.h"
#include "bsdiff/diff/flat_images.h"
#include "bsdiff/diff/ordered_pool.h"
#include "bsdiff/diff/payload_writer.h"
#include "bsdiff/diff/ref_view.h"

/* Views take up to as much memory as both images; beyond this, matching sees the bytes as they are. */
#define VIEW_MAX (UINT64_C(2) << 30)

/* Block matches are kept while they take less memory than the index of blocks, which isn't needed any more when all are. */
#define ANCHORS_MAX ((64U << 20) / sizeof(struct dcd_copy))

/* What each thread has of its own. */
struct worker {
	struct dcd_segment_encoder *encoder;
	struct dcd_copy_list marks;     /* block matches of its segment */
	struct dcd_byte_buffer opened;  /* its segment laid open */
	struct dcd_byte_buffer seen;    /* the view of its segment */
	struct dcd_ref_samples samples; /* what a survey found */
};

struct encoding {
	struct dcd_bytes base; /* empty: a full payload */
	struct dcd_bytes image;
	struct dcd_encode_options options;
	struct dcd_effort effort;
	struct dcd_image_leaves base_leaves;
	struct dcd_image_leaves image_leaves;
	uint64_t *full_at; /* where each segment's frame is in options.full; null: there is none */
	struct dcd_block_index *blocks;
	struct dcd_base_coverage *coverage;
	struct dcd_seed_finder finder; /* read by all workers while a piece is encoded */
	struct dcd_ref_context refs;   /* likewise */
	struct dcd_flat_images flat;   /* empty: no compressed blocks are laid open */
	struct dcd_ref_view view;      /* what the matcher sees of base and image in the second round; else empty */
	bool surveying;                /* not the last round */
	int round;                     /* of surveying */
	struct dcd_payload_writer writer;
	unsigned workers;
	struct worker *each;
	struct dcd_copy_list *anchors; /* one a segment: its block matches, found once and used again; may be null */
	atomic_size_t anchors_kept;
	struct dcd_encoded_segment *slots;
};

/* Base and image as deltas are taken between them. */
static struct dcd_bytes open_base(const struct encoding *e)
{
	return e->flat.base.data != NULL ? e->flat.base : e->base;
}

static struct dcd_bytes open_image(const struct encoding *e)
{
	return e->flat.base.data != NULL ? e->flat.image : e->image;
}

/* Where a segment is; its data belongs to segment_open(). */
static struct dcd_segment open_segment(const struct encoding *e, uint64_t index)
{
	return e->flat.base.data != NULL ? dcd_flat_segment_at(&e->flat, e->options.segment_size, index).segment
					 : dcd_segment_at(&e->image, e->options.segment_size, index);
}

/* A segment as deltas are taken of it, its bytes the worker's until its next. Of what isn't laid open, all but `segment` is 0. */
static int segment_open(struct encoding *e, unsigned worker, uint64_t index, struct dcd_flat_segment *ret)
{
	if (e->flat.base.data == NULL) {
		*ret = (struct dcd_flat_segment){ .segment = dcd_segment_at(&e->image, e->options.segment_size, index) };
		return 0;
	}
	*ret = dcd_flat_segment_at(&e->flat, e->options.segment_size, index);
	return dcd_flat_segment_fill(&e->flat, ret, &e->each[worker].opened);
}

/* And as the matcher sees them. */
static struct dcd_bytes matched_base(const struct encoding *e)
{
	return e->view.base.data != NULL ? e->view.base : open_base(e);
}

static void report(const struct encoding *e, const char *phase, uint64_t done, uint64_t total)
{
	if (e->options.progress != NULL) {
		e->options.progress(e->options.context, phase, done, total);
	}
}

/* Kinds without data follow from the leaves alone. */
static bool segment_without_frame(const struct encoding *e, uint64_t index, enum dcd_frame_kind *ret_kind)
{
	if (e->image_leaves.zero[index]) {
		*ret_kind = DCD_FRAME_ZERO;
		return true;
	}
	struct dcd_segment segment = dcd_segment_at(&e->image, e->options.segment_size, index);
	if (!dcd_range_inside(segment.offset, segment.len, e->base.len)) {
		return false;
	}
	struct dcd_segment before = dcd_segment_at(&e->base, e->options.segment_size, index);
	bool same = before.len == segment.len ? dcd_hash_equal(&e->base_leaves.leaves[index], &e->image_leaves.leaves[index])
					      : memcmp(segment.data, before.data, segment.len) == 0;
	*ret_kind = same ? DCD_FRAME_SAME : *ret_kind;
	return same;
}

/* Does anything of the segment lie in a linked file? Others have no references to survey. */
static bool segment_has_modules(const struct encoding *e, const struct dcd_segment *segment)
{
	const struct dcd_elf_region *region = dcd_elf_modules_at(&e->refs.new_modules, segment->offset);
	return region != NULL && region->offset < segment->offset + segment->len;
}

/* Opens a segment. *ret_view is what the matcher sees of it: itself, or its view, which is the worker's until its next. */
static int matched_segment(struct encoding *e, unsigned worker, uint64_t index, struct dcd_flat_segment *ret,
			   struct dcd_segment *ret_view)
{
	int err = segment_open(e, worker, index, ret);
	if (err != 0) {
		return err;
	}
	*ret_view = ret->segment;
	if (e->view.base.data != NULL && segment_has_modules(e, &ret->segment)) {
		err = dcd_ref_view_segment(&e->view, &e->refs, &ret->segment, &e->each[worker].seen);
		ret_view->data = e->each[worker].seen.data;
	}
	return err;
}

/* First pass over the changed segments: what do exact block matches use of the base? */
static int mark_work(void *context, unsigned worker, uint64_t index, void *slot)
{
	(void)slot;
	struct encoding *e = context;
	struct dcd_segment segment = dcd_segment_at(&e->image, e->options.segment_size, index);
	enum dcd_frame_kind kind;
	if (segment_without_frame(e, index, &kind)) {
		if (kind == DCD_FRAME_SAME) {
			dcd_base_coverage_mark(e->coverage, segment.offset, segment.len);
		}
		return 0;
	}
	struct dcd_copy_list *copies = &e->each[worker].marks;
	struct dcd_flat_segment open;
	int err = matched_segment(e, worker, index, &open, &segment);
	err = err != 0 ? err : dcd_seed_finder_blocks(&e->finder, &segment, copies);
	for (size_t i = 0; err == 0 && i < copies->count; i++) {
		dcd_base_coverage_mark(e->coverage, copies->items[i].base, copies->items[i].len);
	}
	if (err != 0 || atomic_fetch_add(&e->anchors_kept, copies->count) + copies->count > ANCHORS_MAX) {
		return err;
	}
	return dcd_copy_list_copy(copies, &e->anchors[index]);
}

static int mark_deliver(void *context, uint64_t index, void *slot)
{
	(void)slot;
	struct encoding *e = context;
	struct dcd_segment segment = dcd_segment_at(&e->image, e->options.segment_size, index);
	report(e, "matching", segment.offset + segment.len, e->image.len);
	return 0;
}

/* The segment's frame in the full payload, where that was given. */
static const struct dcd_bytes *known_full(const struct encoding *e, uint64_t index, struct dcd_bytes *ret)
{
	if (e->full_at == NULL) {
		return NULL;
	}
	*ret = (struct dcd_bytes){ e->options.full.data + e->full_at[index], e->full_at[index + 1] - e->full_at[index] };
	return ret;
}

static int segment_work(void *context, unsigned worker, uint64_t index, void *slot)
{
	struct encoding *e = context;
	struct dcd_encoded_segment *out = slot;
	struct dcd_segment segment = dcd_segment_at(&e->image, e->options.segment_size, index);
	if (segment_without_frame(e, index, &out->kind)) {
		out->frame.len = 0;
		out->filter = DCD_FILTER_NONE;
		out->scratch = 0;
		out->pack_memory = 0;
		return 0;
	}
	struct dcd_segment view;
	struct dcd_flat_segment open;
	int err = matched_segment(e, worker, index, &open, &view);
	if (err != 0) {
		return err;
	}
	struct dcd_segment_sources sources = { .references = &e->refs, .view = &view };
	if (e->base.len > 0) {
		sources.finder = &e->finder;
	}
	if (e->flat.base.data != NULL) {
		sources.flat = &e->flat;
		sources.flat_segment = &open;
	}
	struct dcd_bytes full;
	sources.full = known_full(e, index, &full);
	return dcd_segment_encoder_encode(e->each[worker].encoder, &sources, &segment, out);
}

static int survey_work(void *context, unsigned worker, uint64_t index, void *slot)
{
	(void)slot;
	struct encoding *e = context;
	struct dcd_segment segment = open_segment(e, index);
	enum dcd_frame_kind kind;
	if (segment_without_frame(e, index, &kind) || !segment_has_modules(e, &segment)) {
		return 0;
	}
	struct dcd_segment view;
	struct dcd_flat_segment open;
	int err = matched_segment(e, worker, index, &open, &view);
	return err != 0 ? err
			: dcd_segment_encoder_survey(e->each[worker].encoder, &e->finder, &e->refs, &open.segment, &view,
						     &e->each[worker].samples);
}

static int survey_deliver(void *context, uint64_t index, void *slot)
{
	(void)slot;
	struct encoding *e = context;
	struct dcd_segment segment = dcd_segment_at(&e->image, e->options.segment_size, index);
	report(e, "surveying", segment.offset + segment.len, e->image.len);
	return 0;
}

static int segment_deliver(void *context, uint64_t index, void *slot)
{
	struct encoding *e = context;
	struct dcd_segment segment = dcd_segment_at(&e->image, e->options.segment_size, index);
	report(e, "encoding", segment.offset + segment.len, e->image.len);
	return dcd_payload_writer_add(&e->writer, slot, &e->image_leaves.leaves[index]);
}

static int segments_encode(struct encoding *e, uint64_t first, uint64_t end)
{
	struct dcd_pool_job pool = { .work = e->surveying ? survey_work : segment_work,
				     .deliver = e->surveying ? survey_deliver : segment_deliver,
				     .context = e,
				     .workers = e->workers,
				     .slots = e->slots,
				     .slot_size = sizeof *e->slots };
	return dcd_pool_run(&pool, first, end);
}

/* Is there anything to match in [first, end)? */
static bool range_needs_matching(const struct encoding *e, uint64_t first, uint64_t end)
{
	enum dcd_frame_kind kind;
	for (uint64_t i = first; i < end; i++) {
		struct dcd_segment segment = open_segment(e, i);
		if (!segment_without_frame(e, i, &kind) && (!e->surveying || segment_has_modules(e, &segment))) {
			return true;
		}
	}
	return false;
}

/*
 * To learn where code went, from bytes in which every reference differs, blocks that are equal are enough; and with the view that
 * this makes, they are nearly enough to learn the rest.
 */
static bool blocks_are_enough(const struct encoding *e)
{
	return e->surveying && e->round < e->effort.hasty_surveys;
}

static int piece_encode(struct encoding *e, const struct dcd_base_range *ranges, size_t count, uint64_t first, uint64_t end)
{
	struct dcd_suffix_index *suffixes = NULL;
	if (count > 0 && range_needs_matching(e, first, end)) {
		report(e, "indexing", first, e->image_leaves.count);
		struct dcd_bytes base = matched_base(e);
		int err = dcd_suffix_index_new(&base, ranges, count, &suffixes);
		if (err != 0) {
			return err;
		}
	}
	e->finder.suffixes = suffixes;
	int err = segments_encode(e, first, end);
	e->finder.suffixes = NULL;
	dcd_suffix_index_free(suffixes);
	return err;
}

/* One suffix array over the whole of a small base. */
static int encode_whole_base(struct encoding *e)
{
	const struct dcd_base_range whole = { 0, open_base(e).len };
	return piece_encode(e, &whole, 1, 0, e->image_leaves.count);
}

static bool anchors_are_kept(const struct encoding *e)
{
	enum dcd_frame_kind kind;
	for (uint32_t i = 0; i < e->image_leaves.count; i++) {
		if (e->anchors[i].capacity == 0 && !segment_without_frame(e, i, &kind)) {
			return false;
		}
	}
	return true;
}

/* Zeros compress to nothing, and a block that is laid open has its content elsewhere: neither is worth a suffix array. */
static void useless_mark(struct encoding *e)
{
	for (uint32_t i = 0; i < e->base_leaves.count; i++) {
		if (e->base_leaves.zero[i]) {
			struct dcd_segment segment = dcd_segment_at(&e->base, e->options.segment_size, i);
			dcd_base_coverage_mark(e->coverage, segment.offset, segment.len);
		}
	}
	for (size_t i = 0; i < e->flat.base_blocks.count; i++) {
		const struct dcd_packed_block *block = &e->flat.base_blocks.items[i];
		dcd_base_coverage_mark(e->coverage, block->offset, block->coded);
		dcd_base_coverage_mark(e->coverage, block->other, dcd_packed_block_whole(block) - block->coded);
	}
}

/*
 * The uncovered rest of the base from segment *next on, and of what is laid open of it, up to about the size of one suffix array;
 * *next moves behind it.
 */
static int rest_of_flat(const struct encoding *e, uint64_t *next, struct dcd_base_ranges *ret)
{
	struct dcd_base_ranges opened = { 0 };
	int err = 0;
	while (err == 0 && *next < e->base_leaves.count && ret->len + opened.len < e->effort.suffix_text_max) {
		uint64_t from = *next * e->options.segment_size, end = from + e->options.segment_size;
		uint64_t open_from = dcd_flat_base_place(&e->flat, from), open_end = dcd_flat_base_place(&e->flat, end);
		end = dcd_min_u64(dcd_min_u64(end, e->base.len), from + (DCD_SUFFIX_TEXT_MAX - ret->len));
		err = dcd_base_coverage_add_rest(e->coverage, from, end, ret);
		err = err != 0 || open_end <= open_from ? err
							: dcd_base_coverage_add_rest(e->coverage, open_from, open_end, &opened);
		++*next;
	}
	/* A large segment may bring more than an index takes; exact matches find what is left out. */
	for (size_t i = 0; err == 0 && i < opened.count && ret->len < DCD_SUFFIX_TEXT_MAX; i++) {
		uint64_t len = dcd_min_u64(opened.items[i].len, DCD_SUFFIX_TEXT_MAX - ret->len);
		err = dcd_base_ranges_add(ret, opened.items[i].offset, len);
	}
	free(opened.items);
	return err;
}

/* The next piece of what exact matches left of the base. *ret_end: the segment of the image that the piece after it begins with.
 */
static int rest_take(const struct encoding *e, uint64_t *next, struct dcd_base_ranges *ret, uint64_t *ret_end)
{
	if (e->flat.base.data != NULL) {
		int err = rest_of_flat(e, next, ret);
		*ret_end = *next >= e->base_leaves.count ? e->image_leaves.count : *next;
		return err;
	}
	int err = dcd_base_coverage_rest(e->coverage, *next, e->effort.suffix_text_max, &ret->items, &ret->count, next);
	*ret_end = *next >= e->base.len ? e->image_leaves.count : *next / e->options.segment_size;
	return err;
}

/* Blocks first, then suffix arrays over what they left, piece by piece; a piece serves the segments up to where the next begins.
 */
static int encode_by_pieces(struct encoding *e)
{
	struct dcd_bytes base = matched_base(e);
	int err = dcd_block_index_new(&base, &e->blocks);
	if (err != 0) {
		return err;
	}
	e->finder.blocks = e->blocks;
	if (blocks_are_enough(e)) {
		return segments_encode(e, 0, e->image_leaves.count);
	}
	e->anchors = calloc(e->image_leaves.count + (size_t)1, sizeof *e->anchors);
	if (e->anchors == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	err = dcd_base_coverage_new(base.len, &e->coverage);
	if (err != 0) {
		return err;
	}
	e->anchors_kept = 0;
	useless_mark(e);
	struct dcd_pool_job pool = { .work = mark_work, .deliver = mark_deliver, .context = e, .workers = e->workers };
	err = dcd_pool_run(&pool, 0, e->image_leaves.count);
	e->finder.anchors = e->anchors;
	if (err == 0 && anchors_are_kept(e)) {
		dcd_block_index_free(e->blocks); /* its memory is wanted for the suffixes */
		e->blocks = NULL;
		e->finder.blocks = NULL;
	}
	uint64_t next = 0, first = 0, end;
	while (err == 0 && first < e->image_leaves.count) {
		struct dcd_base_ranges ranges = { 0 };
		err = rest_take(e, &next, &ranges, &end);
		end = dcd_min_u64(end, e->image_leaves.count);
		if (err == 0 && end > first) {
			err = piece_encode(e, ranges.items, ranges.count, first, end);
			first = end;
		}
		free(ranges.items);
	}
	return err;
}

static void matching_end(struct encoding *e)
{
	for (uint32_t i = 0; e->anchors != NULL && i < e->image_leaves.count; i++) {
		dcd_copy_list_free(&e->anchors[i]);
	}
	free(e->anchors);
	dcd_base_coverage_free(e->coverage);
	dcd_block_index_free(e->blocks);
	e->anchors = NULL;
	e->coverage = NULL;
	e->blocks = NULL;
	e->finder.blocks = NULL;
	e->finder.anchors = NULL;
}

static int matching_run(struct encoding *e)
{
	e->finder.base = matched_base(e);
	bool whole = open_base(e).len <= e->effort.whole_base_max && !blocks_are_enough(e);
	int err = whole ? encode_whole_base(e) : encode_by_pieces(e);
	matching_end(e);
	return err;
}

/*
 * With a view to match, the base is read itself, and the flat base only where its blocks are open, or a copy runs on into these:
 * copies are no longer than a segment.
 */
static void base_forget(struct encoding *e)
{
	uint64_t longest = 0;
	for (uint32_t i = 0; i < e->image_leaves.count; i++) {
		uint64_t len = open_segment(e, i).len;
		longest = len > longest ? len : longest;
	}
	if (e->flat.base.data != NULL && e->view.base.data != NULL && longest < e->base.len) {
		dcd_flat_base_forget(&e->flat, e->base.len - longest);
	}
}

/*
 * First round: match the bytes as they are, only to learn where code went, and make the views. Matching the views teaches more
 * unless all that was met is explained, so this may be done again; then comes the round that encodes.
 */
static int view_prepare(struct encoding *e)
{
	struct dcd_bytes base = open_base(e), image = open_image(e);
	if (e->refs.old_modules.region_count == 0 || e->refs.new_modules.region_count == 0 ||
	    base.len > VIEW_MAX - dcd_min_u64(image.len, VIEW_MAX)) {
		return 0;
	}
	int err = 0;
	for (e->round = 0; err == 0 && !e->view.explains && e->round < DCD_SURVEYS; e->round++) {
		e->surveying = true;
		err = matching_run(e);
		e->surveying = false;
		for (unsigned i = 1; err == 0 && i < e->workers; i++) {
			err = dcd_ref_samples_add(&e->each[0].samples, e->each[i].samples.items, e->each[i].samples.count);
			dcd_ref_samples_free(&e->each[i].samples);
		}
		if (err == 0 && e->each[0].samples.count > 0) {
			dcd_ref_view_free(&e->view);
			err = dcd_ref_view_new(&e->refs, e->each[0].samples.items, e->each[0].samples.count, &e->view);
			base_forget(e);
		}
		dcd_ref_samples_free(&e->each[0].samples);
	}
	return err;
}

/* Lays compressed blocks open, when there are any that changed. */
static int blocks_open(struct encoding *e)
{
	report(e, "unpacking", 0, e->image.len);
	return dcd_flat_images_make(&e->base, &e->image, &e->options, &e->flat);
}

/* From the table where there is one. */
static int leaves_find(const struct encoding *e, const struct dcd_bytes *table, const struct dcd_bytes *bytes,
		       struct dcd_image_leaves *ret)
{
	return table->data != NULL ? dcd_image_leaves_read(table, bytes, &e->options, ret)
				   : dcd_image_leaves_compute(bytes, &e->options, ret);
}

static int full_index(struct encoding *e)
{
	const struct dcd_bytes *full = &e->options.full;
	struct dcd_payload view;
	uint64_t length = 0;
	int err = dcd_payload_table_length(full->data, (size_t)full->len, &length);
	err = err != 0 ? err : dcd_payload_open(full->data, (size_t)length, e->options.alg, &view);
	if (err != 0 || full->len - length != view.frames_length) {
		return DCD_ERR_USAGE;
	}
	e->full_at = calloc(view.segment_count + (size_t)1, sizeof *e->full_at);
	if (e->full_at == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	e->full_at[0] = length;
	for (uint32_t i = 0; i < view.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&view, i, &entry);
		e->full_at[i + 1] = e->full_at[i] + entry.frame_length;
	}
	return 0;
}

static int leaves_begin(struct encoding *e)
{
	int err = leaves_find(e, &e->options.full, &e->image, &e->image_leaves);
	if (err == 0 && e->options.full.data != NULL) {
		err = full_index(e);
	}
	return err == 0 && e->base.len > 0 ? leaves_find(e, &e->options.base_table, &e->base, &e->base_leaves) : err;
}

/* Once its modules are known the flat image is opened again by each worker, but for BTF, which is looked at as a whole. */
static void image_forget(struct encoding *e)
{
	uint64_t from = 0;
	for (size_t i = 0; e->flat.base.data != NULL && i < e->refs.new_modules.region_count; i++) {
		const struct dcd_elf_region *region = &e->refs.new_modules.regions[i];
		if (region->kind == DCD_REGION_BTF) {
			dcd_flat_image_forget(&e->flat, from, region->offset);
			/* What only looks like BTF may lie in another one's strings. */
			uint64_t end = region->offset + region->len + region->strings_len;
			from = end > from ? end : from;
		}
	}
	if (e->flat.base.data != NULL) {
		dcd_flat_image_forget(&e->flat, from, e->flat.image.len);
	}
}

static int encoding_begin(struct encoding *e, int fd)
{
	int err = leaves_begin(e);
	if (err == 0 && e->base.len > 0) {
		err = e->options.keep_packed ? 0 : blocks_open(e);
		e->refs.base = open_base(e);
		e->refs.plain = e->base;
		e->refs.options = &e->options;
		e->refs.image = open_image(e);
		err = err != 0 ? err : dcd_elf_modules_find(&e->refs.base, &e->refs.old_modules);
		err = err != 0 ? err : dcd_elf_modules_find(&e->refs.image, &e->refs.new_modules);
		image_forget(e);
	}
	if (err != 0) {
		return err;
	}
	e->workers = dcd_pool_workers(e->options.threads);
	e->each = calloc(e->workers, sizeof *e->each);
	e->slots = calloc(dcd_pool_slots(e->workers), sizeof *e->slots);
	if (e->each == NULL || e->slots == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	for (unsigned i = 0; i < e->workers; i++) {
		err = dcd_segment_encoder_new(&e->effort, &e->each[i].encoder);
		if (err != 0) {
			return err;
		}
	}
	e->finder = (struct dcd_seed_finder){ .base = e->base, .patience = e->effort.patience };
	e->writer = (struct dcd_payload_writer){ .fd = fd,
						 .alg = e->options.alg,
						 .segment_size = e->options.segment_size,
						 .segment_count = e->image_leaves.count,
						 .image_size = e->image.len,
						 .base_size = e->base.len };
	if (e->base.len > 0) {
		e->writer.base_id = e->base_leaves.id;
		e->writer.features = e->flat.features;
		e->writer.pack_mark = dcd_block_packer().mark(e->flat.features);
	}
	return dcd_payload_writer_begin(&e->writer);
}

static void encoding_free(struct encoding *e)
{
	for (unsigned i = 0; e->each != NULL && i < e->workers; i++) {
		dcd_segment_encoder_free(e->each[i].encoder);
		dcd_copy_list_free(&e->each[i].marks);
		dcd_byte_buffer_free(&e->each[i].opened);
		dcd_byte_buffer_free(&e->each[i].seen);
		dcd_ref_samples_free(&e->each[i].samples);
	}
	for (unsigned i = 0; e->slots != NULL && i < dcd_pool_slots(e->workers); i++) {
		dcd_byte_buffer_free(&e->slots[i].frame);
	}
	free(e->full_at);
	free(e->each);
	dcd_ref_view_free(&e->view);
	dcd_flat_images_free(&e->flat);
	free(e->slots);
	dcd_payload_writer_free(&e->writer);
	dcd_elf_modules_free(&e->refs.old_modules);
	dcd_elf_modules_free(&e->refs.new_modules);
	dcd_image_leaves_free(&e->base_leaves);
	dcd_image_leaves_free(&e->image_leaves);
	free(e);
}

static int failure_say(struct dcd_diag *diag, int err)
{
	switch (err) {
	case 0:
		return 0;
	case DCD_ERR_NO_MEMORY:
		return dcd_diag_set(diag, err,
				    "not enough memory to encode the payload; fewer threads or a lower effort need less");
	case DCD_ERR_NO_SPACE:
		return dcd_diag_set(diag, err, "no space left where the payload is written");
	case DCD_ERR_USAGE:
		return dcd_diag_set(diag, err, "the full payload that was given is not of these bytes");
	case DCD_ERR_IO:
		return dcd_diag_set(diag, err, "the payload could not be written");
	default:
		return dcd_diag_set(diag, err, "encoding failed: %s", dcd_err_name(err));
	}
}

void dcd_encoder_name(char ret[DCD_ENCODER_NAME_SIZE])
{
	(void)snprintf(ret, DCD_ENCODER_NAME_SIZE, "%d-zstd%s", DCD_ENCODER_VERSION, dcd_zstd_encoder_version());
}

int dcd_encode_payload(const struct dcd_bytes *base, const struct dcd_bytes *image, int fd,
		       const struct dcd_encode_options *options, struct dcd_encode_result *ret, struct dcd_diag *diag)
{
	struct encoding *e = calloc(1, sizeof *e);
	if (e == NULL) {
		return failure_say(diag, DCD_ERR_NO_MEMORY);
	}
	e->image = *image;
	if (base != NULL && base->len > 0) {
		e->base = *base;
	}
	int err = dcd_encode_options_check(options, e->base.len > image->len ? e->base.len : image->len, &e->options, diag);
	if (err != 0) {
		encoding_free(e);
		return err;
	}
	e->effort = dcd_effort_of(e->options.effort);
	err = encoding_begin(e, fd);
	if (err == 0 && e->base.len == 0) {
		err = segments_encode(e, 0, e->image_leaves.count);
	} else if (err == 0) {
		err = view_prepare(e);
		err = err != 0 ? err : matching_run(e);
	}
	err = err != 0 ? err : dcd_payload_writer_finish(&e->writer, ret);
	encoding_free(e);
	return failure_say(diag, err);
}

int dcd_encode_image_id(const struct dcd_bytes *image, const struct dcd_encode_options *options, struct dcd_hash *ret,
			struct dcd_diag *diag)
{
	struct dcd_encode_options checked;
	int err = dcd_encode_options_check(options, image->len, &checked, diag);
	if (err != 0) {
		return err;
	}
	struct dcd_image_leaves leaves;
	err = dcd_image_leaves_compute(image, &checked, &leaves);
	if (err != 0) {
		return failure_say(diag, err);
	}
	*ret = leaves.id;
	dcd_image_leaves_free(&leaves);
	return 0;
}
