/*
 * Compressed blocks inside an image: where they lie and what is in them. Found by the structures of the file system around them
 * or by their own heads; every one listed has been unpacked once. Nothing in the image is trusted.
 */
#ifndef DCD_BSDIFF_DIFF_PACKED_BLOCKS_H
#define DCD_BSDIFF_DIFF_PACKED_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bsdiff/diff/byte_buffer.h"
#include "bsdiff/diff/encode.h"

#define DCD_PACKED_BEHIND_MAX 64

/*
 * A block, or one of the two pieces that a file system keeps of it: each is listed by itself, with the content of the whole
 * block.
 */
struct dcd_packed_block {
	uint64_t offset; /* in the image */
	uint32_t coded;  /* bytes there */
	uint32_t whole;  /* compressed bytes of the whole block when this is a piece; 0: it isn't */
	uint32_t before; /* of them, those before this piece: 0 for the first one */
	uint64_t other;  /* where the other piece lies, listed or not: its first byte in the image */
	uint32_t len;    /* bytes of content */
	enum dcd_pack_method method;
	uint32_t params; /* with which packing gives the same bytes; 0: not known (bsdiff/diff/pack_trial.h) */
	uint64_t twin;   /* where the other image has a block of the same hash; 0: nowhere */
	uint8_t behind_len;
	uint8_t behind[DCD_PACKED_BEHIND_MAX]; /* the first bytes of what follows the content in its file, for DCD_PACK_EROFS */
};

/* In ascending order of offset, without overlap. Zero-initialised is empty. */
struct dcd_packed_blocks {
	struct dcd_packed_block *items;
	size_t count;
	size_t capacity;
};

DCD_NODISCARD int dcd_packed_blocks_add(struct dcd_packed_blocks *blocks, struct dcd_packed_block block);
void dcd_packed_blocks_free(struct dcd_packed_blocks *blocks);

/* Sorts, and drops blocks that overlap one before them; the other piece of one that goes stays. */
void dcd_packed_blocks_sort(struct dcd_packed_blocks *blocks);

/* Compressed bytes of the whole block, of which this may be a piece. */
uint32_t dcd_packed_block_whole(const struct dcd_packed_block *block);

/* Where they are together: in the image, or, brought together, in `room`, whose content goes. Null when there is no memory. */
const uint8_t *dcd_packed_block_bytes(const struct dcd_bytes *image, const struct dcd_packed_block *block,
				      struct dcd_byte_buffer *room);

/* Unpacks the whole block into exactly block->len bytes. DCD_ERR_MALFORMED when that isn't its length. */
DCD_NODISCARD int dcd_packed_block_unpack(const struct dcd_bytes *image, const struct dcd_packed_block *block,
					  struct dcd_byte_buffer *room, uint8_t *out);

/* Where `piece` would lie if its bytes were those of `block`, which has the same in all, in another image; 0: in no one place. */
uint64_t dcd_packed_block_twin(const struct dcd_packed_block *piece, const struct dcd_packed_block *block);

/* All blocks of at most `len_max` bytes of content that this knows to find. */
DCD_NODISCARD int dcd_packed_blocks_find(const struct dcd_bytes *image, uint32_t len_max, struct dcd_packed_blocks *ret);

/* The finders: each adds what it finds to *ret, in any order. No error when the image isn't theirs, or is damaged. */
DCD_NODISCARD int dcd_squashfs_blocks_find(const struct dcd_bytes *image, uint32_t len_max, struct dcd_packed_blocks *ret);
DCD_NODISCARD int dcd_erofs_blocks_find(const struct dcd_bytes *image, uint32_t len_max, struct dcd_packed_blocks *ret);

/* Gzip members in image[from..to). */
DCD_NODISCARD int dcd_gzip_members_find(const struct dcd_bytes *image, uint64_t from, uint64_t to, uint32_t len_max,
					struct dcd_packed_blocks *ret);

/* Is there a member at data[0..len)? Its deflate stream is *ret, whose offset counts from `data`. `content` has len_max bytes. */
bool dcd_gzip_member_at(const uint8_t *data, size_t len, uint8_t *content, uint32_t len_max, struct dcd_packed_block *ret);

#endif
