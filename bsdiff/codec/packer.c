#define ZSTD_STATIC_LINKING_ONLY
#include "bsdiff/codec/packer.h"

#include <lzma.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "bsdiff/codec/deflate_pack.h"
#include "bsdiff/codec/lz4_pack.h"
#include "bsdiff/codec/zstd_decode.h"

#define ZSTD_LEVEL_MAX 22U

/* ---- inflate ---- */

#define INFLATE_MEMORY (64U << 10) /* zlib's state; no window, because a block is unpacked in one go */

struct arena {
	uint8_t *at;
	size_t left;
};

static voidpf arena_take(voidpf opaque, uInt items, uInt size)
{
	struct arena *arena = opaque;
	size_t n = ((size_t)items * size + 15) & ~(size_t)15;
	if (size != 0 && items > INFLATE_MEMORY / size) {
		return Z_NULL;
	}
	if (n > arena->left) {
		return Z_NULL;
	}
	void *ret = arena->at;
	arena->at += n;
	arena->left -= n;
	return ret;
}

static void arena_drop(voidpf opaque, voidpf address)
{
	(void)opaque;
	(void)address;
}

/* Inflates what begins at src into at most `capacity` bytes. */
static int inflate_some(int window_bits, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, struct arena *arena,
			size_t *ret_len, size_t *ret_coded)
{
	z_stream z = { .zalloc = arena_take, .zfree = arena_drop, .opaque = arena };
	if (src_len > UINT32_MAX || capacity > UINT32_MAX) {
		return DCD_ERR_MALFORMED;
	}
	z.next_in = (z_const Bytef *)(uintptr_t)src;
	z.avail_in = (uInt)src_len;
	z.next_out = dst;
	z.avail_out = (uInt)capacity;
	if (inflateInit2(&z, window_bits) != Z_OK) {
		return DCD_ERR_NO_MEMORY;
	}
	int result = inflate(&z, Z_FINISH);
	if (result != Z_STREAM_END) {
		return result == Z_BUF_ERROR && z.avail_out == 0 ? DCD_ERR_SIZE : DCD_ERR_MALFORMED;
	}
	*ret_len = capacity - z.avail_out;
	*ret_coded = src_len - z.avail_in;
	return 0;
}

static int inflate_block(int window_bits, uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len, void *memory,
			 size_t memory_size)
{
	struct arena arena = { memory, memory_size };
	size_t len, coded;
	int err = inflate_some(window_bits, dst, dst_len, src, src_len, &arena, &len, &coded);
	if (err == DCD_ERR_SIZE) {
		return DCD_ERR_MALFORMED;
	}
	return err != 0 || (len == dst_len && coded == src_len) ? err : DCD_ERR_MALFORMED;
}

/* ---- deflate in zlib's container ---- */

static void put_be32(uint8_t *out, uint32_t value)
{
	for (int i = 0; i < 4; i++) {
		out[i] = (uint8_t)(value >> (24 - 8 * i));
	}
}

static int zlib_pack(uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, void *memory,
		     size_t memory_size, size_t *ret_len)
{
	if (capacity < 6) {
		return DCD_ERR_SIZE;
	}
	size_t n;
	int err = dcd_deflate_pack(params, dst + 2, capacity - 6, src, src_len, memory, memory_size, &n);
	if (err != 0) {
		return err;
	}
	unsigned level = params & DCD_DEFLATE_LEVEL_MASK;
	unsigned head = 0x7800 | (level < 2 ? 0U : level < 6 ? 1U : level == 6 ? 2U : 3U) << 6;
	head += 31 - head % 31;
	dst[0] = (uint8_t)(head >> 8);
	dst[1] = (uint8_t)head;
	put_be32(dst + 2 + n, (uint32_t)adler32(adler32(0, NULL, 0), src, (uInt)src_len));
	*ret_len = n + 6;
	return 0;
}

/* ---- zstd ---- */

/*
 * As ZSTD_compressCCtx() does on processors with 128-bit vectors. On others (armhf, for one) zstd would search most levels'
 * matches in another way and make other bits, but can be asked for this one.
 */
static size_t zstd_compress(ZSTD_CCtx *context, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, int level)
{
	ZSTD_compressionParameters params = ZSTD_getCParams(level, src_len, 0);
	bool rows = params.strategy >= ZSTD_greedy && params.strategy <= ZSTD_lazy2 && params.windowLog > 14;
	size_t result = ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters); /* a static one has no defaults until then */
	if (!ZSTD_isError(result)) {
		result = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
	}
	if (!ZSTD_isError(result)) {
		result = ZSTD_CCtx_setParameter(context, ZSTD_c_useRowMatchFinder, rows ? ZSTD_ps_enable : ZSTD_ps_disable);
	}
	return ZSTD_isError(result) ? result : ZSTD_compress2(context, dst, capacity, src, src_len);
}

static int zstd_pack(uint32_t level, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, void *memory,
		     size_t memory_size, size_t *ret_len)
{
	if (level < 1 || level > ZSTD_LEVEL_MAX) {
		return DCD_ERR_UNSUPPORTED;
	}
	ZSTD_CCtx *context = ZSTD_initStaticCCtx(memory, memory_size);
	if (context == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	size_t n = zstd_compress(context, dst, capacity, src, src_len, (int)level);
	if (ZSTD_isError(n)) {
		return DCD_ERR_SIZE;
	}
	*ret_len = n;
	return 0;
}

/* ---- xz ---- */

#define XZ_SLACK (64U << 10) /* what liblzma takes beside the coder that it tells the memory of */

static void *xz_take(void *opaque, size_t items, size_t size)
{
	struct arena *arena = opaque;
	size_t n;
	if (__builtin_mul_overflow(items, size, &n) || n > arena->left) {
		return NULL;
	}
	n = (n + 15) & ~(size_t)15;
	n = n < arena->left ? n : arena->left;
	void *ret = arena->at;
	arena->at += n;
	arena->left -= n;
	return ret;
}

static void xz_drop(void *opaque, void *address)
{
	(void)opaque;
	(void)address;
}

/* The one filter of params: a preset in the low byte, the dictionary's size as a power of two in the next. */
static bool xz_filter(uint32_t params, lzma_options_lzma *options, lzma_filter filters[2])
{
	uint32_t preset = params & 0xff, log = params >> 8;
	if (preset > 9 || log < 12 || log > 24 || lzma_lzma_preset(options, preset)) {
		return false;
	}
	options->dict_size = 1U << log;
	filters[0] = (lzma_filter){ LZMA_FILTER_LZMA2, options };
	filters[1] = (lzma_filter){ LZMA_VLI_UNKNOWN, NULL };
	return true;
}

static int xz_pack(uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, void *memory,
		   size_t memory_size, size_t *ret_len)
{
	lzma_options_lzma options;
	lzma_filter filters[2];
	struct arena arena = { memory, memory_size };
	const lzma_allocator allocator = { xz_take, xz_drop, &arena };
	if (!xz_filter(params, &options, filters)) {
		return DCD_ERR_UNSUPPORTED;
	}
	size_t n = 0;
	lzma_ret result = lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, &allocator, src, src_len, dst, &n, capacity);
	if (result != LZMA_OK) {
		return result == LZMA_MEM_ERROR ? DCD_ERR_NO_MEMORY : DCD_ERR_SIZE;
	}
	*ret_len = n;
	return 0;
}

/* Unpacks the stream at src into at most `capacity` bytes, with at most `memory_max` of memory. */
static int xz_unpack(uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, const lzma_allocator *allocator,
		     uint64_t memory_max, size_t *ret_len, size_t *ret_coded)
{
	size_t in = 0, out = 0;
	lzma_ret result = lzma_stream_buffer_decode(&memory_max, 0, allocator, src, &in, src_len, dst, &out, capacity);
	if (result != LZMA_OK) {
		return result == LZMA_BUF_ERROR ? DCD_ERR_SIZE : DCD_ERR_MALFORMED;
	}
	*ret_len = out;
	*ret_coded = in;
	return 0;
}

static int xz_block(uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len, void *memory, size_t memory_size)
{
	struct arena arena = { memory, memory_size };
	const lzma_allocator allocator = { xz_take, xz_drop, &arena };
	size_t len, coded;
	int err = xz_unpack(dst, dst_len, src, src_len, &allocator, memory_size, &len, &coded);
	return err == 0 && len == dst_len && coded == src_len ? 0 : DCD_ERR_MALFORMED;
}

/* A dictionary is never larger than a block by more than up to the next power of two. */
static size_t xz_memory(uint32_t params, size_t len)
{
	lzma_options_lzma options;
	lzma_filter filters[2];
	uint32_t log = 12;
	while (log < 24 && (size_t)1 << log < len) {
		log++;
	}
	if (xz_filter(params != 0 ? params : 6 | log << 8, &options, filters)) {
		uint64_t need = params != 0 ? lzma_raw_encoder_memusage(filters) : lzma_raw_decoder_memusage(filters);
		return need > DCD_PACK_MEMORY_MAX ? SIZE_MAX : (size_t)need + XZ_SLACK; /* also when the library can't say */
	}
	return SIZE_MAX;
}

/* ---- the table of methods ---- */

static int unpack(enum dcd_pack_method method, uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len, void *memory,
		  size_t memory_size)
{
	switch (method) {
	case DCD_PACK_ZLIB:
		return inflate_block(MAX_WBITS, dst, dst_len, src, src_len, memory, memory_size);
	case DCD_PACK_DEFLATE:
		return inflate_block(-MAX_WBITS, dst, dst_len, src, src_len, memory, memory_size);
	case DCD_PACK_ZSTD:
		return dcd_zstd_decoder().decode(dst, dst_len, src, src_len, memory, memory_size);
	case DCD_PACK_XZ:
		return xz_block(dst, dst_len, src, src_len, memory, memory_size);
	case DCD_PACK_LZ4:
		return dcd_lz4_block(dst, dst_len, src, src_len);
	case DCD_PACK_EROFS:
		return dcd_erofs_block(dst, dst_len, src, src_len);
	default:
		return DCD_ERR_UNSUPPORTED;
	}
}

static int pack(enum dcd_pack_method method, uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len,
		void *memory, size_t memory_size, size_t *ret_len)
{
	switch (method) {
	case DCD_PACK_ZLIB:
		return zlib_pack(params, dst, capacity, src, src_len, memory, memory_size, ret_len);
	case DCD_PACK_DEFLATE:
		return dcd_deflate_pack(params, dst, capacity, src, src_len, memory, memory_size, ret_len);
	case DCD_PACK_ZSTD:
		return zstd_pack(params, dst, capacity, src, src_len, memory, memory_size, ret_len);
	case DCD_PACK_XZ:
		return xz_pack(params, dst, capacity, src, src_len, memory, memory_size, ret_len);
	case DCD_PACK_LZ4:
		return dcd_lz4_pack(params, dst, capacity, src, src_len, memory, memory_size, ret_len);
	case DCD_PACK_EROFS:
		return dcd_erofs_pack(params, dst, capacity, src, src_len, memory, memory_size, ret_len);
	default:
		return DCD_ERR_UNSUPPORTED;
	}
}

size_t dcd_packer_memory(enum dcd_pack_method method, uint32_t params, size_t len)
{
	size_t unpacking, packing = 0;
	switch (method) {
	case DCD_PACK_ZLIB:
	case DCD_PACK_DEFLATE:
		unpacking = INFLATE_MEMORY;
		packing = params != 0 ? dcd_deflate_memory() : 0;
		break;
	case DCD_PACK_ZSTD:
		unpacking = ZSTD_estimateDCtxSize();
		packing = params != 0 ? ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams((int)params, len, 0)) : 0;
		break;
	case DCD_PACK_XZ:
		unpacking = xz_memory(0, len);
		packing = params != 0 ? xz_memory(params, len) : 0;
		break;
	case DCD_PACK_LZ4:
		unpacking = 0;
		packing = params != 0 ? dcd_lz4_memory(params) : 0;
		break;
	case DCD_PACK_EROFS:
		unpacking = 0;
		packing = params != 0 ? dcd_erofs_memory(params, len) : 0;
		break;
	default:
		return 0;
	}
	return unpacking > packing ? unpacking : packing;
}

static int zstd_measure(uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, size_t *ret_len, size_t *ret_coded)
{
	unsigned long long len = ZSTD_getFrameContentSize(src, src_len);
	size_t coded = ZSTD_findFrameCompressedSize(src, src_len);
	if (len == ZSTD_CONTENTSIZE_UNKNOWN || len == ZSTD_CONTENTSIZE_ERROR || ZSTD_isError(coded)) {
		return DCD_ERR_MALFORMED;
	}
	if (len > capacity) {
		return DCD_ERR_SIZE;
	}
	if (ZSTD_decompress(dst, capacity, src, coded) != len) {
		return DCD_ERR_MALFORMED;
	}
	*ret_len = (size_t)len;
	*ret_coded = coded;
	return 0;
}

int dcd_packer_measure(enum dcd_pack_method method, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len,
		       size_t *ret_len, size_t *ret_coded)
{
	_Alignas(16) uint8_t memory[INFLATE_MEMORY];
	struct arena arena = { memory, sizeof memory };
	switch (method) {
	case DCD_PACK_ZLIB:
		return inflate_some(MAX_WBITS, dst, capacity, src, src_len, &arena, ret_len, ret_coded);
	case DCD_PACK_DEFLATE:
		return inflate_some(-MAX_WBITS, dst, capacity, src, src_len, &arena, ret_len, ret_coded);
	case DCD_PACK_ZSTD:
		return zstd_measure(dst, capacity, src, src_len, ret_len, ret_coded);
	case DCD_PACK_XZ:
		return xz_unpack(dst, capacity, src, src_len, NULL, 64U << 20, ret_len, ret_coded);
	case DCD_PACK_LZ4:
		*ret_coded = src_len;
		return dcd_lz4_unpack(dst, capacity, src, src_len, ret_len);
	case DCD_PACK_EROFS:
		*ret_coded = src_len;
		return dcd_erofs_unpack(dst, capacity, src, src_len, ret_len);
	default:
		return DCD_ERR_UNSUPPORTED;
	}
}

/* ---- the mark ---- */

#define MARK_TEXT (64U << 10)

/* Something like text: words of a small vocabulary that repeat at all distances, and now and then a number. */
static void mark_text(uint8_t *text)
{
	uint32_t state = 1;
	for (size_t at = 0; at < MARK_TEXT; at++) {
		state = state * 1664525U + 1013904223U;
		uint32_t pick = state >> 16;
		size_t back = 1 + (pick * 37U) % 4093U;
		text[at] = at > 4096 && pick % 11 != 0 ? text[at - back % at] : (uint8_t)("etaoin shrdlu.\n01"[pick % 17]);
		for (size_t i = 1; at > 4096 && pick % 11 != 0 && i < 3 + pick % 23 && at + 1 < MARK_TEXT; i++) {
			at++;
			text[at] = text[at - back];
		}
	}
}

static uint32_t mark_add(uint32_t mark, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		mark = (mark ^ data[i]) * 16777619U;
	}
	return mark;
}

static uint32_t zstd_mark(uint32_t mark, const uint8_t *text, uint8_t *packed)
{
	static const int levels[] = { 1, 3, 6, 9, 12, 15, 17, 19, 22 };
	ZSTD_CCtx *context = ZSTD_createCCtx();
	for (size_t i = 0; context != NULL && i < sizeof levels / sizeof levels[0]; i++) {
		size_t n = zstd_compress(context, packed, MARK_TEXT, text, MARK_TEXT, levels[i]);
		mark = ZSTD_isError(n) ? mark : mark_add(mark, packed, n);
	}
	(void)ZSTD_freeCCtx(context);
	return mark;
}

static uint32_t xz_mark(uint32_t mark, const uint8_t *text, uint8_t *packed)
{
	static const uint32_t params[] = { 6 | 17U << 8, 9 | 16U << 8, 1 | 13U << 8 };
	for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
		size_t size = xz_memory(params[i], MARK_TEXT), n;
		void *memory = size == SIZE_MAX ? NULL : malloc(size);
		if (memory != NULL && xz_pack(params[i], packed, MARK_TEXT, text, MARK_TEXT, memory, size, &n) == 0) {
			mark = mark_add(mark, packed, n);
		}
		free(memory);
	}
	return mark;
}

static uint32_t lz4_mark(uint32_t mark, const uint8_t *text, uint8_t *packed)
{
	static const uint32_t params[] = { DCD_LZ4_FAST, 9, DCD_LZ4_LEVEL_MAX };
	void *memory = malloc(dcd_lz4_memory(DCD_LZ4_LEVEL_MAX) + dcd_lz4_memory(DCD_LZ4_FAST));
	size_t n;
	for (size_t i = 0; memory != NULL && i < sizeof params / sizeof params[0]; i++) {
		if (dcd_lz4_pack(params[i], packed, MARK_TEXT, text, MARK_TEXT, memory, dcd_lz4_memory(params[i]), &n) == 0) {
			mark = mark_add(mark, packed, n);
		}
	}
	free(memory);
	return mark;
}

/* Several blocks of the text, each filled from where the one before ended: levels differ in where that is. */
static uint32_t erofs_mark(uint32_t mark, const uint8_t *text, uint8_t *packed)
{
	static const uint32_t levels[] = { DCD_LZ4_FAST, 9, DCD_LZ4_LEVEL_MAX };
	void *state = malloc(dcd_lz4_memory(DCD_LZ4_LEVEL_MAX));
	for (size_t i = 0; state != NULL && i < sizeof levels / sizeof levels[0]; i++) {
		size_t at = 0, n, taken;
		while (at < MARK_TEXT &&
		       dcd_erofs_fill(levels[i], packed, DCD_EROFS_UNIT, text + at, MARK_TEXT - at, state, &n, &taken) == 0) {
			mark = mark_add(mark, packed, n);
			at += taken;
		}
	}
	free(state);
	return mark;
}

static uint32_t packer_mark(uint32_t features)
{
	if ((features & ~DCD_FEATURES_EXACT) == 0) {
		return 0;
	}
	uint8_t *memory = malloc(2 * (size_t)MARK_TEXT);
	uint32_t mark = 2166136261U;
	if (memory == NULL) {
		return 0;
	}
	mark_text(memory);
	if ((features & DCD_FEATURE_PACK(DCD_PACK_ZSTD)) != 0) {
		mark = zstd_mark(mark, memory, memory + MARK_TEXT);
	}
	if ((features & DCD_FEATURE_PACK(DCD_PACK_XZ)) != 0) {
		mark = xz_mark(mark, memory, memory + MARK_TEXT);
	}
	if ((features & DCD_FEATURE_PACK(DCD_PACK_LZ4)) != 0) {
		mark = lz4_mark(mark, memory, memory + MARK_TEXT);
	}
	if ((features & DCD_FEATURE_PACK(DCD_PACK_EROFS)) != 0) {
		mark = erofs_mark(mark, memory, memory + MARK_TEXT);
	}
	free(memory);
	return mark != 0 ? mark : 1;
}

struct dcd_packer dcd_block_packer(void)
{
	return (struct dcd_packer){ .unpack = unpack,
				    .pack = pack,
				    .mark = packer_mark,
				    .features = DCD_FEATURE_PACK(DCD_PACK_ZLIB) | DCD_FEATURE_PACK(DCD_PACK_DEFLATE) |
						DCD_FEATURE_PACK(DCD_PACK_ZSTD) | DCD_FEATURE_PACK(DCD_PACK_XZ) |
						DCD_FEATURE_PACK(DCD_PACK_LZ4) | DCD_FEATURE_PACK(DCD_PACK_EROFS) };
}
