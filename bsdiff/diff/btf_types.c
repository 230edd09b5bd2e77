#include "bsdiff/diff/btf_types.h"

#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "bsdiff/apply/btf_walk.h"
#include "bsdiff/diff/magic_find.h"

#define TYPES_MIN 1000U     /* less than a kernel has isn't worth a region */
#define PART_MAX (1U << 27) /* bytes of types, and of strings */
#define ROUNDS 3            /* how far a type's hash looks */

static const uint8_t magic[8] = { 0x9f, 0xeb, 1, 0, DCD_BTF_HEADER_SIZE, 0, 0, 0 };

/* Counts the types, when they fill their part exactly. */
static bool types_count(const uint8_t *types, uint32_t len, uint32_t *ret)
{
	struct dcd_btf_walk walk = { 0, 0 };
	uint32_t count = 0;
	for (uint32_t at = 0; at + 4 <= len; at += 4) {
		count += dcd_btf_step(&walk, dcd_le32_get(types + at));
	}
	*ret = count;
	return walk.word == 0 && count >= TYPES_MIN;
}

bool dcd_btf_describe(const struct dcd_bytes *bytes, struct dcd_elf_region *ret)
{
	const uint8_t *head = bytes->data;
	if (bytes->len < DCD_BTF_HEADER_SIZE || memcmp(head, magic, sizeof magic) != 0) {
		return false;
	}
	uint32_t types_at = dcd_le32_get(head + 8), types_len = dcd_le32_get(head + 12);
	uint32_t strings_at = dcd_le32_get(head + 16), strings_len = dcd_le32_get(head + 20);
	if (types_at != 0 || types_len > PART_MAX || types_len % 4 != 0 || strings_at != types_len || strings_len > PART_MAX ||
	    (uint64_t)types_len + strings_len > bytes->len - DCD_BTF_HEADER_SIZE) {
		return false;
	}
	const uint8_t *types = head + DCD_BTF_HEADER_SIZE, *strings = types + types_len;
	struct dcd_elf_region region = { .offset = DCD_BTF_HEADER_SIZE, .len = types_len, .kind = DCD_REGION_BTF };
	if (strings_len == 0 || strings[strings_len - 1] != 0 || !types_count(types, types_len, &region.types)) {
		return false;
	}
	region.strings_len = strings_len;
	for (uint32_t i = 0; i < strings_len; i++) {
		region.strings += strings[i] == 0;
	}
	*ret = region;
	return true;
}

bool dcd_btf_find(const struct dcd_bytes *bytes, struct dcd_elf_region *ret)
{
	uint64_t at = 0;
	while (at < bytes->len) {
		const uint8_t *hit = dcd_magic_find(bytes->data + at, bytes->len - at, magic, sizeof magic);
		if (hit == NULL) {
			return false;
		}
		at = (uint64_t)(hit - bytes->data);
		const struct dcd_bytes rest = { hit, bytes->len - at };
		if (at % 4 == 0 && dcd_btf_describe(&rest, ret)) {
			ret->offset += at;
			return true;
		}
		at++;
	}
	return false;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* One kernel's types in being hashed. */
struct hashing {
	const uint8_t *types;
	const uint8_t *strings;
	const struct dcd_elf_region *region;
	uint64_t *hashes; /* by id, of this round */
	uint64_t *before; /* of the round before */
};

static uint64_t name_hash(const struct hashing *h, uint32_t offset)
{
	uint64_t hash = 1;
	if (offset >= h->region->strings_len) {
		return mix(hash, offset);
	}
	/* The last string ends with the part. */
	for (const uint8_t *p = h->strings + offset; *p != 0; p++) {
		hash = mix(hash, *p);
	}
	return hash;
}

static uint64_t word_hash(const struct hashing *h, enum dcd_btf_role role, uint32_t value)
{
	if (role == DCD_BTF_NAME) {
		return name_hash(h, value);
	}
	return role == DCD_BTF_TYPE && value <= h->region->types ? h->before[value] : value;
}

/* Hashes every type from its words, its names and what its ids stood for in the round before. */
static void round_run(struct hashing *h)
{
	struct dcd_btf_walk walk = { 0, 0 };
	uint64_t hash = 0;
	uint32_t id = 1;
	for (uint32_t at = 0; at < h->region->len; at += 4) {
		uint32_t value = dcd_le32_get(h->types + at);
		hash = mix(hash, word_hash(h, dcd_btf_role(&walk), value));
		if (dcd_btf_step(&walk, value) && id <= h->region->types) {
			h->hashes[id++] = hash;
			hash = 0;
		}
	}
	uint64_t *swap = h->before;
	h->before = h->hashes;
	h->hashes = swap;
}

static void view_write(const struct hashing *h, uint8_t *view)
{
	struct dcd_btf_walk walk = { 0, 0 };
	for (uint32_t at = 0; at < h->region->len; at += 4) {
		uint32_t value = dcd_le32_get(h->types + at);
		enum dcd_btf_role role = dcd_btf_role(&walk);
		if (role != DCD_BTF_PLAIN && value != 0) {
			dcd_le32_put(view + at, (uint32_t)(word_hash(h, role, value) >> 16));
		}
		(void)dcd_btf_step(&walk, value);
	}
}

int dcd_btf_view(const struct dcd_bytes *image, const struct dcd_elf_region *region, uint8_t *view)
{
	struct hashing h = { .types = image->data + region->offset, .region = region };
	h.strings = h.types + region->len;
	uint64_t *a = calloc((size_t)region->types + 1, sizeof *a), *b = calloc((size_t)region->types + 1, sizeof *b);
	h.hashes = a;
	h.before = b;
	int err = a == NULL || b == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (int round = 0; err == 0 && round < ROUNDS; round++) {
		round_run(&h);
	}
	if (err == 0) {
		view_write(&h, view);
	}
	free(a);
	free(b);
	return err;
}

/* Strings stand in the order in which types name them, so the next one lies behind the last of those so far. */
static uint32_t string_end(const struct dcd_bytes *image, const struct dcd_elf_region *region, uint32_t offset)
{
	if (offset >= region->strings_len) {
		return 0;
	}
	const char *string = (const char *)image->data + region->offset + region->len + offset;
	return offset + (uint32_t)strlen(string) + 1;
}

struct dcd_btf_sync dcd_btf_sync(const struct dcd_bytes *image, const struct dcd_elf_region *region, uint64_t segment_offset,
				 uint32_t segment_len)
{
	struct dcd_btf_sync sync = { .id = 1 };
	struct dcd_btf_walk walk = { 0, 0 };
	uint64_t at = region->offset, end = region->offset + region->len, segment_end = segment_offset + segment_len;
	uint32_t last = 0;
	for (; at < end && (at < segment_offset || walk.word != 0); at += 4) {
		uint32_t value = dcd_le32_get(image->data + at);
		if (dcd_btf_role(&walk) == DCD_BTF_NAME && value > last) {
			last = value;
		}
		sync.id += dcd_btf_step(&walk, value);
	}
	sync.next = last > 0 ? string_end(image, region, last) : 1;
	end = end < segment_end ? end : segment_end;
	if (at < end) {
		sync.first = (uint32_t)(at - segment_offset);
		sync.end = (uint32_t)(end - segment_offset);
	}
	return sync;
}
