#include "bsdiff/diff/flat_images.h"
#include "bsdiff/diff/sparse_copy.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "bsdiff/apply/repack.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/diff/large_memory.h"
#include "bsdiff/diff/pack_trial.h"

/* Unchanged blocks between changed ones are laid open too, up to this many in a row: a program that changed stays in one piece.
 */
#define BRIDGE_MAX 8

/* ---- which blocks ---- */

struct hashed_block {
	uint64_t hash;
	uint32_t index;
};

static uint64_t bytes_hash(const uint8_t *data, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ len;
	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
	}
	return hash;
}

static int by_hash(const void *a, const void *b)
{
	const struct hashed_block *x = a, *y = b;
	if (x->hash != y->hash) {
		return x->hash < y->hash ? -1 : 1;
	}
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Pieces of a block have the hash of the whole one. Null when there is no memory. */
static struct hashed_block *blocks_hash(const struct dcd_bytes *image, const struct dcd_packed_blocks *blocks)
{
	struct hashed_block *ret = calloc(blocks->count + 1, sizeof *ret);
	struct dcd_byte_buffer room = { 0 };
	for (size_t i = 0; ret != NULL && i < blocks->count; i++) {
		const struct dcd_packed_block *block = &blocks->items[i];
		const uint8_t *bytes = dcd_packed_block_bytes(image, block, &room);
		if (bytes == NULL) {
			free(ret);
			ret = NULL;
			break;
		}
		ret[i] = (struct hashed_block){ bytes_hash(bytes, dcd_packed_block_whole(block)), (uint32_t)i };
	}
	dcd_byte_buffer_free(&room);
	if (ret != NULL) {
		qsort(ret, blocks->count, sizeof *ret, by_hash);
	}
	return ret;
}

/* Sets open[i] for each block whose bytes the other image doesn't have, as a block or otherwise hashed alike; `twin` of the
 * others. */
static void changed_find(const struct hashed_block *own, struct dcd_packed_blocks *blocks, const struct hashed_block *other,
			 const struct dcd_packed_blocks *others, bool *open)
{
	for (size_t i = 0, j = 0; i < blocks->count; i++) {
		while (j < others->count && other[j].hash < own[i].hash) {
			j++;
		}
		struct dcd_packed_block *block = &blocks->items[own[i].index];
		bool changed = j == others->count || other[j].hash != own[i].hash;
		open[own[i].index] = changed;
		block->twin = changed ? 0 : dcd_packed_block_twin(block, &others->items[other[j].index]);
	}
}

/*
 * Of blocks of the base that are alike the first one is enough, as of packages that carry one changelog. With more, copies would
 * lead to one and the other in turn, and a device that has room for one would unpack them again and again.
 */
static int twins_close(const struct dcd_bytes *base, const struct hashed_block *own, const struct dcd_packed_blocks *blocks,
		       bool *open)
{
	struct dcd_byte_buffer rooms[2] = { { 0 }, { 0 } };
	int err = 0;
	for (size_t i = 1, first = 0; i < blocks->count; i++) {
		const struct dcd_packed_block *a = &blocks->items[own[first].index], *b = &blocks->items[own[i].index];
		if (own[i].hash != own[first].hash || dcd_packed_block_whole(a) != dcd_packed_block_whole(b)) {
			first = i;
			continue;
		}
		const uint8_t *x = dcd_packed_block_bytes(base, a, &rooms[0]), *y = dcd_packed_block_bytes(base, b, &rooms[1]);
		if (x == NULL || y == NULL) {
			err = DCD_ERR_NO_MEMORY;
			break;
		}
		if (memcmp(x, y, dcd_packed_block_whole(a)) != 0) {
			first = i;
		} else {
			open[own[i].index] = false;
		}
	}
	dcd_byte_buffer_free(&rooms[0]);
	dcd_byte_buffer_free(&rooms[1]);
	return err;
}

/* In the base the first piece stands for the block. */
static void later_pieces_drop(struct dcd_packed_blocks *blocks)
{
	size_t kept = 0;
	for (size_t i = 0; i < blocks->count; i++) {
		if (blocks->items[i].before == 0) {
			blocks->items[kept++] = blocks->items[i];
		}
	}
	blocks->count = kept;
}

/* Joins what is open over short rows of what isn't, where the blocks touch. */
static void gaps_bridge(const struct dcd_packed_blocks *blocks, bool *open)
{
	size_t last = SIZE_MAX; /* the last open block */
	for (size_t i = 0; i < blocks->count; i++) {
		const struct dcd_packed_block *block = &blocks->items[i];
		bool touches = i > 0 && block->offset == block[-1].offset + block[-1].coded;
		if (!touches) {
			last = SIZE_MAX;
		}
		if (!open[i]) {
			continue;
		}
		for (size_t j = last; last != SIZE_MAX && i - last <= BRIDGE_MAX + 1 && j < i; j++) {
			open[j] = true;
		}
		last = i;
	}
}

static void blocks_keep(struct dcd_packed_blocks *blocks, const bool *open, bool proven)
{
	size_t kept = 0;
	for (size_t i = 0; i < blocks->count; i++) {
		if (open[i] && (!proven || blocks->items[i].params != 0)) {
			blocks->items[kept++] = blocks->items[i];
		}
	}
	blocks->count = kept;
}

/* Reduces both lists to the blocks that are laid open. */
static int blocks_choose(struct dcd_flat_images *flat, const struct dcd_bytes *base, const struct dcd_bytes *image,
			 const struct dcd_encode_options *options)
{
	struct hashed_block *old = blocks_hash(base, &flat->base_blocks), *new = blocks_hash(image, &flat->blocks);
	bool *old_open = calloc(flat->base_blocks.count + 1, 1), *new_open = calloc(flat->blocks.count + 1, 1);
	int err = old == NULL || new == NULL || old_open == NULL || new_open == NULL ? DCD_ERR_NO_MEMORY : 0;
	if (err == 0) {
		changed_find(old, &flat->base_blocks, new, &flat->blocks, old_open);
		changed_find(new, &flat->blocks, old, &flat->base_blocks, new_open);
		err = twins_close(base, old, &flat->base_blocks, old_open);
		gaps_bridge(&flat->base_blocks, old_open);
		gaps_bridge(&flat->blocks, new_open);
		err = err != 0 ? err : dcd_pack_trial_run(image, &flat->blocks, new_open, options);
		blocks_keep(&flat->base_blocks, old_open, false);
		blocks_keep(&flat->blocks, new_open, true);
	}
	free(old);
	free(new);
	free(old_open);
	free(new_open);
	return err;
}

/* ---- laying open ---- */

static uint32_t block_features(const struct dcd_packed_block *block)
{
	return DCD_FEATURE_PACK(block->method) | (block->whole != 0 ? DCD_FEATURE_SPLIT : 0);
}

static uint64_t blocks_growth(const struct dcd_packed_blocks *blocks)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < blocks->count; i++) {
		sum += blocks->items[i].len;
	}
	return sum;
}

static int base_open(struct dcd_flat_images *flat, const struct dcd_bytes *base)
{
	uint64_t len = base->len + blocks_growth(&flat->base_blocks);
	uint8_t *data = calloc(1, (size_t)len + 1);
	flat->base_at = calloc(flat->base_blocks.count + 1, sizeof *flat->base_at);
	flat->base = (struct dcd_bytes){ data, len };
	if (data == NULL || flat->base_at == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	dcd_sparse_copy_told(data, base, 0, base->len, flat->options, "unpacking");
	struct dcd_byte_buffer room = { 0 };
	uint64_t at = base->len;
	int err = 0;
	for (size_t i = 0; err == 0 && i < flat->base_blocks.count; i++) {
		const struct dcd_packed_block *block = &flat->base_blocks.items[i];
		flat->base_at[i] = at;
		flat->features |= block_features(block);
		err = dcd_packed_block_unpack(base, block, &room, data + at);
		at += block->len;
	}
	dcd_byte_buffer_free(&room);
	flat->base_at[flat->base_blocks.count] = at;
	return err;
}

static int image_open(struct dcd_flat_images *flat, const struct dcd_bytes *image)
{
	uint64_t len = image->len + blocks_growth(&flat->blocks), from = 0, at = 0;
	uint8_t *data = calloc(1, (size_t)len + 1);
	flat->at = calloc(flat->blocks.count + 1, sizeof *flat->at);
	flat->image.data = data;
	if (data == NULL || flat->at == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	struct dcd_byte_buffer room = { 0 };
	int err = 0;
	for (size_t i = 0; err == 0 && i < flat->blocks.count; i++) {
		const struct dcd_packed_block *block = &flat->blocks.items[i];
		dcd_sparse_copy_told(data + at, image, from, block->offset, flat->options, "unpacking");
		at += block->offset - from;
		flat->at[i] = at;
		flat->features |= block_features(block);
		err = dcd_packed_block_unpack(image, block, &room, data + at);
		at += block->len;
		from = block->offset + block->coded;
	}
	dcd_byte_buffer_free(&room);
	dcd_sparse_copy_told(data + at, image, from, image->len, flat->options, "unpacking");
	flat->image.len = at + image->len - from;
	return err;
}

int dcd_flat_images_make(const struct dcd_bytes *base, const struct dcd_bytes *image, const struct dcd_encode_options *options,
			 struct dcd_flat_images *ret)
{
	struct dcd_flat_images flat = { .packed = *image, .base_len = base->len, .image_len = image->len, .options = options };
	uint32_t len_max = dcd_pack_trial_length_max(options);
	int err = dcd_packed_blocks_find(image, len_max, &flat.blocks);
	if (err == 0 && flat.blocks.count > 0) {
		err = dcd_packed_blocks_find(base, len_max, &flat.base_blocks);
		later_pieces_drop(&flat.base_blocks);
		err = err != 0 ? err : blocks_choose(&flat, base, image, options);
	}
	if (err == 0 && flat.blocks.count > 0) {
		err = base_open(&flat, base);
		err = err != 0 ? err : image_open(&flat, image);
	} else {
		dcd_flat_images_free(&flat);
	}
	if (err != 0) {
		dcd_flat_images_free(&flat);
		return err;
	}
	*ret = flat;
	return 0;
}

void dcd_flat_images_free(struct dcd_flat_images *flat)
{
	free((void *)(uintptr_t)flat->base.data);
	free((void *)(uintptr_t)flat->image.data);
	dcd_packed_blocks_free(&flat->base_blocks);
	dcd_packed_blocks_free(&flat->blocks);
	free(flat->base_at);
	free(flat->at);
	*flat = (struct dcd_flat_images){ 0 };
}

/* ---- places ---- */

/* The first block that ends behind `offset`. */
static size_t block_at(const struct dcd_packed_blocks *blocks, uint64_t offset)
{
	size_t low = 0, high = blocks->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (blocks->items[middle].offset + blocks->items[middle].coded <= offset) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* Where `offset`, which lies in no block before blocks[index], is in the flat image. */
static uint64_t flat_place(const struct dcd_flat_images *flat, size_t index, uint64_t offset)
{
	if (index == 0) {
		return offset;
	}
	const struct dcd_packed_block *before = &flat->blocks.items[index - 1];
	return flat->at[index - 1] + before->len + (offset - (before->offset + before->coded));
}

struct dcd_flat_segment dcd_flat_segment_at(const struct dcd_flat_images *flat, uint32_t segment_size, uint64_t index)
{
	struct dcd_flat_segment ret = { .begin = index * segment_size };
	ret.end = dcd_min_u64(ret.begin + segment_size, flat->image_len);
	ret.first = ret.last = block_at(&flat->blocks, ret.begin);
	while (ret.last < flat->blocks.count && flat->blocks.items[ret.last].offset < ret.end) {
		ret.last++;
	}
	bool inside = ret.first < ret.last && flat->blocks.items[ret.first].offset < ret.begin;
	uint64_t from = inside ? flat->at[ret.first] : flat_place(flat, ret.first, ret.begin), to;
	const struct dcd_packed_block *tail = ret.last > ret.first ? &flat->blocks.items[ret.last - 1] : NULL;
	if (tail != NULL && tail->offset + tail->coded > ret.end) {
		to = flat->at[ret.last - 1] + tail->len;
	} else {
		to = flat_place(flat, ret.last, ret.end);
	}
	ret.segment = (struct dcd_segment){ .len = (uint32_t)(to - from), .index = (uint32_t)index, .offset = from };
	return ret;
}

int dcd_flat_segment_fill(const struct dcd_flat_images *flat, struct dcd_flat_segment *segment, struct dcd_byte_buffer *room)
{
	uint64_t from = segment->begin;
	if (segment->first == segment->last) {
		segment->segment.data = flat->packed.data + from;
		return 0;
	}
	room->len = 0;
	int err = dcd_byte_buffer_reserve(room, segment->segment.len);
	for (size_t i = segment->first; err == 0 && i < segment->last; i++) {
		const struct dcd_packed_block *block = &flat->blocks.items[i];
		if (from < block->offset) {
			err = dcd_byte_buffer_append(room, flat->packed.data + from, (size_t)(block->offset - from));
		}
		err = err != 0 ? err : dcd_byte_buffer_append(room, flat->image.data + flat->at[i], block->len);
		from = block->offset + block->coded;
	}
	if (err == 0 && from < segment->end) {
		err = dcd_byte_buffer_append(room, flat->packed.data + from, (size_t)(segment->end - from));
	}
	segment->segment.data = room->data;
	return err;
}

void dcd_flat_image_forget(struct dcd_flat_images *flat, uint64_t from, uint64_t end)
{
	uint64_t at = 0;
	for (size_t i = 0; i < flat->blocks.count && at < end; i++) {
		dcd_large_forget(flat->image.data, at > from ? at : from, dcd_min_u64(flat->at[i], end));
		at = flat->at[i] + flat->blocks.items[i].len;
	}
	dcd_large_forget(flat->image.data, at > from ? at : from, end);
}

void dcd_flat_base_forget(struct dcd_flat_images *flat, uint64_t end)
{
	dcd_large_forget(flat->base.data, 0, dcd_min_u64(end, flat->base_len));
}

size_t dcd_flat_base_block(const struct dcd_flat_images *flat, uint64_t offset)
{
	size_t low = 0, high = flat->base_blocks.count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (flat->base_at[middle + 1] <= offset) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

uint64_t dcd_flat_base_origin(const struct dcd_flat_images *flat, uint64_t offset)
{
	if (offset < flat->base_len) {
		return offset;
	}
	size_t block = dcd_flat_base_block(flat, offset);
	return block < flat->base_blocks.count ? flat->base_blocks.items[block].offset : flat->base_len;
}

uint64_t dcd_flat_base_place(const struct dcd_flat_images *flat, uint64_t offset)
{
	return flat->base_at[block_at(&flat->base_blocks, offset)];
}
