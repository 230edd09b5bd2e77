/* A firmware's load options and BootOrder: whatever they hold, a plan keeps what isn't ours and says what was asked for. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "updater/boot/boot_efi_format.h"

static size_t others(const struct dcd_efi_vars *vars, uint16_t *ret)
{
	size_t count = 0;
	for (size_t i = 0; i < vars->order_count; i++) {
		if (vars->order[i] != vars->number[0] && vars->order[i] != vars->number[1]) {
			ret[count++] = vars->order[i];
		}
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dcd_efi_vars vars = { .number = { 5, 9 }, .next = DCD_EFI_NONE, .trial = DCD_EFI_NONE }, next;
	static const struct dcd_boot_state pending = { .order = { 1, 0 }, .slot = { { true, true, 0 }, { true, false, 3 } } };
	struct dcd_boot_state back;
	(void)dcd_efi_option_kind(data, size, "decade-A");
	if (size < 1 || !dcd_efi_order_parse(data + 1, size - 1, &vars)) {
		return 0;
	}
	vars.trial = data[0] % 3 - 1;
	vars.next = (data[0] & 16) != 0 ? data[0] >> 5 : DCD_EFI_NONE;
	dcd_efi_decode(&vars, data[0] >> 2 & 1, &back);
	if (dcd_efi_plan(&vars, &pending, &next, NULL) != 0) {
		return 0;
	}
	uint16_t before[DCD_EFI_ORDER_MAX], after[DCD_EFI_ORDER_MAX];
	size_t count = others(&vars, before);
	dcd_efi_decode(&next, 0, &back);
	if (others(&next, after) != count || memcmp(before, after, count * sizeof before[0]) != 0 || back.order[0] != 1 ||
	    !back.slot[0].good || back.slot[1].good || back.slot[1].tries_left != 1) {
		abort();
	}
	return 0;
}
