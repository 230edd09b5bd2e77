/* The kernel's command line: whatever it holds, the answer is a slot or an error. */
#include <stdint.h>
#include <stdlib.h>

#include "updater/boot/boot_cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const bootname[DCD_SLOT_COUNT] = { "A", "AB" };
	struct dcd_diag diag;
	int slot = -1;
	int err = dcd_boot_cmdline_parse((const char *)data, size, bootname, "cmdline", &slot, &diag);
	if (err == 0 ? slot < 0 || slot >= DCD_SLOT_COUNT : slot != -1 || err != DCD_ERR_BOOT_STATE) {
		abort();
	}
	return 0;
}
