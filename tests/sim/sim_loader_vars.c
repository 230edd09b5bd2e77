/* The rule of docs/boot.md as GRUB's and U-Boot's scripts follow it: variables, of which the tries left are counted and saved. */
#include <stdio.h>

#include "tests/sim/sim_loader.h"

int sim_loader_open_block(void *context, const char *path, bool writable, struct dcd_blockdev **ret, struct dcd_diag *diag)
{
	const struct sim_loader_block *block = context;
	(void)path;
	(void)diag;
	*ret = sim_media_open_dev(sim_loader_media(), SIM_LOADER_DEV, block->name, block->size, writable);
	return 0;
}

static char *find_of(const struct sim_loader_vars *vars, int slot, const char *what)
{
	char name[32];
	(void)snprintf(name, sizeof name, "BOOT_%c_%s", 'A' + slot, what);
	return vars->find(vars, name);
}

static bool ends(char c)
{
	return c == '\0' || c == '\n';
}

int sim_loader_boot_vars(const struct sim_loader_vars *vars, bool *ret_counted)
{
	int listed[DCD_SLOT_COUNT], count = 0;
	bool good[DCD_SLOT_COUNT];
	const char *order = vars->find(vars, "BOOT_ORDER");
	for (; order != NULL && !ends(*order) && count < DCD_SLOT_COUNT; order++) {
		if (*order != ' ') {
			listed[count++] = *order == 'B';
		}
	}
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const char *value = find_of(vars, i, "GOOD");
		good[i] = value != NULL && *value == '1' && ends(value[1]);
	}
	for (int i = 0; i < count; i++) {
		char *left = find_of(vars, listed[i], "LEFT");
		if (good[listed[i]]) {
			return listed[i];
		}
		if (left == NULL || *left < '1' || *left > '9') {
			continue;
		}
		--*left;
		if (vars->save(vars)) {
			*ret_counted = true;
			return listed[i];
		}
	}
	return sim_loader_last_resort(listed, count, good);
}
