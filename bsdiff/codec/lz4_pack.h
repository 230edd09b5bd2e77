/*
 * LZ4 blocks, alone and as an erofs has them, by the installed library. An erofs packs the other way round: not a content of
 * fixed length, but as much of a file as fills a physical cluster. What such a block becomes hangs a little on the content behind
 * it: on whether there is any, on whether there are 64 KiB, and now and then on its first bytes. Private to bsdiff/codec.
 */
#ifndef DCD_BSDIFF_CODEC_LZ4_PACK_H
#define DCD_BSDIFF_CODEC_LZ4_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Parameters of a block alone: the fast compressor, or the level of lz4hc (from 2). */
#define DCD_LZ4_FAST 1U
#define DCD_LZ4_LEVEL_MAX 12U

/* Bytes that packing needs, aligned to 16. */
size_t dcd_lz4_memory(uint32_t params);

/* As dcd_packer.pack(). */
DCD_NODISCARD int dcd_lz4_pack(uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, void *memory,
			       size_t memory_size, size_t *ret_len);

/* A block doesn't say how long its content is: *ret_len is what comes out of all of src. DCD_ERR_MALFORMED. */
DCD_NODISCARD int dcd_lz4_unpack(uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, size_t *ret_len);

/* Unpacks to exactly dst_len bytes, or DCD_ERR_MALFORMED. */
DCD_NODISCARD int dcd_lz4_block(uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len);

/*
 * The same of a cluster, which zero bytes fill up at its begin. Parameters are those of DCD_PACK_EROFS (bsdiff/format.h); `src`
 * is the content, and behind it the carried bytes. DCD_ERR_SIZE also when less than all of the content goes in.
 */
size_t dcd_erofs_memory(uint32_t params, size_t len);
DCD_NODISCARD int dcd_erofs_pack(uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, void *memory,
				 size_t memory_size, size_t *ret_len);
DCD_NODISCARD int dcd_erofs_unpack(uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, size_t *ret_len);
DCD_NODISCARD int dcd_erofs_block(uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len);

/*
 * As much of src as goes into `room` bytes: *ret_taken of them, in *ret_len. `state` is dcd_lz4_memory(), or null for the fast
 * compressor. DCD_ERR_SIZE when that is nothing.
 */
DCD_NODISCARD int dcd_erofs_fill(uint32_t level, uint8_t *dst, size_t room, const uint8_t *src, size_t src_len, void *state,
				 size_t *ret_len, size_t *ret_taken);

#endif
