#include "bsdiff/apply/repack.h"

#include <string.h>

#include "base/checked.h"
#include "base/varint.h"
#include "bsdiff/apply/delta.h"

/* The format's own sizes, so that a payload needs the same on every machine; ours fit. */
#define BLOCK_MEMORY 32
#define SLOT_MEMORY 8
_Static_assert(sizeof(struct dcd_repack_block) <= BLOCK_MEMORY, "a block's memory");
_Static_assert(sizeof(struct dcd_repack_slot) <= SLOT_MEMORY, "a slot's memory");

#define PACKER_KIB_MAX (256U << 10)

static uint64_t round16(uint64_t n)
{
	return (n + 15) & ~(uint64_t)15;
}

uint64_t dcd_repack_memory(uint64_t blocks, uint64_t slots, uint64_t block_max, uint64_t packer_kib)
{
	return blocks * BLOCK_MEMORY + round16(slots * SLOT_MEMORY) + (slots + 1) * round16(block_max) +
	       round16(DCD_REPACK_CODED_MAX(block_max)) + packer_kib * 1024;
}

static bool recipe_value(struct dcd_repack *r, uint64_t *ret)
{
	return dcd_varint_get(r->recipe, r->recipe_len, &r->recipe_pos, ret);
}

/* A varint of at most `max`. */
static bool recipe_value_max(struct dcd_repack *r, uint64_t max, uint64_t *ret)
{
	return recipe_value(r, ret) && *ret <= max;
}

static int method_known(const struct dcd_repack *r, uint64_t method)
{
	bool known = method < DCD_PACK_METHODS && (r->packer->features & DCD_FEATURE_PACK((unsigned)method)) != 0;
	return known ? 0 : DCD_ERR_UNSUPPORTED;
}

/* More compressed bytes of the block before, of which there is no more than one such entry: both fit into its memory. */
static int more_read(struct dcd_repack *r, size_t i, uint64_t head, struct dcd_repack_block *ret)
{
	uint64_t coded = head >> 3, offset, end;
	const struct dcd_repack_block *before = i > 0 ? &r->blocks[i - 1] : NULL;
	if (before == NULL || before->len == 0 || (head & 6) != 0 || coded == 0 ||
	    coded > DCD_REPACK_CODED_MAX(r->block_max) - before->coded || !recipe_value(r, &offset) ||
	    !dcd_add_u64(offset, coded, &end)) {
		return DCD_ERR_MALFORMED;
	}
	*ret = (struct dcd_repack_block){
		.at = before->at + before->len, .offset = offset, .coded = (uint32_t)coded, .method = before->method
	};
	return 0;
}

/* Block `i` of the base, from the one before: head, then what differs. `seen_end` and `base_end` are that one's ends. */
static int block_read(struct dcd_repack *r, size_t i, const struct dcd_repack_block *previous, uint64_t *seen_end,
		      uint64_t *base_end, struct dcd_repack_block *ret)
{
	uint64_t head, method = previous->method, len = previous->len, seen_gap = 0, base_gap = 0, end;
	if (!recipe_value(r, &head) || ((head & 1) != 0 && !recipe_value(r, &method))) {
		return DCD_ERR_MALFORMED;
	}
	if (method == DCD_PACK_SPLIT) {
		return more_read(r, i, head, ret);
	}
	if (((head & 2) != 0 && !recipe_value_max(r, r->block_max, &len)) ||
	    ((head & 4) != 0 && (!recipe_value(r, &seen_gap) || !recipe_value(r, &base_gap)))) {
		return DCD_ERR_MALFORMED;
	}
	int err = method_known(r, method);
	if (err != 0) {
		return err;
	}
	uint64_t coded = head >> 3;
	if (len == 0 || coded == 0 || coded > DCD_REPACK_CODED_MAX(r->block_max) || !dcd_add_u64(*seen_end, seen_gap, &ret->at) ||
	    !dcd_add_u64(ret->at, len, seen_end) || !dcd_add_u64(*base_end, base_gap, &ret->offset) ||
	    !dcd_add_u64(ret->offset, coded, &end)) {
		return DCD_ERR_MALFORMED;
	}
	*base_end = end;
	ret->coded = (uint32_t)coded;
	ret->len = (uint32_t)len;
	ret->method = (enum dcd_pack_method)method;
	return 0;
}

static int blocks_read(struct dcd_repack *r)
{
	struct dcd_repack_block previous = { 0 };
	uint64_t seen_end = r->base->size, base_end = 0;
	for (size_t i = 0; i < r->block_count; i++) {
		int err = block_read(r, i, &previous, &seen_end, &base_end, &r->blocks[i]);
		if (err != 0) {
			return err;
		}
		previous = r->blocks[i].len > 0 ? r->blocks[i] : previous;
	}
	r->reader.size = seen_end;
	return 0;
}

/* The block of the base that is seen at `offset`, or the count. Never one without content: it ends where the one before does. */
static size_t block_find(const struct dcd_repack *r, uint64_t offset)
{
	size_t low = 0, high = r->block_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (r->blocks[middle].at + r->blocks[middle].len <= offset) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low < r->block_count && r->blocks[low].at <= offset ? low : r->block_count;
}

/* The slot that holds the block already, or the one that was used the longest ago. */
static size_t slot_choose(const struct dcd_repack *r, size_t block)
{
	size_t oldest = 0;
	for (size_t i = 0; i < r->slot_count; i++) {
		if (r->slots[i].block == block + 1) {
			return i;
		}
		if (r->slots[i].used < r->slots[oldest].used) {
			oldest = i;
		}
	}
	return oldest;
}

/* Brings the block's compressed bytes together; how many. */
static int coded_load(struct dcd_repack *r, size_t index, size_t *ret_len)
{
	const struct dcd_repack_block *block = &r->blocks[index];
	const struct dcd_repack_block *more = index + 1 < r->block_count && block[1].len == 0 ? &block[1] : NULL;
	int err = dcd_delta_read_base(r->base, block->offset, r->coded, block->coded);
	if (err == 0 && more != NULL) {
		err = dcd_delta_read_base(r->base, more->offset, r->coded + block->coded, more->coded);
	}
	*ret_len = block->coded + (size_t)(more != NULL ? more->coded : 0);
	return err;
}

/* Unpacks the block unless a slot has it. */
static int block_load(struct dcd_repack *r, size_t index, const uint8_t **ret)
{
	size_t i = slot_choose(r, index);
	struct dcd_repack_slot *slot = &r->slots[i];
	const struct dcd_repack_block *block = &r->blocks[index];
	uint8_t *bytes = r->slot_bytes + i * (size_t)round16(r->block_max);
	slot->used = ++r->clock;
	*ret = bytes;
	if (slot->block == index + 1) {
		return 0;
	}
	slot->block = 0;
	size_t coded;
	int err = coded_load(r, index, &coded);
	if (err != 0) {
		return err;
	}
	err = r->packer->unpack(block->method, bytes, block->len, r->coded, coded, r->memory, r->memory_size);
	if (err != 0) {
		return DCD_ERR_WRONG_BASE;
	}
	slot->block = (uint32_t)index + 1;
	return 0;
}

/* Reads the base as it is seen. */
static int seen_read(void *context, uint64_t offset, void *buf, size_t len)
{
	struct dcd_repack *r = context;
	uint8_t *out = buf;
	while (len > 0) {
		size_t n;
		if (offset < r->base->size) {
			n = (size_t)dcd_min_u64(len, r->base->size - offset);
			int err = dcd_delta_read_base(r->base, offset, out, n);
			if (err != 0) {
				return err;
			}
		} else {
			size_t block = block_find(r, offset);
			if (block == r->block_count) {
				return DCD_ERR_MALFORMED;
			}
			const uint8_t *bytes;
			int err = block_load(r, block, &bytes);
			if (err != 0) {
				return err;
			}
			uint64_t inside = offset - r->blocks[block].at;
			n = (size_t)dcd_min_u64(len, r->blocks[block].len - inside);
			memcpy(out, bytes + inside, n);
		}
		offset += n;
		out += n;
		len -= n;
	}
	return 0;
}

/* Lays out the workspace. */
static int memory_take(struct dcd_repack *r, uint64_t packer_kib, uint8_t **memory, size_t *memory_size)
{
	size_t misaligned = (size_t)(0U - (uintptr_t)*memory) & 15;
	uint64_t need = dcd_repack_memory(r->block_count, r->slot_count, r->block_max, packer_kib);
	if (misaligned > *memory_size || need > *memory_size - misaligned) {
		return DCD_ERR_MALFORMED;
	}
	uint8_t *at = *memory + misaligned;
	*memory = at + (size_t)need;
	*memory_size -= misaligned + (size_t)need;
	r->blocks = (struct dcd_repack_block *)(void *)at;
	at += r->block_count * BLOCK_MEMORY;
	r->slots = (struct dcd_repack_slot *)(void *)at;
	memset(at, 0, r->slot_count * SLOT_MEMORY);
	at += (size_t)round16(r->slot_count * SLOT_MEMORY);
	r->slot_bytes = at;
	at += r->slot_count * (size_t)round16(r->block_max);
	r->plain = at;
	at += (size_t)round16(r->block_max);
	r->coded = at;
	at += (size_t)round16(DCD_REPACK_CODED_MAX(r->block_max));
	r->memory = at;
	r->memory_size = (size_t)packer_kib * 1024;
	return 0;
}

int dcd_repack_open(struct dcd_repack *r, const uint8_t *recipe, size_t len, const struct dcd_frame_tools *tools, uint8_t *out,
		    size_t out_len, uint8_t **memory, size_t *memory_size)
{
	if (tools->packer == NULL) {
		return DCD_ERR_UNSUPPORTED;
	}
	memset(r, 0, sizeof *r);
	r->packer = tools->packer;
	r->base = tools->base;
	r->reader = (struct dcd_reader){ seen_read, r, 0 };
	r->recipe = recipe;
	r->recipe_len = len;
	r->out = out;
	r->out_len = out_len;
	uint64_t unpacked, block_max, slots, packer_kib, blocks, skip;
	/* A block takes a byte of the recipe at least, so its length bounds their number. */
	if (!recipe_value(r, &r->origin) || !recipe_value_max(r, UINT32_MAX, &unpacked) ||
	    !recipe_value_max(r, DCD_PACK_BLOCK_MAX, &block_max) || block_max == 0 ||
	    !recipe_value_max(r, DCD_PACK_SLOTS_MAX, &slots) || slots == 0 || !recipe_value_max(r, PACKER_KIB_MAX, &packer_kib) ||
	    !recipe_value_max(r, len, &blocks)) {
		return DCD_ERR_MALFORMED;
	}
	r->unpacked = (uint32_t)unpacked;
	r->block_max = (uint32_t)block_max;
	r->slot_count = (size_t)slots;
	r->block_count = (size_t)blocks;
	int err = memory_take(r, packer_kib, memory, memory_size);
	err = err != 0 ? err : blocks_read(r);
	if (err == 0 && !recipe_value_max(r, DCD_REPACK_CODED_MAX(block_max), &skip)) {
		err = DCD_ERR_MALFORMED;
	}
	if (err == 0) {
		r->skip = (size_t)skip;
	}
	return err;
}

/* What the recipe carries of the content behind the block: together they are no longer than the longest block. */
static bool carried_read(struct dcd_repack *r)
{
	size_t n = DCD_PACK_CARRIED(r->method, r->params);
	if (n > r->recipe_len - r->recipe_pos || n > r->block_max - r->len) {
		return false;
	}
	r->carried = r->recipe + r->recipe_pos;
	r->carried_len = n;
	r->recipe_pos += n;
	return true;
}

/* What the piece says of how its block is packed: takes *method and *params unless they are as before; which bytes are kept. */
static bool packing_read(struct dcd_repack *r, bool other, uint64_t *method, uint64_t *params)
{
	const uint64_t max = DCD_REPACK_CODED_MAX(r->block_max);
	uint64_t before = 0, kept = 0;
	if (other && (!recipe_value(r, method) || !recipe_value_max(r, UINT32_MAX, params))) {
		return false;
	}
	if (other && *method >= DCD_PACK_SPLIT && *method < 2 * DCD_PACK_SPLIT) {
		/* A byte at least is kept, and in the segment. */
		if (!recipe_value_max(r, max, &before) || !recipe_value_max(r, max, &kept) || kept <= r->skip) {
			return false;
		}
		*method -= DCD_PACK_SPLIT;
	}
	r->before = (size_t)before;
	r->kept = (size_t)kept;
	return true;
}

/* Takes the next piece of the recipe: a span, and the block behind it. Behind the last one, the rest is plain. */
static int piece_read(struct dcd_repack *r)
{
	size_t left = r->out_len - r->out_pos;
	if (r->recipe_pos == r->recipe_len) {
		r->span = left;
		return 0;
	}
	uint64_t head, method = r->method, params = r->params, len = r->len;
	if (!recipe_value(r, &head) || !packing_read(r, (head & 1) != 0, &method, &params) ||
	    ((head & 2) != 0 && !recipe_value_max(r, r->block_max, &len)) || len == 0) {
		return DCD_ERR_MALFORMED;
	}
	int err = method_known(r, method);
	if (err != 0) {
		return err;
	}
	/* A block has at least a byte in the segment. */
	if (head >> 2 >= left) {
		return DCD_ERR_MALFORMED;
	}
	r->span = (size_t)(head >> 2);
	r->block = true;
	r->method = (enum dcd_pack_method)method;
	r->params = (uint32_t)params;
	r->len = (uint32_t)len;
	r->filled = 0;
	return carried_read(r) ? 0 : DCD_ERR_MALFORMED;
}

int dcd_repack_room(struct dcd_repack *r, uint8_t **ret_at, size_t *ret_room)
{
	if (r->span == 0 && !r->block) {
		int err = piece_read(r);
		if (err != 0) {
			return err;
		}
	}
	bool plain = r->span > 0 || !r->block;
	*ret_at = plain ? r->out + r->out_pos : r->plain + r->filled;
	*ret_room = plain ? r->span : r->len - r->filled;
	return 0;
}

/* Packs the block that is complete, and puts down what of it lies in the segment. */
static int block_pack(struct dcd_repack *r)
{
	size_t coded;
	if (r->carried_len > 0) {
		memcpy(r->plain + r->len, r->carried, r->carried_len);
	}
	int err = r->packer->pack(r->method, r->params, r->coded, (size_t)DCD_REPACK_CODED_MAX(r->block_max), r->plain,
				  r->len + r->carried_len, r->memory, r->memory_size, &coded);
	r->packed = true;
	if (err != 0 || coded < r->before || coded - r->before < r->kept) {
		return DCD_ERR_WRONG_BASE;
	}
	size_t kept = r->kept != 0 ? r->kept : coded - r->before, left = r->out_len - r->out_pos;
	if (kept <= r->skip) {
		return DCD_ERR_WRONG_BASE;
	}
	size_t n = kept - r->skip;
	/* Only the last block may run on into the next segment. */
	if (n > left && r->recipe_pos != r->recipe_len) {
		return DCD_ERR_WRONG_BASE;
	}
	n = n < left ? n : left;
	memcpy(r->out + r->out_pos, r->coded + r->before + r->skip, n);
	r->out_pos += n;
	r->skip = 0;
	r->block = false;
	return 0;
}

int dcd_repack_advance(struct dcd_repack *r, size_t len)
{
	if (r->span > 0) {
		r->span -= len;
		r->out_pos += len;
		return 0;
	}
	r->filled += len;
	return r->filled == r->len ? block_pack(r) : 0;
}
