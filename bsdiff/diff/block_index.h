/*
 * Exact matches over the whole base, however large: a table of the hashes of its blocks, looked up with a rolling hash. Finds
 * what moved. Memory is bounded (DCD_BLOCK_INDEX_ENTRIES); for a large base the blocks grow instead.
 */
#ifndef DCD_BSDIFF_DIFF_BLOCK_INDEX_H
#define DCD_BSDIFF_DIFF_BLOCK_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bsdiff/diff/encode.h"

#define DCD_BLOCK_SIZE_MIN 32
#define DCD_BLOCK_INDEX_ENTRIES (8U << 20) /* blocks at most */

struct dcd_block_index;

/* `base` outlives the index. Blocks of one repeated byte are left out: they match everywhere and say nothing. */
DCD_NODISCARD int dcd_block_index_new(const struct dcd_bytes *base, struct dcd_block_index **ret);
void dcd_block_index_free(struct dcd_block_index *index);

uint32_t dcd_block_index_block_size(const struct dcd_block_index *index);

/* Positions that are hashed before they are looked up, so that memory is on its way: a power of two. */
#define DCD_BLOCK_AHEAD 16U

/* A window of one block that slides over data. Zero-initialised it is nowhere. */
struct dcd_block_window {
	uint64_t hashes[DCD_BLOCK_AHEAD]; /* of positions at .. end - 1, by position */
	uint64_t rolling;                 /* of position end - 1, unfinished */
	uint32_t at;
	uint32_t end;
	bool valid;
};

/* Moves the window to data[at..at + block size), which lies inside data[0..len), from wherever it was before. */
void dcd_block_window_move(const struct dcd_block_index *index, struct dcd_block_window *window, const uint8_t *data,
			   uint32_t len, uint32_t at);

/* A block of the base that equals the window's bytes at `data`, compared byte by byte. */
bool dcd_block_index_find(const struct dcd_block_index *index, const struct dcd_block_window *window, const uint8_t *data,
			  uint64_t *ret_base);

#endif
