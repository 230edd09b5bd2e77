#include "bsdiff/diff/sparse_copy.h"

#include <string.h>

#include "base/checked.h"

#define BLOCK 4096U

void dcd_sparse_copy(uint8_t *to, const uint8_t *from, uint64_t len)
{
	static const uint8_t zeros[BLOCK];
	for (uint64_t at = 0; at < len; at += BLOCK) {
		size_t part = (size_t)dcd_min_u64(BLOCK, len - at);
		if (memcmp(from + at, zeros, part) != 0) {
			memcpy(to + at, from + at, part);
		}
	}
}
