/*
 * Deflate (RFC 1951) with the choices of zlib and of gzip, bit for bit: a part of the payload format, not a library's affair, so
 * that a block packs to the same bytes on every device and in ten years. docs/format-payload.md says which choices these are.
 * Allocates nothing.
 */
#ifndef DCD_BSDIFF_CODEC_DEFLATE_PACK_H
#define DCD_BSDIFF_CODEC_DEFLATE_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Parameters: level (1..9), what zlib calls memLevel (8 or 9), and whether gzip made it, which ends blocks by its own rule. */
#define DCD_DEFLATE_LEVEL_MASK 15U
#define DCD_DEFLATE_MEMORY_9 16U
#define DCD_DEFLATE_GZIP 32U

/* Bytes that packing needs, aligned to 16. */
size_t dcd_deflate_memory(void);

/*
 * Packs src[0..src_len) as one deflate stream. 0; DCD_ERR_UNSUPPORTED for parameters that don't exist, DCD_ERR_SIZE when it
 * doesn't fit into `capacity`, DCD_ERR_NO_MEMORY when memory_size is too small.
 */
DCD_NODISCARD int dcd_deflate_pack(uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len,
				   void *memory, size_t memory_size, size_t *ret_len);

#endif
