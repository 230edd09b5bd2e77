#include "bsdiff/diff/sparse_copy.h"

#include <string.h>

#include "base/checked.h"

#define BLOCK 4096U
#define TELL_EVERY (UINT64_C(16) << 20) /* bytes */

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

void dcd_sparse_copy_told(uint8_t *to, const struct dcd_bytes *from, uint64_t begin, uint64_t end,
			  const struct dcd_encode_options *options, const char *phase)
{
	while (begin < end) {
		uint64_t len = dcd_min_u64(end - begin, TELL_EVERY - begin % TELL_EVERY);
		dcd_sparse_copy(to, from->data + begin, len);
		to += len;
		begin += len;
		if (options != NULL && options->progress != NULL && begin % TELL_EVERY == 0) {
			options->progress(options->context, phase, begin, from->len);
		}
	}
}
