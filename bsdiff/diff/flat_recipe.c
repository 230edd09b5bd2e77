/* The RECIPE stream of a segment (bsdiff/format.h). */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "bsdiff/apply/repack.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/diff/encode_plan.h"
#include "bsdiff/diff/flat_images.h"

/* Adds [from, to) cut out of the copy. */
static int part_add(const struct dcd_copy *copy, uint64_t from, uint64_t to, struct dcd_copy_list *ret)
{
	if (from >= to) {
		return 0;
	}
	return dcd_copy_list_add(ret, (struct dcd_copy){ (uint32_t)from, (uint32_t)(to - from), copy->base + (from - copy->at) });
}

int dcd_flat_copies_cut(const struct dcd_flat_images *flat, const struct dcd_flat_segment *segment,
			const struct dcd_copy_list *copies, struct dcd_copy_list *ret)
{
	ret->count = 0;
	size_t next = segment->first;
	for (size_t i = 0; i < copies->count; i++) {
		const struct dcd_copy *copy = &copies->items[i];
		uint64_t from = copy->at, end = from + copy->len;
		while (from < end) {
			uint64_t cut = end;
			/* The first edge of a block behind `from`. */
			for (; next < segment->last; next++) {
				uint64_t begin = flat->at[next] - segment->segment.offset;
				uint64_t stop = begin + flat->blocks.items[next].len;
				if (begin > from || stop > from) {
					cut = dcd_min_u64(end, begin > from ? begin : stop);
					break;
				}
			}
			int err = part_add(copy, from, cut, ret);
			if (err != 0) {
				return err;
			}
			from = cut;
		}
	}
	return 0;
}

/* What of the block lies in the segment is a copy, if the base has the block. */
static int twin_add(const struct dcd_flat_images *flat, const struct dcd_packed_block *block,
		    const struct dcd_flat_segment *segment, struct dcd_copy_list *ret)
{
	uint64_t from = block->offset > segment->begin ? block->offset : segment->begin;
	uint64_t end = dcd_min_u64(block->offset + block->coded, segment->end);
	if (block->twin == 0 || !dcd_range_inside(block->twin, block->coded, flat->base_len)) {
		return 0;
	}
	return dcd_copy_list_add(ret, (struct dcd_copy){ (uint32_t)(from - segment->begin), (uint32_t)(end - from),
							 block->twin + (from - block->offset) });
}

int dcd_flat_copies_pack(const struct dcd_flat_images *flat, const struct dcd_flat_segment *segment,
			 const struct dcd_copy_list *copies, struct dcd_copy_list *ret)
{
	const struct dcd_packed_block *blocks = flat->blocks.items;
	size_t next = segment->first;
	ret->count = 0;
	for (size_t i = 0; i < copies->count; i++) {
		const struct dcd_copy *copy = &copies->items[i];
		uint64_t at = segment->segment.offset + copy->at;
		for (; next < segment->last && flat->at[next] + blocks[next].len <= at; next++) {
			int err = twin_add(flat, &blocks[next], segment, ret);
			if (err != 0) {
				return err;
			}
		}
		bool plain = next == segment->last || at < flat->at[next];
		if (!plain || copy->base >= flat->base_len || copy->len > flat->base_len - copy->base) {
			continue;
		}
		/* As far behind the block before as it is in the flat image. */
		uint64_t packed = at;
		if (next > 0) {
			packed -= flat->at[next - 1] + blocks[next - 1].len;
			packed += blocks[next - 1].offset + blocks[next - 1].coded;
		}
		int err = dcd_copy_list_add(ret, (struct dcd_copy){ (uint32_t)(packed - segment->begin), copy->len, copy->base });
		if (err != 0) {
			return err;
		}
	}
	int err = 0;
	for (; err == 0 && next < segment->last; next++) {
		err = twin_add(flat, &blocks[next], segment, ret);
	}
	return err;
}

/* The blocks of the base that the copies use. */
struct used_blocks {
	uint32_t *items; /* indices, ascending */
	size_t count;
	uint32_t *reads; /* indices in the order of reading, repeats in a row left out */
	size_t read_count;
	size_t capacity;
};

static int used_read(struct used_blocks *used, uint32_t index)
{
	if (used->read_count > 0 && used->reads[used->read_count - 1] == index) {
		return 0;
	}
	if (used->read_count == used->capacity) {
		size_t capacity = used->capacity == 0 ? 64 : 2 * used->capacity;
		uint32_t *grown = reallocarray(used->reads, capacity, sizeof *grown);
		if (grown == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
		used->reads = grown;
		used->capacity = capacity;
	}
	used->reads[used->read_count++] = index;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static int used_find(const struct dcd_flat_images *flat, const struct dcd_copy_list *copies, struct used_blocks *used)
{
	for (size_t i = 0; i < copies->count; i++) {
		const struct dcd_copy *copy = &copies->items[i];
		uint64_t end = copy->base + copy->len;
		if (end <= flat->base_len) {
			continue;
		}
		uint64_t from = copy->base > flat->base_len ? copy->base : flat->base_len;
		for (size_t block = dcd_flat_base_block(flat, from); block < flat->base_blocks.count && flat->base_at[block] < end;
		     block++) {
			int err = used_read(used, (uint32_t)block);
			if (err != 0) {
				return err;
			}
		}
	}
	used->items = malloc((used->read_count + 1) * sizeof *used->items);
	if (used->items == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	if (used->read_count > 0) {
		memcpy(used->items, used->reads, used->read_count * sizeof *used->items);
		qsort(used->items, used->read_count, sizeof *used->items, by_number);
	}
	for (size_t i = 0; i < used->read_count; i++) {
		if (used->count == 0 || used->items[used->count - 1] != used->items[i]) {
			used->items[used->count++] = used->items[i];
		}
	}
	return 0;
}

/* How often a block is unpacked with this many slots, the longest unused given up. */
static size_t misses_count(const struct used_blocks *used, size_t slots)
{
	uint32_t held[DCD_PACK_SLOTS_MAX];
	size_t count = 0, misses = 0;
	for (size_t i = 0; i < used->read_count; i++) {
		size_t at = 0;
		while (at < count && held[at] != used->reads[i]) {
			at++;
		}
		misses += at == count;
		count += at == count && count < slots;
		at = at < count ? at : count - 1;
		memmove(held + 1, held, at * sizeof *held);
		held[0] = used->reads[i];
	}
	return misses;
}

struct needs {
	uint64_t entries; /* for blocks of the base: one that lies in two pieces takes two */
	uint64_t block_max;
	uint64_t packer; /* bytes */
	uint64_t slots;
	struct dcd_flat_memory memory;
};

static void need(struct needs *needs, const struct dcd_packed_block *block, uint32_t params)
{
	size_t memory = dcd_packer_memory(block->method, params, block->len);
	uint64_t len = (uint64_t)block->len + DCD_PACK_CARRIED(block->method, params);
	needs->packer = memory > needs->packer ? memory : needs->packer;
	needs->block_max = len > needs->block_max ? len : needs->block_max;
}

/* The device's zstd may be another build of the same version: a little more than ours asks for. */
#define PACKER_SLACK 4096

static uint64_t packer_kib(const struct needs *needs)
{
	return dcd_div_ceil_u64(needs->packer + PACKER_SLACK, 1024);
}

static void needs_find(const struct dcd_flat_images *flat, const struct dcd_flat_segment *segment, const struct used_blocks *used,
		       uint64_t beside, struct needs *ret)
{
	struct needs needs = { .entries = used->count, .block_max = 1 };
	for (size_t i = 0; i < used->count; i++) {
		need(&needs, &flat->base_blocks.items[used->items[i]], 0);
		needs.entries += flat->base_blocks.items[used->items[i]].whole != 0;
	}
	for (size_t i = segment->first; i < segment->last; i++) {
		need(&needs, &flat->blocks.items[i], flat->blocks.items[i].params);
	}
	needs.memory.max = dcd_encode_pack_memory(flat->options, packer_kib(&needs) * 1024);
	/* Unpacking is many times faster than packing: as many slots as keep it within twice a block, and none for a compressor's
	 * share. */
	uint64_t slots_max = dcd_encode_pack_memory(flat->options, 0);
	for (uint64_t slots = 1; slots <= DCD_PACK_SLOTS_MAX; slots *= 2) {
		uint64_t need = dcd_repack_memory(needs.entries, slots, needs.block_max, packer_kib(&needs)) + 15;
		if (slots > 1 && need + beside > slots_max) {
			break;
		}
		needs.slots = slots;
		needs.memory.need = need;
		if (misses_count(used, (size_t)slots) <= 2 * used->count) {
			break;
		}
	}
	*ret = needs;
}

/* Behind a block of the base: where the rest of its compressed bytes lies. */
static int more_write(const struct dcd_packed_block *block, struct dcd_byte_buffer *ret)
{
	int err = 0;
	if (block->whole != 0) {
		err = dcd_byte_buffer_append_varint(ret, (uint64_t)(block->whole - block->coded) << 3 | 1);
		err = err != 0 ? err : dcd_byte_buffer_append_varint(ret, DCD_PACK_SPLIT);
		err = err != 0 ? err : dcd_byte_buffer_append_varint(ret, block->other);
	}
	return err;
}

static int base_blocks_write(const struct dcd_flat_images *flat, const struct used_blocks *used, struct dcd_byte_buffer *ret)
{
	uint64_t seen_end = flat->base_len, base_end = 0, method = 0, len = 0;
	int err = 0;
	for (size_t i = 0; err == 0 && i < used->count; i++) {
		const struct dcd_packed_block *block = &flat->base_blocks.items[used->items[i]];
		uint64_t at = flat->base_at[used->items[i]];
		bool jump = at != seen_end || block->offset != base_end, longer = block->len != len,
		     other = block->method != method;
		err = dcd_byte_buffer_append_varint(ret, (uint64_t)block->coded << 3 | (uint64_t)jump << 2 |
								 (uint64_t)longer << 1 | other);
		err = err != 0 || !other ? err : dcd_byte_buffer_append_varint(ret, block->method);
		err = err != 0 || !longer ? err : dcd_byte_buffer_append_varint(ret, block->len);
		err = err != 0 || !jump ? err : dcd_byte_buffer_append_varint(ret, at - seen_end);
		err = err != 0 || !jump ? err : dcd_byte_buffer_append_varint(ret, block->offset - base_end);
		err = err != 0 ? err : more_write(block, ret);
		seen_end = at + block->len;
		base_end = block->offset + block->coded;
		method = block->method;
		len = block->len;
	}
	return err;
}

/* How a block of the image is packed, and of a piece, which of the packed bytes it has. */
static int packing_write(const struct dcd_packed_block *block, struct dcd_byte_buffer *ret)
{
	bool split = block->whole != 0;
	int err = dcd_byte_buffer_append_varint(ret, block->method | (split ? DCD_PACK_SPLIT : 0));
	err = err != 0 ? err : dcd_byte_buffer_append_varint(ret, block->params);
	err = err != 0 || !split ? err : dcd_byte_buffer_append_varint(ret, block->before);
	return err != 0 || !split ? err : dcd_byte_buffer_append_varint(ret, block->coded);
}

static int pieces_write(const struct dcd_flat_images *flat, const struct dcd_flat_segment *segment, struct dcd_byte_buffer *ret)
{
	uint64_t from = segment->begin, method = 0, params = 0, len = 0;
	int err = 0;
	for (size_t i = segment->first; err == 0 && i < segment->last; i++) {
		const struct dcd_packed_block *block = &flat->blocks.items[i];
		uint64_t span = block->offset > from ? block->offset - from : 0;
		bool longer = block->len != len;
		bool other = block->method != method || block->params != params || block->whole != 0;
		err = dcd_byte_buffer_append_varint(ret, span << 2 | (uint64_t)longer << 1 | other);
		err = err != 0 || !other ? err : packing_write(block, ret);
		err = err != 0 || !longer ? err : dcd_byte_buffer_append_varint(ret, block->len);
		err = err != 0 ? err : dcd_byte_buffer_append(ret, block->behind, DCD_PACK_CARRIED(block->method, block->params));
		from = block->offset + block->coded;
		method = block->method;
		params = block->params;
		len = block->len;
	}
	return err;
}

static int recipe_write(const struct dcd_flat_images *flat, const struct dcd_flat_segment *segment,
			const struct used_blocks *used, const struct needs *needs, struct dcd_byte_buffer *ret)
{
	bool inside = segment->first < segment->last && flat->blocks.items[segment->first].offset < segment->begin;
	const uint64_t head[] = { segment->segment.offset, segment->segment.len, needs->block_max, needs->slots,
				  packer_kib(needs),       needs->entries };
	int err = 0;
	for (size_t i = 0; err == 0 && i < sizeof head / sizeof head[0]; i++) {
		err = dcd_byte_buffer_append_varint(ret, head[i]);
	}
	err = err != 0 ? err : base_blocks_write(flat, used, ret);
	err = err != 0 ? err
		       : dcd_byte_buffer_append_varint(ret,
						       inside ? segment->begin - flat->blocks.items[segment->first].offset : 0);
	return err != 0 ? err : pieces_write(flat, segment, ret);
}

int dcd_flat_recipe_write(const struct dcd_flat_images *flat, const struct dcd_flat_segment *segment,
			  const struct dcd_copy_list *copies, uint64_t beside, struct dcd_byte_buffer *ret,
			  struct dcd_flat_memory *ret_memory)
{
	struct used_blocks used = { 0 };
	struct needs needs;
	int err = used_find(flat, copies, &used);
	if (err == 0) {
		needs_find(flat, segment, &used, beside, &needs);
		err = recipe_write(flat, segment, &used, &needs, ret);
	}
	free(used.items);
	free(used.reads);
	if (err == 0) {
		*ret_memory = needs.memory;
	}
	return err;
}
