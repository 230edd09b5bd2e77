/* Lower-case hexadecimal, the only spelling we write or accept. Freestanding. */
#ifndef DCD_BASE_HEX_H
#define DCD_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* Writes 2 * len digits and a NUL to `ret`, which has room for them. */
void dcd_hex_encode(const uint8_t *data, size_t len, char *ret);

/* Decodes exactly `hex_len` digits (even, lower case) into hex_len / 2 bytes; false leaves `ret` undefined. */
bool dcd_hex_decode(const char *hex, size_t hex_len, uint8_t *ret);

/* A whole NUL-terminated string of 64 digits, nothing more or less. */
bool dcd_hash_from_hex(const char *hex, struct dcd_hash *ret);

static inline void dcd_hash_to_hex(const struct dcd_hash *hash, char ret[DCD_HASH_HEX_SIZE])
{
	dcd_hex_encode(hash->bytes, DCD_HASH_SIZE, ret);
}

#endif
