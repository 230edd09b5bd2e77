#include "bsdiff/codec/zstd_encode.h"

#include <zstd.h>
#include <zstd_errors.h>

struct dcd_zstd_encoder; /* is a ZSTD_CCtx by another name */

const char *dcd_zstd_encoder_version(void)
{
	return ZSTD_versionString();
}

int dcd_zstd_encoder_new(struct dcd_zstd_encoder **ret)
{
	ZSTD_CCtx *context = ZSTD_createCCtx();
	if (context == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	*ret = (struct dcd_zstd_encoder *)context;
	return 0;
}

void dcd_zstd_encoder_free(struct dcd_zstd_encoder *encoder)
{
	(void)ZSTD_freeCCtx((ZSTD_CCtx *)encoder);
}

int dcd_zstd_encode(struct dcd_zstd_encoder *encoder, int level, uint8_t *dst, size_t capacity, const uint8_t *src,
		    size_t src_len, size_t *ret_len)
{
	ZSTD_CCtx *context = (ZSTD_CCtx *)encoder;
	(void)ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters);
	if (ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level))) {
		return DCD_ERR_USAGE;
	}
	size_t n = ZSTD_compress2(context, dst, capacity, src, src_len);
	if (ZSTD_isError(n)) {
		return ZSTD_getErrorCode(n) == ZSTD_error_dstSize_tooSmall ? DCD_ERR_SIZE : DCD_ERR_NO_MEMORY;
	}
	*ret_len = n;
	return 0;
}
