/* Names of files in the folder of boot entries: one that is taken for an entry is the name of exactly that entry. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "updater/boot/boot_bls_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const bootname[DCD_SLOT_COUNT] = { "A", "a-1" };
	char name[256], again[DCD_BLS_NAME_SIZE];
	struct dcd_bls_entry entry;
	(void)snprintf(name, sizeof name, "%.*s", (int)(size < 255 ? size : 255), (const char *)data);
	if (dcd_bls_parse(name, bootname, &entry) != DCD_BLS_ENTRY) {
		return 0;
	}
	dcd_bls_name(&entry, bootname, again);
	/* The count of boots that were done is the loader's. */
	size_t same = strlen(again) - strlen(".conf");
	if (strncmp(name, again, same) != 0 || (name[same] != '.' && (entry.good || name[same] != '-'))) {
		abort();
	}
	return 0;
}
