/* What a maker's program prints: whatever is accepted is what `set` would send, with the running slot. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "updater/boot/boot_exec_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const bootname[DCD_SLOT_COUNT] = { "A", "AB" };
	struct dcd_boot_state state;
	struct dcd_diag diag;
	if (dcd_boot_exec_decode((const char *)data, size, bootname, "program", &state, &diag) != 0) {
		return 0;
	}
	char text[DCD_BOOT_EXEC_MAX], answer[2 * DCD_BOOT_EXEC_MAX];
	size_t len = dcd_boot_exec_encode(&state, bootname, text);
	int answer_len = snprintf(answer, sizeof answer, "decade-boot 1\nbooted %s\n%.*s", bootname[state.booted], (int)len - 14,
				  text + 14);
	if ((size_t)answer_len != size || memcmp(answer, data, size) != 0) {
		abort();
	}
	return 0;
}
