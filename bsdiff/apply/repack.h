/*
 * Compressed blocks (DCD_FILTER_REPACKED). The frame's control stream makes the segment *unpacked*: as spans of plain bytes and
 * blocks before compression. The recipe says where the blocks lie and how each is packed; a block that has been made is packed
 * at once and its bytes go where they belong. In the same way the base is seen as its own bytes, and behind them the unpacked
 * content of the blocks that the recipe lists. Private to bsdiff/apply and the encoder. Freestanding.
 *
 * What is not checked: that packing gives the bytes that were meant. The segment's hash tells.
 */
#ifndef DCD_BSDIFF_APPLY_REPACK_H
#define DCD_BSDIFF_APPLY_REPACK_H

#include <stdbool.h>

#include "bsdiff/apply/frame.h"

/* A compressed block of the base, or more compressed bytes of the one before, which lie elsewhere. */
struct dcd_repack_block {
	uint64_t at;     /* where its content is seen: behind the base's own bytes */
	uint64_t offset; /* of its compressed bytes in the base */
	uint32_t coded;  /* their number */
	uint32_t len;    /* bytes of content; 0: of the block before, so that nothing is ever read from this one */
	enum dcd_pack_method method;
};

/* An unpacked block of the base that is kept. */
struct dcd_repack_slot {
	uint32_t block; /* index + 1; 0: nothing */
	uint32_t used;  /* when, by a clock of reads */
};

struct dcd_repack {
	const struct dcd_packer *packer;
	struct dcd_reader *base;
	struct dcd_reader reader; /* the base as it is seen: dcd_repack_open() sets it */
	uint64_t origin;          /* where the encoder saw the unpacked segment: stands for the segment's offset */
	uint32_t unpacked;        /* bytes of the unpacked segment */
	struct dcd_repack_block *blocks;
	size_t block_count;
	struct dcd_repack_slot *slots;
	uint8_t *slot_bytes;
	size_t slot_count;
	uint32_t clock;
	uint32_t block_max; /* bytes of the longest block, of base and segment */
	uint8_t *plain;     /* the block that is being made */
	uint8_t *coded;     /* its compressed bytes; those of a block of the base before it is unpacked */
	void *memory;       /* of the packer */
	size_t memory_size;
	/* The recipe's pieces, read as they come. */
	const uint8_t *recipe;
	size_t recipe_len;
	size_t recipe_pos;
	size_t skip; /* of the first block's compressed bytes, those that belong to the segment before */
	uint8_t *out;
	size_t out_len;
	size_t out_pos;
	size_t span; /* what is left of the plain span */
	bool block;  /* a block comes behind the span, or is being made */
	enum dcd_pack_method method;
	uint32_t params;
	uint32_t len;           /* bytes of the block */
	size_t filled;          /* of them that are made */
	const uint8_t *carried; /* what the recipe has of the bytes behind it */
	size_t carried_len;
	size_t before; /* of its packed bytes, those that belong elsewhere and come first */
	size_t kept;   /* those behind them that belong here; 0: all */
	bool packed;   /* some block has been: what went wrong since then may be the base's fault */
};

/* Longest compressed form of a block of `n` bytes: what doesn't shrink isn't compressed, up to a few bytes of framing. */
#define DCD_REPACK_CODED_MAX(n) ((uint64_t)(n) + 64)

/* Workspace bytes, from an address aligned to 16. */
uint64_t dcd_repack_memory(uint64_t blocks, uint64_t slots, uint64_t block_max, uint64_t packer_kib);

/*
 * Reads the recipe up to its pieces, and takes its memory from the front of *memory, which it moves. DCD_ERR_MALFORMED (also when
 * there is too little, which the header promised not to be), DCD_ERR_UNSUPPORTED for a method that the packer doesn't know.
 */
DCD_NODISCARD int dcd_repack_open(struct dcd_repack *r, const uint8_t *recipe, size_t len, const struct dcd_frame_tools *tools,
				  uint8_t *out, size_t out_len, uint8_t **memory, size_t *memory_size);

/* Where the next unpacked bytes go. *ret_room is over 0 unless the segment is done. */
DCD_NODISCARD int dcd_repack_room(struct dcd_repack *r, uint8_t **ret_at, size_t *ret_room);

/* `len` of them, at most the room, have been made there. */
DCD_NODISCARD int dcd_repack_advance(struct dcd_repack *r, size_t len);

#endif
