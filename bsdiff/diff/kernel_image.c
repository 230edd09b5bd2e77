#include "bsdiff/diff/kernel_image.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/diff/btf_types.h"
#include "bsdiff/diff/kernel_tables.h"
#include "bsdiff/diff/magic_find.h"

/* The header's fields. */
enum {
	HEADER_BRANCH = 4,
	HEADER_TEXT_OFFSET = 8,
	HEADER_IMAGE_SIZE = 16,
	HEADER_FLAGS = 24,
	HEADER_RESERVED = 32, /* three words of 8 bytes, zero */
	HEADER_MAGIC = 56,
	HEADER_SIZE = 64,
};

#define IMAGE_SIZE_MIN (1U << 20)
#define IMAGE_SIZE_MAX (1U << 30)
#define ALIGNMENT (UINT64_C(2) << 20) /* of the kernel's first address */
#define PAGE 4096U
#define RELATIVE_RELOCATION 0x403 /* R_AARCH64_RELATIVE */
#define KERNEL_HALF UINT64_C(0xffff000000000000)

/* One kernel in being described. */
struct kernel_image {
	struct dcd_elf_modules *modules;
	struct dcd_bytes bytes; /* of the kernel */
	uint64_t offset;        /* in the image */
	uint64_t low;           /* its first address */
	uint32_t module;
};

static bool header_plausible(const struct dcd_bytes *bytes)
{
	if (bytes->len < HEADER_SIZE) {
		return false;
	}
	const uint8_t *head = bytes->data;
	uint64_t size = dcd_le64_get(head + HEADER_IMAGE_SIZE);
	bool reserved = true;
	for (unsigned i = 0; i < 24; i++) {
		reserved = reserved && head[HEADER_RESERVED + i] == 0;
	}
	return reserved && dcd_le32_get(head + HEADER_BRANCH) >> 26 == 5 && size >= IMAGE_SIZE_MIN && size <= IMAGE_SIZE_MAX &&
	       (dcd_le64_get(head + HEADER_FLAGS) & 1) == 0 && dcd_le64_get(head + HEADER_TEXT_OFFSET) < ALIGNMENT;
}

bool dcd_kernel_image_find(const struct dcd_bytes *image, uint64_t from, uint64_t *ret_offset)
{
	while (image->len >= HEADER_SIZE && from <= image->len - HEADER_SIZE) {
		const uint8_t *start = image->data + from + HEADER_MAGIC;
		const uint8_t *hit = dcd_magic_find(start, (size_t)(image->len - from - HEADER_MAGIC), "ARM\x64", 4);
		if (hit == NULL) {
			return false;
		}
		from += (uint64_t)(hit - start);
		const struct dcd_bytes rest = { image->data + from, image->len - from };
		if (header_plausible(&rest)) {
			*ret_offset = from;
			return true;
		}
		from++;
	}
	return false;
}

/* Could the word be an address of a kernel? -1 and its like aren't. */
static bool address_like(uint64_t word)
{
	return word >= KERNEL_HALF && word < 0U - ALIGNMENT;
}

/* The words of 8 bytes that could be addresses, in order: a small part of a kernel. */
struct words {
	uint64_t *items; /* the caller frees them */
	size_t count;
};

static int addresses_take(const struct dcd_bytes *bytes, struct words *ret)
{
	size_t count = 0;
	for (uint64_t at = 0; at + 8 <= bytes->len; at += 8) {
		count += address_like(dcd_le64_get(bytes->data + at));
	}
	*ret = (struct words){ reallocarray(NULL, count + 1, sizeof *ret->items), 0 };
	if (ret->items == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	for (uint64_t at = 0; ret->count < count; at += 8) {
		uint64_t word = dcd_le64_get(bytes->data + at);
		if (address_like(word)) {
			ret->items[ret->count++] = word;
		}
	}
	return 0;
}

/* Words by the stretch of ALIGNMENT that they are addresses in, from `first` on. */
#define STRETCHES_MAX (2 * (IMAGE_SIZE_MAX / ALIGNMENT) + 1)
struct address_counts {
	uint64_t first;
	uint32_t all[STRETCHES_MAX];
	uint32_t begin[STRETCHES_MAX]; /* of these, in as much of the stretch's begin as a kernel has of its last one */
};

static void addresses_count(const struct words *words, uint64_t len, uint64_t first, struct address_counts *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->first = first;
	for (size_t i = 0; i < words->count; i++) {
		uint64_t distance = words->items[i] - first;
		if (distance / ALIGNMENT < STRETCHES_MAX) {
			ret->all[distance / ALIGNMENT]++;
			ret->begin[distance / ALIGNMENT] += distance % ALIGNMENT < len % ALIGNMENT;
		}
	}
}

/* How many are addresses of a kernel of `len` bytes that begins at `low`. */
static uint64_t addresses_inside(const struct address_counts *counts, uint64_t low, uint64_t len)
{
	uint64_t stretch = (low - counts->first) / ALIGNMENT, last = stretch + len / ALIGNMENT, sum = counts->begin[last];
	for (; stretch < last; stretch++) {
		sum += counts->all[stretch];
	}
	return sum;
}

/*
 * The kernel's first address, which its header doesn't say: most of the words that look like addresses of the upper half lie
 * behind it, and the smallest frequent ones next to it. Tried are the beginnings that the first addresses seen would have.
 */
static uint64_t low_guess(const struct words *words, uint64_t len)
{
	uint64_t best = 0, best_count = 0, last = 0;
	unsigned tries = 0;
	for (size_t i = 0; i < words->count && tries < 16; i++) {
		uint64_t low = words->items[i] - words->items[i] % ALIGNMENT;
		/* One address of each neighbourhood. */
		if (words->items[i] - last < len) {
			continue;
		}
		last = low;
		tries++;
		struct address_counts counts;
		addresses_count(words, len, low - (len - 1) / ALIGNMENT * ALIGNMENT, &counts);
		for (uint64_t back = 0; back < len; back += ALIGNMENT) {
			uint64_t count = addresses_inside(&counts, low - back, len);
			if (count > best_count) {
				best_count = count;
				best = low - back;
			}
		}
	}
	return best_count > 0 ? best : KERNEL_HALF;
}

/* The upper byte of the instructions that compilers use most. */
static const uint8_t instruction_common[256] = {
	[0xf9] = 1, [0xb9] = 1, [0x39] = 1, [0xa9] = 1, [0x91] = 1, [0xd1] = 1, [0xaa] = 1, [0x2a] = 1, [0x52] = 1,
	[0xd2] = 1, [0x94] = 1, [0x97] = 1, [0x14] = 1, [0x17] = 1, [0x54] = 1, [0x34] = 1, [0x35] = 1, [0xb4] = 1,
	[0xb5] = 1, [0xf1] = 1, [0x71] = 1, [0xeb] = 1, [0x6b] = 1, [0x90] = 1, [0xb0] = 1, [0xd0] = 1, [0xf0] = 1,
	[0xd5] = 1, [0xd6] = 1, [0x12] = 1, [0x92] = 1, [0x72] = 1, [0x36] = 1, [0x37] = 1, [0x8b] = 1, [0x0b] = 1,
	[0x9a] = 1, [0x1a] = 1, [0xf8] = 1, [0xb8] = 1, [0x38] = 1
};

/* What a page consists of. */
static enum dcd_region_kind page_kind(const uint8_t *page, size_t len)
{
	size_t instructions = 0, relocations = 0;
	for (size_t at = 0; at + 8 <= len; at += 8) {
		instructions += (size_t)instruction_common[page[at + 3]] + instruction_common[page[at + 7]];
		relocations += dcd_le64_get(page + at) == RELATIVE_RELOCATION;
	}
	if (instructions > len / 4 * 6 / 10) {
		return DCD_REGION_AARCH64;
	}
	return relocations > len / 48 ? DCD_REGION_POINTERS : DCD_REGION_JUMPS;
}

static int part_add(struct kernel_image *k, struct dcd_elf_region region)
{
	region.va = region.kind == DCD_REGION_BTF ? 0 : k->low + region.offset;
	region.offset += k->offset;
	region.module = k->module + (region.kind == DCD_REGION_BTF);
	return dcd_elf_modules_add_region(k->modules, &region);
}

/* Adds [from, to) of the kernel, page by page. */
static int pages_add(struct kernel_image *k, uint64_t from, uint64_t to)
{
	int err = 0;
	while (err == 0 && from < to) {
		uint64_t end = dcd_min_u64(from - from % PAGE + PAGE, to);
		struct dcd_elf_region region = { .offset = from, .len = end - from };
		region.kind = page_kind(k->bytes.data + from, (size_t)(end - from));
		err = part_add(k, region);
		from = end;
	}
	return err;
}

/* A part of the kernel that isn't told by its pages: the regions in it, and all that it covers. */
struct known_part {
	struct dcd_elf_region regions[DCD_KERNEL_SYMBOL_REGIONS];
	size_t count;
	uint64_t from;
	uint64_t end;
};

static void symbols_part(const struct kernel_image *k, struct known_part *ret)
{
	struct dcd_kernel_symbols symbols;
	*ret = (struct known_part){ .count = 0 };
	if (dcd_kernel_symbols_find(&k->bytes, k->low, &symbols)) {
		if (dcd_le64_get(k->bytes.data + symbols.base_at) == 0) {
			symbols.regions[0].origin += dcd_kernel_relocated_word(&k->bytes, k->low + symbols.base_at);
		}
		memcpy(ret->regions, symbols.regions, sizeof ret->regions);
		ret->count = symbols.count;
		ret->from = symbols.regions[0].offset;
		ret->end = symbols.end;
	}
}

static void types_part(const struct kernel_image *k, struct known_part *ret)
{
	*ret = (struct known_part){ .count = 0 };
	struct dcd_elf_region *types = &ret->regions[0];
	if (dcd_btf_find(&k->bytes, types)) {
		ret->count = 1;
		ret->from = types->offset - DCD_BTF_HEADER_SIZE;
		ret->end = types->offset + types->len + types->strings_len;
	}
}

static int parts_add(struct kernel_image *k)
{
	struct known_part parts[2];
	symbols_part(k, &parts[0]);
	types_part(k, &parts[1]);
	if (parts[1].from < parts[0].from) {
		struct known_part swap = parts[0];
		parts[0] = parts[1];
		parts[1] = swap;
	}
	uint64_t at = 0;
	int err = 0;
	for (size_t i = 0; i < 2; i++) {
		if (parts[i].count == 0 || parts[i].from < at) {
			continue;
		}
		err = err != 0 ? err : pages_add(k, at, parts[i].from);
		for (size_t j = 0; err == 0 && j < parts[i].count; j++) {
			err = part_add(k, parts[i].regions[j]);
		}
		at = parts[i].end;
	}
	return err != 0 ? err : pages_add(k, at, k->bytes.len);
}

int dcd_kernel_image_add(struct dcd_elf_modules *modules, const struct dcd_bytes *image, uint64_t offset, uint64_t *ret_end)
{
	uint64_t size = dcd_le64_get(image->data + offset + HEADER_IMAGE_SIZE);
	struct kernel_image k = { .modules = modules, .offset = offset };
	k.bytes = (struct dcd_bytes){ image->data + offset, dcd_min_u64(size, image->len - offset) };
	struct words words;
	int err = addresses_take(&k.bytes, &words);
	if (err != 0) {
		return err;
	}
	k.low = low_guess(&words, k.bytes.len);
	free(words.items);
	*ret_end = offset + k.bytes.len;
	const struct dcd_elf_module code = { .low = k.low, .span = size }, types = { .low = 0, .span = DCD_BTF_SPAN };
	err = dcd_elf_modules_add(modules, &code, &k.module);
	uint32_t types_module;
	err = err != 0 ? err : dcd_elf_modules_add(modules, &types, &types_module);
	return err != 0 ? err : parts_add(&k);
}
