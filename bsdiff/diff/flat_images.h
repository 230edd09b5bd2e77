/*
 * Base and image with their compressed blocks laid open, so that the delta is taken between contents. The flat base is the base,
 * and behind it the content of its blocks, as a repacked frame sees it (bsdiff/apply/repack.h). The flat image has the content of
 * each block that can be packed again in the block's place. Blocks that base and image share stay packed in both: their
 * bytes are copied. A block that a file system keeps in two pieces is in the flat base once, in the flat image in the place of
 * each piece.
 */
#ifndef DCD_BSDIFF_DIFF_FLAT_IMAGES_H
#define DCD_BSDIFF_DIFF_FLAT_IMAGES_H

#include "bsdiff/diff/byte_buffer.h"
#include "bsdiff/diff/copy_list.h"
#include "bsdiff/diff/packed_blocks.h"

/* Zero-initialised is empty: nothing is laid open. */
struct dcd_flat_images {
	struct dcd_bytes base;   /* owned */
	struct dcd_bytes image;  /* owned; what lies between blocks may be forgotten */
	struct dcd_bytes packed; /* the image as it is; the caller's */
	uint64_t base_len;       /* of the base as it is */
	uint64_t image_len;
	struct dcd_packed_blocks base_blocks; /* that are laid open */
	uint64_t *base_at;                    /* where: offsets in the flat base */
	struct dcd_packed_blocks blocks;      /* of the image, likewise */
	uint64_t *at;
	uint32_t features;                        /* DCD_FEATURE_PACK() of all methods in both, DCD_FEATURE_SPLIT */
	const struct dcd_encode_options *options; /* say what a frame may need: dcd_encode_pack_memory() */
};

/*
 * Finds blocks, tries which can be packed again in the memory that a device may need, and lays open what has changed. Leaves *ret
 * empty when that is nothing. `options` outlive it.
 */
DCD_NODISCARD int dcd_flat_images_make(const struct dcd_bytes *base, const struct dcd_bytes *image,
				       const struct dcd_encode_options *options, struct dcd_flat_images *ret);
void dcd_flat_images_free(struct dcd_flat_images *flat);

/* One segment of the flat image: it begins with the block that the segment's first byte lies in, and ends with that of its last.
 */
struct dcd_flat_segment {
	struct dcd_segment segment; /* offset and len in the flat image */
	uint64_t begin;             /* in the image */
	uint64_t end;
	size_t first; /* blocks[first..last) have bytes in it */
	size_t last;
};

/* Where it is; its data is null. */
struct dcd_flat_segment dcd_flat_segment_at(const struct dcd_flat_images *flat, uint32_t segment_size, uint64_t index);

/* Its data: the image's own when no block lies in it, else in `room`, which is the caller's and whose content goes. */
DCD_NODISCARD int dcd_flat_segment_fill(const struct dcd_flat_images *flat, struct dcd_flat_segment *segment,
					struct dcd_byte_buffer *room);

/*
 * Gives memory back, of [from, end) of the flat image what no block lies in, and of [0, end) of the flat base what the base has
 * itself. These bytes must not be read any more.
 */
void dcd_flat_image_forget(struct dcd_flat_images *flat, uint64_t from, uint64_t end);
void dcd_flat_base_forget(struct dcd_flat_images *flat, uint64_t end);

/* The first block of the base whose content, in the flat base, ends behind `offset`; the count when there is none. */
size_t dcd_flat_base_block(const struct dcd_flat_images *flat, uint64_t offset);

/* Where in the base the bytes at `offset` of the flat base come from. */
uint64_t dcd_flat_base_origin(const struct dcd_flat_images *flat, uint64_t offset);

/* Where in the flat base the blocks of the base from `offset` on are laid open. */
uint64_t dcd_flat_base_place(const struct dcd_flat_images *flat, uint64_t offset);

/* Cuts copies where a block of the segment begins or ends, as the decoder does. `ret`'s content goes. */
DCD_NODISCARD int dcd_flat_copies_cut(const struct dcd_flat_images *flat, const struct dcd_flat_segment *segment,
				      const struct dcd_copy_list *copies, struct dcd_copy_list *ret);

/*
 * Of copies that are cut, those that the segment has with its blocks packed: between blocks, and of blocks that the base has too.
 * Positions are in the segment and the base as they are. `ret`'s content goes.
 */
DCD_NODISCARD int dcd_flat_copies_pack(const struct dcd_flat_images *flat, const struct dcd_flat_segment *segment,
				       const struct dcd_copy_list *copies, struct dcd_copy_list *ret);

/* What a frame needs to be repacked. */
struct dcd_flat_memory {
	uint64_t need; /* bytes beside the frame and its streams */
	uint64_t max;  /* bytes that all of it may take */
};

/*
 * Appends the RECIPE stream for a segment made with these copies. Slots are as many as help while there is memory for them beside
 * `beside` bytes; whether the frame keeps to ret_memory->max in the end is the caller's to see.
 */
DCD_NODISCARD int dcd_flat_recipe_write(const struct dcd_flat_images *flat, const struct dcd_flat_segment *segment,
					const struct dcd_copy_list *copies, uint64_t beside, struct dcd_byte_buffer *ret,
					struct dcd_flat_memory *ret_memory);

#endif
