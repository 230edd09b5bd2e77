#include "bsdiff/diff/packed_blocks.h"

#include <stdlib.h>

#include "bsdiff/codec/packer.h"

int dcd_packed_blocks_add(struct dcd_packed_blocks *blocks, struct dcd_packed_block block)
{
	if (blocks->count == blocks->capacity) {
		size_t capacity = blocks->capacity == 0 ? 256 : 2 * blocks->capacity;
		struct dcd_packed_block *grown = reallocarray(blocks->items, capacity, sizeof *grown);
		if (grown == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
		blocks->items = grown;
		blocks->capacity = capacity;
	}
	blocks->items[blocks->count++] = block;
	return 0;
}

void dcd_packed_blocks_free(struct dcd_packed_blocks *blocks)
{
	free(blocks->items);
	*blocks = (struct dcd_packed_blocks){ 0 };
}

static int by_offset(const void *a, const void *b)
{
	const struct dcd_packed_block *x = a, *y = b;
	if (x->offset != y->offset) {
		return x->offset < y->offset ? -1 : 1;
	}
	return x->coded < y->coded ? -1 : x->coded > y->coded;
}

void dcd_packed_blocks_sort(struct dcd_packed_blocks *blocks)
{
	size_t kept = 0;
	uint64_t end = 0;
	if (blocks->count > 0) {
		qsort(blocks->items, blocks->count, sizeof *blocks->items, by_offset);
	}
	for (size_t i = 0; i < blocks->count; i++) {
		const struct dcd_packed_block *block = &blocks->items[i];
		if (block->offset >= end) {
			end = block->offset + block->coded;
			blocks->items[kept++] = *block;
		}
	}
	blocks->count = kept;
}

uint32_t dcd_packed_block_whole(const struct dcd_packed_block *block)
{
	return block->whole != 0 ? block->whole : block->coded;
}

const uint8_t *dcd_packed_block_bytes(const struct dcd_bytes *image, const struct dcd_packed_block *block,
				      struct dcd_byte_buffer *room)
{
	if (block->whole == 0) {
		return image->data + block->offset;
	}
	bool first = block->before == 0;
	size_t head = first ? block->coded : block->before;
	room->len = 0;
	int err = dcd_byte_buffer_append(room, image->data + (first ? block->offset : block->other), head);
	err = err != 0 ? err
		       : dcd_byte_buffer_append(room, image->data + (first ? block->other : block->offset), block->whole - head);
	return err == 0 ? room->data : NULL;
}

int dcd_packed_block_unpack(const struct dcd_bytes *image, const struct dcd_packed_block *block, struct dcd_byte_buffer *room,
			    uint8_t *out)
{
	size_t len, coded;
	const uint8_t *bytes = dcd_packed_block_bytes(image, block, room);
	if (bytes == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	int err = dcd_packer_measure(block->method, out, block->len, bytes, dcd_packed_block_whole(block), &len, &coded);
	return err != 0 || len == block->len ? err : DCD_ERR_MALFORMED;
}

uint64_t dcd_packed_block_twin(const struct dcd_packed_block *piece, const struct dcd_packed_block *block)
{
	if (block->whole == 0) {
		return block->offset + piece->before;
	}
	if (piece->before == block->before && piece->coded <= block->coded) {
		return block->offset;
	}
	/* As much is before the other piece as is in the first. */
	return block->before == 0 && piece->before == block->coded ? block->other : 0;
}

int dcd_packed_blocks_find(const struct dcd_bytes *image, uint32_t len_max, struct dcd_packed_blocks *ret)
{
	struct dcd_packed_blocks blocks = { 0 };
	int err = dcd_squashfs_blocks_find(image, len_max, &blocks);
	err = err != 0 ? err : dcd_erofs_blocks_find(image, len_max, &blocks);
	dcd_packed_blocks_sort(&blocks);
	/* Members may lie between: a file that didn't shrink is kept as it is. */
	uint64_t from = 0;
	size_t known = blocks.count;
	for (size_t i = 0; err == 0 && i <= known; i++) {
		uint64_t to = i < known ? blocks.items[i].offset : image->len;
		err = dcd_gzip_members_find(image, from, to, len_max, &blocks);
		from = i < known ? blocks.items[i].offset + blocks.items[i].coded : to;
	}
	if (err != 0) {
		dcd_packed_blocks_free(&blocks);
		return err;
	}
	dcd_packed_blocks_sort(&blocks);
	*ret = blocks;
	return 0;
}
