/* Blocks of a squashfs 4.0 that begins with the image: data, fragments, and the metadata blocks of its tables. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/diff/byte_buffer.h"
#include "bsdiff/diff/packed_blocks.h"

#define MAGIC 0x73717368U
#define SUPER_SIZE 96
#define METADATA_SIZE 8192U
#define PLAIN_METADATA 0x8000U
#define PLAIN_BLOCK (1U << 24)
#define NO_FRAGMENT 0xffffffffU
#define FRAGMENT_ENTRY 16
#define FRAGMENTS_PER_BLOCK (METADATA_SIZE / FRAGMENT_ENTRY)
#define TABLE_MAX (256U << 20) /* bytes of unpacked inodes that are looked at */

struct squashfs {
	const struct dcd_bytes *image;
	uint32_t block_size;
	enum dcd_pack_method method;
	uint32_t len_max;
	uint8_t *content; /* block_size or METADATA_SIZE bytes, whichever is more */
	size_t content_size;
	struct dcd_packed_blocks *blocks;
};

/* Notes a compressed block if it unpacks, into fs->content; *ret_len is 0 otherwise. */
static int block_note(struct squashfs *fs, uint64_t offset, uint32_t coded, uint32_t *ret_len)
{
	size_t len, used;
	*ret_len = 0;
	if (coded == 0 || !dcd_range_inside(offset, coded, fs->image->len) ||
	    dcd_packer_measure(fs->method, fs->content, fs->content_size, fs->image->data + offset, coded, &len, &used) != 0 ||
	    used != coded || len == 0) {
		return 0;
	}
	*ret_len = (uint32_t)len;
	if (len > fs->len_max) {
		return 0;
	}
	return dcd_packed_blocks_add(
		fs->blocks,
		(struct dcd_packed_block){ .offset = offset, .coded = coded, .len = (uint32_t)len, .method = fs->method });
}

/* Reads the metadata block at *at, which moves behind it; its content is appended to `out` (may be null). False: it ends here. */
static bool metadata_read(struct squashfs *fs, uint64_t *at, uint64_t end, struct dcd_byte_buffer *out, int *err)
{
	if (*at >= end || end - *at < 2 || !dcd_range_inside(*at, 2, fs->image->len)) {
		return false;
	}
	uint32_t head = dcd_le16_get(fs->image->data + *at), coded = head & (PLAIN_METADATA - 1), len = coded;
	uint64_t data = *at + 2;
	if (coded == 0 || coded > METADATA_SIZE || !dcd_range_inside(data, coded, end) || end > fs->image->len) {
		return false;
	}
	const uint8_t *content = fs->image->data + data;
	if ((head & PLAIN_METADATA) == 0) {
		*err = block_note(fs, data, coded, &len);
		content = fs->content;
	}
	if (*err != 0 || len == 0 || len > METADATA_SIZE) {
		return false;
	}
	*at = data + coded;
	*err = out != NULL ? dcd_byte_buffer_append(out, content, len) : 0;
	return *err == 0;
}

static int table_read(struct squashfs *fs, uint64_t at, uint64_t end, struct dcd_byte_buffer *out)
{
	int err = 0;
	while ((out == NULL || out->len < TABLE_MAX) && metadata_read(fs, &at, end, out, &err)) {
	}
	return err;
}

/* The data blocks of one file: `sizes` has `count` words. */
static int file_note(struct squashfs *fs, uint64_t offset, const uint8_t *sizes, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint32_t word = dcd_le32_get(sizes + 4 * i), coded = word & (PLAIN_BLOCK - 1), len;
		if (word != 0 && (word & PLAIN_BLOCK) == 0) {
			int err = block_note(fs, offset, coded, &len);
			if (err != 0) {
				return err;
			}
		}
		if (!dcd_add_u64(offset, coded, &offset)) {
			return 0;
		}
	}
	return 0;
}

/* Bytes of a file's inode before its block sizes, and what it says; false when it doesn't lie in data[0..len). */
static bool file_read(const uint8_t *inode, size_t len, bool extended, size_t *ret_head, uint64_t *ret_start, uint64_t *ret_size,
		      uint32_t *ret_fragment)
{
	*ret_head = extended ? 56 : 32;
	if (len < *ret_head) {
		return false;
	}
	*ret_start = extended ? dcd_le64_get(inode + 16) : dcd_le32_get(inode + 16);
	*ret_size = extended ? dcd_le64_get(inode + 24) : dcd_le32_get(inode + 28);
	*ret_fragment = dcd_le32_get(inode + (extended ? 44 : 20));
	return true;
}

/* Takes the file at inode; its length in the table, 0 when it is cut. */
static size_t file_take(struct squashfs *fs, const uint8_t *inode, size_t len, bool extended, int *err)
{
	size_t head;
	uint64_t start, size;
	uint32_t fragment;
	if (!file_read(inode, len, extended, &head, &start, &size, &fragment)) {
		return 0;
	}
	uint64_t count = size / fs->block_size + (fragment == NO_FRAGMENT && size % fs->block_size != 0);
	if (count > (len - head) / 4) {
		return 0;
	}
	*err = file_note(fs, start, inode + head, count);
	return head + 4 * (size_t)count;
}

/* Length of the index behind an extended directory's inode, which is `head` bytes; 0 when it is cut. */
static size_t directory_length(const uint8_t *inode, size_t len, size_t head)
{
	if (len < head) {
		return 0;
	}
	size_t at = head;
	for (unsigned left = dcd_le16_get(inode + 32); left > 0; left--) {
		if (len - at < 12) {
			return 0;
		}
		uint64_t name = (uint64_t)dcd_le32_get(inode + at + 8) + 1;
		if (name > len - at - 12) {
			return 0;
		}
		at += 12 + (size_t)name;
	}
	return at;
}

static size_t symlink_length(const uint8_t *inode, size_t len, size_t tail)
{
	if (len < 24) {
		return 0;
	}
	uint64_t target = dcd_le32_get(inode + 20);
	return target + tail <= len - 24 ? 24 + (size_t)target + tail : 0;
}

/* Takes the inode at the table's begin; how long it is, 0 when this isn't one. */
static size_t inode_take(struct squashfs *fs, const uint8_t *inode, size_t len, int *err)
{
	if (len < 16) {
		return 0;
	}
	static const uint8_t lengths[15] = {
		[1] = 32, [4] = 24, [5] = 24, [6] = 20, [7] = 20, [11] = 28, [12] = 28, [13] = 24, [14] = 24
	};
	unsigned type = dcd_le16_get(inode);
	switch (type) {
	case 2:
	case 9:
		return file_take(fs, inode, len, type == 9, err);
	case 3:
	case 10:
		return symlink_length(inode, len, type == 10 ? 4 : 0);
	case 8:
		return directory_length(inode, len, 40);
	default:
		return type < 15 && lengths[type] <= len ? lengths[type] : 0;
	}
}

static int inodes_note(struct squashfs *fs, uint64_t from, uint64_t to)
{
	struct dcd_byte_buffer table = { 0 };
	int err = table_read(fs, from, to, &table);
	for (size_t at = 0; err == 0 && at < table.len;) {
		size_t n = inode_take(fs, table.data + at, table.len - at, &err);
		if (n == 0) {
			break;
		}
		at += n;
	}
	dcd_byte_buffer_free(&table);
	return err;
}

/* The fragment blocks, and the metadata blocks that list them; `index` are their places. */
static int fragments_note(struct squashfs *fs, uint64_t index, uint32_t count, uint64_t *ret_first)
{
	uint64_t lists = dcd_div_ceil_u64(count, FRAGMENTS_PER_BLOCK);
	struct dcd_byte_buffer table = { 0 };
	int err = 0;
	if (count == 0 || !dcd_range_inside(index, lists * 8, fs->image->len)) {
		return 0;
	}
	for (uint64_t i = 0; err == 0 && i < lists; i++) {
		uint64_t at = dcd_le64_get(fs->image->data + index + 8 * i);
		*ret_first = i == 0 ? at : *ret_first;
		(void)metadata_read(fs, &at, index, &table, &err);
	}
	for (size_t at = 0; err == 0 && table.len - at >= FRAGMENT_ENTRY; at += FRAGMENT_ENTRY) {
		uint32_t word = dcd_le32_get(table.data + at + 8), len;
		if ((word & PLAIN_BLOCK) == 0) {
			err = block_note(fs, dcd_le64_get(table.data + at), word & (PLAIN_BLOCK - 1), &len);
		}
	}
	dcd_byte_buffer_free(&table);
	return err;
}

static bool super_read(const struct dcd_bytes *image, struct squashfs *fs)
{
	const uint8_t *super = image->data;
	if (image->len < SUPER_SIZE || dcd_le32_get(super) != MAGIC || dcd_le16_get(super + 28) != 4) {
		return false;
	}
	unsigned compressor = dcd_le16_get(super + 20), log = dcd_le16_get(super + 22);
	fs->block_size = dcd_le32_get(super + 12);
	static const enum dcd_pack_method methods[7] = { DCD_PACK_METHODS, DCD_PACK_ZLIB, DCD_PACK_METHODS, DCD_PACK_METHODS,
							 DCD_PACK_XZ,      DCD_PACK_LZ4,  DCD_PACK_ZSTD };
	fs->method = compressor < 7 ? methods[compressor] : DCD_PACK_METHODS;
	return fs->method != DCD_PACK_METHODS && log >= 12 && log <= 20 && fs->block_size == 1U << log;
}

int dcd_squashfs_blocks_find(const struct dcd_bytes *image, uint32_t len_max, struct dcd_packed_blocks *ret)
{
	struct squashfs fs = { .image = image, .len_max = len_max, .blocks = ret };
	if (!super_read(image, &fs)) {
		return 0;
	}
	fs.content_size = fs.block_size > METADATA_SIZE ? fs.block_size : METADATA_SIZE;
	fs.content = malloc(fs.content_size);
	if (fs.content == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	uint64_t inodes = dcd_le64_get(image->data + 64), folders = dcd_le64_get(image->data + 72);
	uint64_t fragments = dcd_le64_get(image->data + 80), folders_end = image->len;
	int err = fragments_note(&fs, fragments, dcd_le32_get(image->data + 16), &folders_end);
	err = err != 0 ? err : inodes_note(&fs, inodes, dcd_min_u64(folders, image->len));
	/* Where the folders' table ends nothing says, but what comes behind it doesn't unpack. */
	err = err != 0 ? err : table_read(&fs, folders, dcd_min_u64(folders_end, image->len), NULL);
	free(fs.content);
	return err;
}
