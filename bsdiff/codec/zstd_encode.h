/* The zstd compressor for bsdiff/diff (host). */
#ifndef DCD_BSDIFF_CODEC_ZSTD_ENCODE_H
#define DCD_BSDIFF_CODEC_ZSTD_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A compressor and its tables, for one thread. */
struct dcd_zstd_encoder;

/* The library's version, "1.5.4": another one may give other bytes. */
const char *dcd_zstd_encoder_version(void);

/* 0 or DCD_ERR_NO_MEMORY. Freed by dcd_zstd_encoder_free(), which takes null. */
DCD_NODISCARD int dcd_zstd_encoder_new(struct dcd_zstd_encoder **ret);
void dcd_zstd_encoder_free(struct dcd_zstd_encoder *encoder);

/*
 * Compresses src into one frame at zstd's `level`: content size declared, no dictionary, no checksum (the frame's SHA-256 covers
 * it). The same bytes for the same input, level and libzstd version. 0; DCD_ERR_SIZE when the result would not fit into
 * `capacity`; DCD_ERR_NO_MEMORY.
 */
DCD_NODISCARD int dcd_zstd_encode(struct dcd_zstd_encoder *encoder, int level, uint8_t *dst, size_t capacity, const uint8_t *src,
				  size_t src_len, size_t *ret_len);

#endif
