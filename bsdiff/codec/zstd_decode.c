#define ZSTD_STATIC_LINKING_ONLY
#include "bsdiff/codec/zstd_decode.h"

#include <zstd.h>

static int zstd_decode(uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len, void *memory, size_t memory_size)
{
	ZSTD_frameHeader header;
	if (ZSTD_getFrameHeader(&header, src, src_len) != 0 || header.frameType != ZSTD_frame ||
	    header.frameContentSize != dst_len || header.dictID != 0) {
		return DCD_ERR_MALFORMED;
	}
	/* ZSTD_decompressDCtx() would go on into a second frame; we have one, and nothing behind it. */
	if (ZSTD_findFrameCompressedSize(src, src_len) != src_len) {
		return DCD_ERR_MALFORMED;
	}
	ZSTD_DCtx *context = ZSTD_initStaticDCtx(memory, memory_size);
	if (context == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	/* Also an error code is a size_t other than dst_len: the largest values of the type. */
	return ZSTD_decompressDCtx(context, dst, dst_len, src, src_len) == dst_len ? 0 : DCD_ERR_MALFORMED;
}

struct dcd_decoder dcd_zstd_decoder(void)
{
	return (struct dcd_decoder){ .decode = zstd_decode, .memory_size = ZSTD_estimateDCtxSize() };
}
