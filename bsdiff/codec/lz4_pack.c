#include "bsdiff/codec/lz4_pack.h"

#include <limits.h>
#include <lz4.h>
#include <lz4hc.h>
#include <string.h>

#include "bsdiff/format.h"

#define LZ4_LEN_MAX ((size_t)LZ4_MAX_INPUT_SIZE)

size_t dcd_lz4_memory(uint32_t params)
{
	return (size_t)(params == DCD_LZ4_FAST ? LZ4_sizeofState() : LZ4_sizeofStateHC());
}

int dcd_lz4_pack(uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, void *memory,
		 size_t memory_size, size_t *ret_len)
{
	if (params < DCD_LZ4_FAST || params > DCD_LZ4_LEVEL_MAX) {
		return DCD_ERR_UNSUPPORTED;
	}
	if (memory_size < dcd_lz4_memory(params)) {
		return DCD_ERR_NO_MEMORY;
	}
	if (src_len > LZ4_LEN_MAX) {
		return DCD_ERR_SIZE;
	}
	int room = (int)(capacity < INT_MAX ? capacity : INT_MAX), n;
	if (params == DCD_LZ4_FAST) {
		n = LZ4_compress_fast_extState(memory, (const char *)src, (char *)dst, (int)src_len, room, 1);
	} else {
		n = LZ4_compress_HC_extStateHC(memory, (const char *)src, (char *)dst, (int)src_len, room, (int)params);
	}
	if (n <= 0) {
		return DCD_ERR_SIZE;
	}
	*ret_len = (size_t)n;
	return 0;
}

int dcd_lz4_unpack(uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, size_t *ret_len)
{
	if (src_len > LZ4_LEN_MAX) {
		return DCD_ERR_MALFORMED;
	}
	int n = LZ4_decompress_safe((const char *)src, (char *)dst, (int)src_len, (int)(capacity < INT_MAX ? capacity : INT_MAX));
	if (n < 0) {
		return DCD_ERR_MALFORMED;
	}
	*ret_len = (size_t)n;
	return 0;
}

int dcd_lz4_block(uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len)
{
	size_t len;
	int err = dcd_lz4_unpack(dst, dst_len, src, src_len, &len);
	return err != 0 || len == dst_len ? err : DCD_ERR_MALFORMED;
}

/* So many that lz4 takes the tables that it has for more than 64 KiB. */
#define EROFS_FOLLOW ((64U << 10) + 16)

/* What comes behind a block whose end doesn't tell: noise, in which nothing is found twice. */
static void erofs_follow(uint8_t *out)
{
	uint32_t state = 1;
	for (size_t i = 0; i < EROFS_FOLLOW; i++) {
		state = state * 1664525U + 1013904223U;
		out[i] = (uint8_t)(state >> 24);
	}
}

size_t dcd_erofs_memory(uint32_t params, size_t len)
{
	size_t state = (params & DCD_EROFS_LEVEL_MASK) == DCD_LZ4_FAST ? 0 : dcd_lz4_memory(DCD_LZ4_LEVEL_MAX);
	size_t text = (params & DCD_EROFS_FOLLOWED) != 0 ? len + DCD_EROFS_CARRIED(params) + EROFS_FOLLOW : 0;
	return ((state + 15) & ~(size_t)15) + text;
}

int dcd_erofs_fill(uint32_t level, uint8_t *dst, size_t room, const uint8_t *src, size_t src_len, void *state, size_t *ret_len,
		   size_t *ret_taken)
{
	if (src_len > LZ4_LEN_MAX || room > INT_MAX) {
		return DCD_ERR_SIZE;
	}
	int taken = (int)src_len, n;
	if (level == DCD_LZ4_FAST) {
		n = LZ4_compress_destSize((const char *)src, (char *)dst, &taken, (int)room);
	} else {
		n = LZ4_compress_HC_destSize(state, (const char *)src, (char *)dst, &taken, (int)room, (int)level);
	}
	if (n <= 0) {
		return DCD_ERR_SIZE;
	}
	*ret_len = (size_t)n;
	*ret_taken = (size_t)taken;
	return 0;
}

int dcd_erofs_pack(uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, void *memory,
		   size_t memory_size, size_t *ret_len)
{
	uint32_t level = params & DCD_EROFS_LEVEL_MASK, carried = DCD_EROFS_CARRIED(params), units = DCD_EROFS_UNITS(params);
	if (level < DCD_LZ4_FAST || level > DCD_LZ4_LEVEL_MAX || (params & 0xe0) != 0 || units > DCD_EROFS_UNITS_MAX) {
		return DCD_ERR_UNSUPPORTED;
	}
	size_t room = (size_t)units * DCD_EROFS_UNIT, n, taken;
	if (src_len <= carried || room > capacity) {
		return DCD_ERR_SIZE;
	}
	size_t len = src_len - carried, need = dcd_erofs_memory(params, len);
	if (memory_size < need) {
		return DCD_ERR_NO_MEMORY;
	}
	if ((params & DCD_EROFS_FOLLOWED) != 0) {
		uint8_t *text = (uint8_t *)memory + (need - src_len - EROFS_FOLLOW);
		memcpy(text, src, src_len);
		erofs_follow(text + src_len);
		src = text;
		src_len += EROFS_FOLLOW;
	}
	int err = dcd_erofs_fill(level, dst, room, src, src_len, memory, &n, &taken);
	if (err != 0 || taken != len) {
		return DCD_ERR_SIZE;
	}
	memmove(dst + (room - n), dst, n);
	memset(dst, 0, room - n);
	*ret_len = room;
	return 0;
}

/* What is behind the padding. */
static void padding_skip(const uint8_t **src, size_t *src_len)
{
	while (*src_len > 0 && **src == 0) {
		++*src;
		--*src_len;
	}
}

int dcd_erofs_unpack(uint8_t *dst, size_t capacity, const uint8_t *src, size_t src_len, size_t *ret_len)
{
	padding_skip(&src, &src_len);
	return dcd_lz4_unpack(dst, capacity, src, src_len, ret_len);
}

int dcd_erofs_block(uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len)
{
	padding_skip(&src, &src_len);
	return dcd_lz4_block(dst, dst_len, src, src_len);
}
