/* Where a few fixed bytes are: for marks whose first byte is rare enough to look for that one alone. */
#ifndef DCD_BSDIFF_DIFF_MAGIC_FIND_H
#define DCD_BSDIFF_DIFF_MAGIC_FIND_H

#include <stdint.h>
#include <string.h>

/* The first place in data[0..len) that has magic[0..magic_len), which is not empty; null: nowhere. */
static inline const uint8_t *dcd_magic_find(const uint8_t *data, size_t len, const void *magic, size_t magic_len)
{
	while (len >= magic_len) {
		const uint8_t *hit = memchr(data, *(const uint8_t *)magic, len - magic_len + 1);
		if (hit == NULL || memcmp(hit, magic, magic_len) == 0) {
			return hit;
		}
		len -= (size_t)(hit - data) + 1;
		data = hit + 1;
	}
	return NULL;
}

#endif
