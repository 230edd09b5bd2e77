#include "updater/boot/crc32.h"

uint32_t dcd_crc32(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint32_t crc = UINT32_MAX;
	/* Bit by bit: boot states are small, and a table would cost more than it saves. */
	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++) {
			crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1U)));
		}
	}
	return ~crc;
}
