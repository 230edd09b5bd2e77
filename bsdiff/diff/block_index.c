#include "bsdiff/diff/block_index.h"

#include <stdlib.h>
#include <string.h>

#include "bsdiff/diff/large_memory.h"

/* A polynomial hash modulo 2^64; the finaliser spreads its weak low bits. */
#define MULTIPLIER UINT64_C(0x9fb21c651e98df25)
#define PROBES 8 /* a crowded neighbourhood loses blocks rather than time */

struct slot {
	uint32_t tag;   /* more bits of the hash, to spare most comparisons */
	uint32_t block; /* number + 1; 0: free */
};

struct dcd_block_index {
	struct dcd_bytes base;
	uint32_t block_size;
	uint64_t top_power; /* MULTIPLIER^(block_size - 1) */
	unsigned bits;
	struct slot *slots;
};

static uint64_t hash_block(const uint8_t *data, uint32_t len)
{
	uint64_t hash = 0;
	for (uint32_t i = 0; i < len; i++) {
		hash = hash * MULTIPLIER + data[i] + 1;
	}
	return hash;
}

static uint64_t hash_finish(uint64_t hash)
{
	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	hash ^= hash >> 32;
	return hash;
}

static bool one_byte_only(const uint8_t *data, uint32_t len)
{
	return memcmp(data, data + 1, len - 1) == 0;
}

static void index_add(struct dcd_block_index *index, uint32_t block, uint64_t hash)
{
	uint64_t mask = ((uint64_t)1 << index->bits) - 1;
	uint32_t tag = (uint32_t)(hash >> 32);
	for (unsigned i = 0; i < PROBES; i++) {
		struct slot *slot = &index->slots[(hash + i) & mask];
		if (slot->block == 0) {
			*slot = (struct slot){ tag, block + 1 };
			return;
		}
		if (slot->tag == tag) {
			return; /* the same block again, almost surely: the first one stands for all */
		}
	}
}

/* How many blocks are worth an entry. */
static uint32_t blocks_count(const struct dcd_bytes *base, uint32_t block_size, uint32_t blocks)
{
	uint32_t count = 0;
	for (uint32_t block = 0; block < blocks; block++) {
		count += !one_byte_only(base->data + (uint64_t)block * block_size, block_size);
	}
	return count;
}

/* Adds all blocks, each a few after its place in memory was asked for. */
static void index_fill(struct dcd_block_index *index, uint32_t blocks)
{
	struct {
		uint64_t hash;
		uint32_t block;
	} waiting[DCD_BLOCK_AHEAD];
	size_t added = 0, seen = 0;
	for (uint32_t block = 0; block < blocks; block++) {
		const uint8_t *data = index->base.data + (uint64_t)block * index->block_size;
		if (one_byte_only(data, index->block_size)) {
			continue;
		}
		uint64_t hash = hash_finish(hash_block(data, index->block_size));
		__builtin_prefetch(&index->slots[hash & (((uint64_t)1 << index->bits) - 1)], 1);
		if (seen - added == DCD_BLOCK_AHEAD) {
			index_add(index, waiting[added % DCD_BLOCK_AHEAD].block, waiting[added % DCD_BLOCK_AHEAD].hash);
			added++;
		}
		waiting[seen % DCD_BLOCK_AHEAD].hash = hash;
		waiting[seen++ % DCD_BLOCK_AHEAD].block = block;
	}
	for (; added < seen; added++) {
		index_add(index, waiting[added % DCD_BLOCK_AHEAD].block, waiting[added % DCD_BLOCK_AHEAD].hash);
	}
}

int dcd_block_index_new(const struct dcd_bytes *base, struct dcd_block_index **ret)
{
	struct dcd_block_index *index = calloc(1, sizeof *index);
	if (index == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	index->base = *base;
	index->block_size = DCD_BLOCK_SIZE_MIN;
	while (base->len / index->block_size > DCD_BLOCK_INDEX_ENTRIES) {
		index->block_size *= 2;
	}
	index->top_power = 1;
	for (uint32_t i = 1; i < index->block_size; i++) {
		index->top_power *= MULTIPLIER;
	}
	uint32_t blocks = (uint32_t)(base->len / index->block_size);
	uint64_t entries = blocks_count(base, index->block_size, blocks);
	index->bits = 10;
	while (((uint64_t)1 << index->bits) < entries + entries / 2) { /* at most two thirds are taken */
		index->bits++;
	}
	index->slots = dcd_large_alloc(((size_t)1 << index->bits) * sizeof *index->slots);
	if (index->slots == NULL) {
		free(index);
		return DCD_ERR_NO_MEMORY;
	}
	index_fill(index, blocks);
	*ret = index;
	return 0;
}

void dcd_block_index_free(struct dcd_block_index *index)
{
	if (index != NULL) {
		dcd_large_free(index->slots, ((size_t)1 << index->bits) * sizeof *index->slots);
		free(index);
	}
}

uint32_t dcd_block_index_block_size(const struct dcd_block_index *index)
{
	return index->block_size;
}

static void window_add(const struct dcd_block_index *index, struct dcd_block_window *window)
{
	uint64_t hash = hash_finish(window->rolling);
	__builtin_prefetch(&index->slots[hash & (((uint64_t)1 << index->bits) - 1)]);
	window->hashes[window->end % DCD_BLOCK_AHEAD] = hash;
	window->end++;
}

void dcd_block_window_move(const struct dcd_block_index *index, struct dcd_block_window *window, const uint8_t *data,
			   uint32_t len, uint32_t at)
{
	uint32_t size = index->block_size;
	if (!window->valid || at < window->at || at >= window->end) {
		window->rolling = hash_block(data + at, size);
		window->end = at;
		window->valid = true;
		window_add(index, window);
	}
	window->at = at;
	while (window->end - at < DCD_BLOCK_AHEAD && size <= len - window->end) {
		const uint8_t *last = data + window->end - 1;
		window->rolling = (window->rolling - index->top_power * (last[0] + 1U)) * MULTIPLIER + last[size] + 1;
		window_add(index, window);
	}
}

bool dcd_block_index_find(const struct dcd_block_index *index, const struct dcd_block_window *window, const uint8_t *data,
			  uint64_t *ret_base)
{
	uint64_t hash = window->hashes[window->at % DCD_BLOCK_AHEAD];
	uint64_t mask = ((uint64_t)1 << index->bits) - 1;
	uint32_t tag = (uint32_t)(hash >> 32);
	for (unsigned i = 0; i < PROBES; i++) {
		const struct slot *slot = &index->slots[(hash + i) & mask];
		if (slot->block == 0) {
			return false;
		}
		if (slot->tag == tag) {
			uint64_t base = (uint64_t)(slot->block - 1) * index->block_size;
			if (memcmp(index->base.data + base, data + window->at, index->block_size) != 0) {
				return false;
			}
			*ret_base = base;
			return true;
		}
	}
	return false;
}
