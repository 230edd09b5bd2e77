#include "base/hex.h"

void dcd_hex_encode(const uint8_t *data, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		*ret++ = digits[data[i] >> 4];
		*ret++ = digits[data[i] & 15];
	}
	*ret = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return -1;
}

bool dcd_hex_decode(const char *hex, size_t hex_len, uint8_t *ret)
{
	if (hex_len % 2 != 0) {
		return false;
	}
	for (size_t i = 0; i < hex_len; i += 2) {
		int high = hex_digit(hex[i]);
		int low = high < 0 ? -1 : hex_digit(hex[i + 1]);
		if (low < 0) {
			return false;
		}
		*ret++ = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool dcd_hash_from_hex(const char *hex, struct dcd_hash *ret)
{
	size_t len = 0;
	while (len <= 2 * DCD_HASH_SIZE && hex[len] != '\0') {
		len++;
	}
	struct dcd_hash hash;
	if (len != 2 * DCD_HASH_SIZE || !dcd_hex_decode(hex, len, hash.bytes)) {
		return false;
	}
	*ret = hash;
	return true;
}
