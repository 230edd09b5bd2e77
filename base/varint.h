/*
 * LEB128 integers, as in payload frames. Freestanding. At most ten bytes; a spelling longer than needed is refused, so that a
 * value has one encoding.
 */
#ifndef DCD_BASE_VARINT_H
#define DCD_BASE_VARINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DCD_VARINT_MAX 10

/* Reads one value at *pos of data[0..len) and moves *pos past it; false (and *pos untouched) when it is cut, long or over 64 bits. */
static inline bool dcd_varint_get(const uint8_t *data, size_t len, size_t *pos, uint64_t *ret)
{
	uint64_t value = 0;
	size_t at = *pos;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (at >= len) {
			return false;
		}
		uint8_t byte = data[at++];
		if (shift == 63 && byte > 1) {
			return false;
		}
		value |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0) {
			if (byte == 0 && shift != 0) {
				return false;
			}
			*pos = at;
			*ret = value;
			return true;
		}
	}
	return false;
}

/* Writes up to DCD_VARINT_MAX bytes and returns how many. */
static inline size_t dcd_varint_put(uint8_t *out, uint64_t value)
{
	size_t n = 0;
	while (value >= 0x80) {
		out[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	out[n++] = (uint8_t)value;
	return n;
}

static inline uint64_t dcd_zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline int64_t dcd_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ (0U - (v & 1)));
}

#endif
