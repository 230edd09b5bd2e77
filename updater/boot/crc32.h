/*
 * CRC-32 as Ethernet, zip and boot environments use it (IEEE 802.3: polynomial 0x04C11DB7 reflected, initial value and final xor
 * of all ones). It finds accidents, not attacks.
 */
#ifndef DCD_UPDATER_BOOT_CRC32_H
#define DCD_UPDATER_BOOT_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t dcd_crc32(const void *data, size_t len);

#endif
