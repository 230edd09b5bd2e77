#include "bsdiff/diff/kernel_tables.h"

#include <string.h>

#include "base/le.h"
#include "bsdiff/apply/refs_scan.h"

#define SYMBOLS_MIN 1000U
#define RELOCATIONS_MIN 1000U
#define RELATIVE_RELOCATION 0x403 /* R_AARCH64_RELATIVE */

bool dcd_kernel_table_describe(const char *name, size_t max, struct dcd_elf_region *region)
{
	static const struct {
		const char *name;
		uint32_t stride;
		uint32_t fields;
	} tables[] = {
		{ "__ksymtab", 12, 7 },
		{ "__ksymtab_gpl", 12, 7 },
		{ "__ex_table", 12, 3 },
		{ "__bug_table", 12, 3 },
		{ ".orc_unwind_ip", 4, 1 },
		{ ".retpoline_sites", 4, 1 },
		{ ".return_sites", 4, 1 },
		{ ".call_sites", 4, 1 },
		{ ".ibt_endbr_seal", 4, 1 },
		{ ".cfi_sites", 4, 1 },
		{ ".smp_locks", 4, 1 },
		{ ".static_call_sites", 8, 3 },
		{ ".altinstructions", 12, 3 },
		{ ".pci_fixup", 16, 8 },
		/* Nothing refers to anything in these. */
		{ "__kcrctab", 0, 0 },
		{ "__kcrctab_gpl", 0, 0 },
		{ "__ksymtab_strings", 0, 0 },
		{ ".orc_unwind", 0, 0 },
		{ ".notes", 0, 0 },
		{ ".BTF", 0, 0 },
		{ ".BTF_ids", 0, 0 },
	};
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		if (strlen(tables[i].name) >= max || strcmp(name, tables[i].name) != 0) {
			continue;
		}
		if (tables[i].stride == 0 || region->len % tables[i].stride != 0) {
			region->len = 0;
			return true;
		}
		region->kind = DCD_REGION_RELATIVE;
		region->stride = tables[i].stride;
		region->fields = tables[i].fields;
		return true;
	}
	return false;
}

/* Does the array go on from `value` with `next`? Absolute per-processor offsets come first, then descending negative numbers. */
static bool in_order(int32_t value, int32_t next)
{
	return value >= 0 ? next < 0 || next >= value : next < 0 && next <= value;
}

/* The array of symbol addresses: 32-bit offsets in ascending order of address, their base, their number. */
struct symbol_array {
	uint64_t offset;
	uint64_t count;
	uint64_t names; /* where the names begin, behind the array */
};

/* Is there such an array that ends before words[end..), with at most `max` elements? */
static bool array_ends(const struct dcd_bytes *bytes, uint64_t va, uint64_t end, uint64_t max, struct symbol_array *ret)
{
	uint64_t base = end + ((0U - (va + end)) & 7);
	if (base + 16 > bytes->len) {
		return false;
	}
	uint64_t count = dcd_le32_get(bytes->data + base + 8);
	*ret = (struct symbol_array){ end - 4 * count, count, base + 16 };
	return count >= SYMBOLS_MIN && count <= max;
}

static bool array_find(const struct dcd_bytes *bytes, uint64_t va, struct symbol_array *ret)
{
	uint64_t start = (0U - va) & 3;
	for (uint64_t at = start; at + 24 <= bytes->len; at += 4) {
		int32_t value = (int32_t)dcd_le32_get(bytes->data + at), next = (int32_t)dcd_le32_get(bytes->data + at + 4);
		if (in_order(value, next)) {
			continue;
		}
		/* What follows may look like a few elements more. */
		for (uint64_t end = at + 4; end - start >= 4 * SYMBOLS_MIN && at + 4 - end <= 16; end -= 4) {
			if (array_ends(bytes, va, end, (end - start) / 4, ret)) {
				return true;
			}
		}
		start = at + 4;
	}
	return false;
}

/* Behind the last of `count` names at `at`: a length of one byte or two, and as many bytes each. 0: they aren't names. */
static uint64_t names_end(const struct dcd_bytes *bytes, uint64_t at, uint64_t count)
{
	for (; count > 0; count--) {
		if (at + 2 > bytes->len || bytes->data[at] == 0) {
			return 0;
		}
		uint64_t len = bytes->data[at++];
		if (len >= 0x80) {
			len = (len & 0x7f) | (uint64_t)bytes->data[at++] << 7;
		}
		if (len > bytes->len - at) {
			return 0;
		}
		at += len;
	}
	return at;
}

static bool numbers_plausible(const struct dcd_bytes *bytes, uint64_t at, uint64_t count)
{
	if (3 * count > bytes->len - at) {
		return false;
	}
	for (uint64_t i = 0; i < count; i++) {
		if (dcd_ref_be24_get(bytes->data + at + 3 * i) >= count) {
			return false;
		}
	}
	return true;
}

uint64_t dcd_kernel_relocated_word(const struct dcd_bytes *bytes, uint64_t va)
{
	for (uint64_t at = 0; at + 24 <= bytes->len; at += 8) {
		if (dcd_le64_get(bytes->data + at) == va && dcd_le64_get(bytes->data + at + 8) == RELATIVE_RELOCATION) {
			return dcd_le64_get(bytes->data + at + 16);
		}
	}
	return 0;
}

bool dcd_kernel_symbols_find(const struct dcd_bytes *bytes, uint64_t va, struct dcd_kernel_symbols *ret)
{
	struct symbol_array array;
	if (!array_find(bytes, va, &array)) {
		return false;
	}
	bool descending = (int32_t)dcd_le32_get(bytes->data + array.offset + 4 * array.count - 4) < 0;
	struct dcd_elf_region region = { .offset = array.offset, .len = 4 * array.count, .va = va + array.offset };
	region.kind = DCD_REGION_RECORDS;
	region.origin = dcd_le64_get(bytes->data + array.names - 16) - descending;
	region.stride = 4;
	region.fields = 1;
	region.scale = descending ? -1 : 1;
	*ret = (struct dcd_kernel_symbols){ .regions = { region }, .count = 1, .base_at = array.names - 16 };
	ret->end = region.offset + region.len;
	uint64_t end = names_end(bytes, array.names, array.count);
	uint64_t markers = end + ((0U - (va + end)) & 7), blocks = (array.count + 255) / 256;
	if (end == 0 || markers > bytes->len || 4 * blocks > bytes->len - markers || dcd_le32_get(bytes->data + markers) != 0) {
		return true;
	}
	region.offset = markers;
	region.va = va + markers;
	region.len = 4 * blocks;
	region.origin = va + array.names;
	region.scale = 1;
	ret->regions[ret->count++] = region;
	ret->end = markers + region.len;
	region.offset = ret->end + ((0U - (va + ret->end)) & 7);
	if (region.offset < bytes->len && numbers_plausible(bytes, region.offset, array.count)) {
		region.va = va + region.offset;
		region.len = 3 * array.count;
		region.kind = DCD_REGION_SEQUENCE;
		region.origin = va + array.offset;
		region.stride = 3;
		region.scale = 4;
		ret->regions[ret->count++] = region;
		ret->end = region.offset + region.len;
	}
	return true;
}

uint64_t dcd_kernel_relocations_length(const struct dcd_bytes *bytes, const struct dcd_elf_module *module)
{
	uint64_t at = 0, addresses = 0;
	for (; at + 4 <= bytes->len; at += 4) {
		uint64_t va = (uint64_t)(int64_t)(int32_t)dcd_le32_get(bytes->data + at);
		if (va != 0 && (va >> 63 == 0 || va - module->low >= module->span)) {
			break;
		}
		addresses += va != 0;
	}
	return addresses >= RELOCATIONS_MIN ? at : 0;
}
