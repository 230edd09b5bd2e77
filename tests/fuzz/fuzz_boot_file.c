/* The file "boot-state": whatever is accepted must be what would have been written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "updater/boot/boot_file_format.h"
#include "updater/boot/crc32.h"

static const char *const bootname[DCD_SLOT_COUNT] = { "A", "AB" };

static void decode_and_compare(const uint8_t *data, size_t size)
{
	struct dcd_boot_state state;
	struct dcd_diag diag;
	if (dcd_boot_file_decode(data, size, bootname, "boot-state", &state, &diag) != 0) {
		return;
	}
	char text[DCD_BOOT_FILE_MAX];
	size_t len = dcd_boot_file_encode(&state, bootname, text);
	if (len != size || memcmp(text, data, size) != 0) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	decode_and_compare(data, size);
	/* And with its checksum made right, so that mutations get past it. */
	static const char digits[] = "0123456789abcdef";
	if (size >= 15 && size <= DCD_BOOT_FILE_MAX) {
		uint8_t fixed[DCD_BOOT_FILE_MAX];
		memcpy(fixed, data, size);
		uint32_t crc = dcd_crc32(fixed, size - 15);
		memcpy(fixed + size - 15, "crc32 ", 6);
		for (unsigned i = 0; i < 8; i++) {
			fixed[size - 9 + i] = (uint8_t)digits[(crc >> (28 - 4 * i)) & 15];
		}
		fixed[size - 1] = '\n';
		decode_and_compare(fixed, size);
	}
	return 0;
}
