/* A small erofs in memory, packed as mkfs.erofs does it: for tests of what looks into one. */
#ifndef TESTS_UNIT_EROFS_FIXTURE_H
#define TESTS_UNIT_EROFS_FIXTURE_H

#include <lz4.h>
#include <lz4hc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"

#define EROFS_UNIT 4096U
#define EROFS_ROOT 36U   /* the root's number: behind the super block */
#define EROFS_FILES_AT 4 /* unit where nodes of files begin */
#define EROFS_NODE_UNITS 4
#define EROFS_FILES_MAX 12

struct erofs_fixture {
	uint8_t *data; /* with room for `capacity` bytes */
	size_t capacity;
	size_t len;
	unsigned files;
	unsigned level;    /* 1: fast */
	bool full;         /* the long index */
	uint32_t clusters; /* that are packed */
};

/* What begins in each unit of a file's content. */
struct erofs_fixture_entry {
	unsigned type; /* 0 plain, 1 packed, 2 nothing */
	unsigned low;
	uint32_t unit;
};

static inline uint64_t erofs_fixture_number(unsigned file)
{
	return (uint64_t)(EROFS_FILES_AT + file * EROFS_NODE_UNITS) * EROFS_UNIT / 32;
}

static inline void erofs_fixture_begin(struct erofs_fixture *fs, uint8_t *data, size_t capacity, unsigned level, bool full)
{
	*fs = (struct erofs_fixture){ .data = data, .capacity = capacity, .level = level, .full = full };
	memset(data, 0, capacity);
	fs->len = (size_t)(EROFS_FILES_AT + EROFS_FILES_MAX * EROFS_NODE_UNITS) * EROFS_UNIT;
	uint8_t *super = data + 1024, *root = data + EROFS_ROOT * 32;
	dcd_le32_put(super, 0xe0f5e1e2U);
	super[12] = 12;
	dcd_le16_put(super + 14, EROFS_ROOT);
	dcd_le32_put(super + 80, 1); /* padded */
	dcd_le16_put(root, 2 << 1);  /* its names lie behind it */
	dcd_le16_put(root + 4, 0040755);
}

/* The root's names: itself twice, and one of two letters for each file. */
static inline void erofs_fixture_end(struct erofs_fixture *fs)
{
	uint8_t *root = fs->data + EROFS_ROOT * 32, *names = root + 32;
	unsigned count = fs->files + 2, name = 12 * count;
	for (unsigned i = 0; i < count; i++) {
		uint8_t *entry = names + 12 * i;
		dcd_le64_put(entry, i < 2 ? EROFS_ROOT : erofs_fixture_number(i - 2));
		dcd_le16_put(entry + 8, (uint16_t)name);
		entry[10] = i < 2 ? 2 : 1;
		names[name] = i < 2 ? '.' : (uint8_t)('a' + i);
		names[name + 1] = '.';
		name += i == 0 ? 1 : 2;
	}
	dcd_le32_put(root + 8, name);
}

/* One cluster, at the image's end; how much of the content it takes. */
static inline size_t erofs_fixture_cluster(struct erofs_fixture *fs, const uint8_t *data, size_t len, bool *ret_packed)
{
	uint8_t *out = fs->data + fs->len;
	int taken = (int)len, n = 0;
	if (len > EROFS_UNIT && fs->level == 1) {
		n = LZ4_compress_destSize((const char *)data, (char *)out, &taken, EROFS_UNIT);
	} else if (len > EROFS_UNIT) {
		void *state = malloc((size_t)LZ4_sizeofStateHC());
		n = LZ4_compress_HC_destSize(state, (const char *)data, (char *)out, &taken, EROFS_UNIT, (int)fs->level);
		free(state);
	}
	*ret_packed = n > 0 && taken > (int)EROFS_UNIT;
	if (!*ret_packed) {
		taken = (int)(len < EROFS_UNIT ? len : EROFS_UNIT);
		memcpy(out, data, (size_t)taken);
		n = taken;
		memset(out + n, 0, EROFS_UNIT - (size_t)n);
	} else {
		memmove(out + (EROFS_UNIT - (size_t)n), out, (size_t)n);
		memset(out, 0, EROFS_UNIT - (size_t)n);
		fs->clusters++;
	}
	fs->len += EROFS_UNIT;
	return (size_t)taken;
}

static inline void erofs_fixture_bits(uint8_t *group, unsigned at, unsigned value)
{
	for (unsigned i = 0; i < 14; i++) {
		if ((value >> i & 1) != 0) {
			group[(at + i) / 8] = (uint8_t)(group[(at + i) / 8] | 1U << ((at + i) % 8));
		}
	}
}

/* The short index: groups of 2 entries in 8 bytes up to a multiple of 32, then of 16 in 32, then again of 2. */
static inline void erofs_fixture_compact(uint8_t *data, size_t index, const struct erofs_fixture_entry *entries, unsigned count)
{
	unsigned first = (unsigned)((32 - index % 32) / 4 % 8), i = 0;
	unsigned shorts = first < count ? (count - first) / 16 * 16 : 0;
	uint32_t base = entries[0].unit - 1;
	while (i < count) {
		bool middle = i >= first && i - first < shorts;
		unsigned of = middle ? 16 : 2, size = middle ? 32 : 8;
		dcd_le32_put(data + index + size - 4, base);
		for (unsigned k = 0; k < of && i < count; k++, i++) {
			base += entries[i].type != 2;
			erofs_fixture_bits(data + index, k * ((size - 4) * 8 / of), entries[i].type << 12 | entries[i].low);
		}
		index += size;
	}
}

/* Adds a file of at least a byte. */
static inline void erofs_fixture_file(struct erofs_fixture *fs, const uint8_t *content, size_t len)
{
	size_t node = (size_t)erofs_fixture_number(fs->files++) * 32, index = node + 32 + (fs->full ? 16 : 8), at = 0;
	unsigned count = (unsigned)((len + EROFS_UNIT - 1) / EROFS_UNIT);
	struct erofs_fixture_entry *entries = calloc(count, sizeof *entries);
	for (unsigned i = 0; i < count; i++) {
		entries[i] = (struct erofs_fixture_entry){ 2, 1, 0 };
	}
	while (at < len) {
		bool packed;
		uint32_t unit = (uint32_t)(fs->len / EROFS_UNIT);
		size_t taken = erofs_fixture_cluster(fs, content + at, len - at, &packed);
		entries[at / EROFS_UNIT] = (struct erofs_fixture_entry){ packed, (unsigned)(at % EROFS_UNIT), unit };
		at += taken;
	}
	if (entries[count - 1].type == 2) {
		entries[count - 1] = (struct erofs_fixture_entry){ 0, (unsigned)(len % EROFS_UNIT), 0 };
	}
	dcd_le16_put(fs->data + node, fs->full ? 1 << 1 : 3 << 1);
	dcd_le16_put(fs->data + node + 4, 0100644);
	dcd_le32_put(fs->data + node + 8, (uint32_t)len);
	dcd_le16_put(fs->data + node + 32 + 4, fs->full ? 0 : 1);
	for (unsigned i = 0; fs->full && i < count; i++) {
		dcd_le16_put(fs->data + index + 8 * i, (uint16_t)entries[i].type);
		dcd_le16_put(fs->data + index + 8 * i + 2, (uint16_t)entries[i].low);
		dcd_le32_put(fs->data + index + 8 * i + 4, entries[i].unit);
	}
	if (!fs->full) {
		erofs_fixture_compact(fs->data, index, entries, count);
	}
	free(entries);
}

/*
 * Adds a file of at least a byte that isn't compressed, as mkfs.erofs does without -z: its last bytes behind the node and the
 * `attributes` (their number as the node has it) when they fit there, else with the others. Returns where they are.
 */
static inline size_t erofs_fixture_inline(struct erofs_fixture *fs, const uint8_t *content, size_t len, bool extended,
					  unsigned attributes)
{
	size_t node = (size_t)erofs_fixture_number(fs->files++) * 32, tail = len % EROFS_UNIT, head = len - tail;
	size_t behind = node + (extended ? 64 : 32) + (attributes == 0 ? 0 : 12 + 4 * (attributes - 1));
	bool fits = tail > 0 && tail <= EROFS_UNIT - behind % EROFS_UNIT;
	behind = fits ? behind : fs->len + head;
	dcd_le16_put(fs->data + node, (uint16_t)((fits ? 2U << 1 : 0) | extended));
	dcd_le16_put(fs->data + node + 2, (uint16_t)attributes);
	dcd_le16_put(fs->data + node + 4, 0100644);
	dcd_le32_put(fs->data + node + 8, (uint32_t)len);
	dcd_le32_put(fs->data + node + 16, (uint32_t)(fs->len / EROFS_UNIT));
	memcpy(fs->data + fs->len, content, head);
	memcpy(fs->data + behind, content + head, tail);
	fs->len += head + (fits || tail == 0 ? 0 : EROFS_UNIT);
	return behind;
}

#endif
