/*
 * In an erofs that begins the image: clusters packed with LZ4, and gzip members whose last bytes lie behind their file's node.
 * Both are found by its directories, from the root on.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/apply/repack.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/diff/packed_blocks.h"

#define SUPER_AT 1024
#define SUPER_SIZE 128
#define MAGIC 0xe0f5e1e2U
#define UNIT DCD_EROFS_UNIT /* the only block size that this reads, of files and of directories */
#define SLOT 32U            /* what a node's number counts */
#define FEATURE_PADDED 1U   /* zeros come before a cluster's bytes, not behind */
#define FEATURE_FRAGMENTS 0x20U
#define FEATURES_KNOWN 0x7fU

enum { LAYOUT_PLAIN = 0, LAYOUT_FULL = 1, LAYOUT_INLINE = 2, LAYOUT_COMPACT = 3 };
enum { ADVISE_SHORT = 1, ADVISE_LARGE = 2, ADVISE_TAIL = 8, ADVISE_ROTATED = 16, ADVISE_FRAGMENT = 32 };
enum { HEAD_PLAIN = 0, HEAD_FIRST = 1, HEAD_NONE = 2, HEAD_SECOND = 3 };
#define LARGE_COUNT 0x800U /* marks the length of a large cluster */
#define GROUP_MAX 16U

#define MEMBER_MAX (8U << 20) /* bytes of a file that are looked at as a member */
/*
 * A last piece that is a smaller share of its block's content stays as it is: the device would make all of that once more for
 * these few bytes, and what is new in it would be in the frame twice, where room may be short.
 */
#define PIECE_SHARE 128U

struct erofs {
	const struct dcd_bytes *image;
	uint64_t nodes; /* where number 0 would be */
	uint32_t len_max;
	uint8_t *content;
	size_t content_size;
	struct dcd_packed_blocks *blocks;
	struct dcd_byte_buffer room; /* a file of two parts, brought together */
	bool padded;                 /* FEATURE_PADDED */
	uint8_t *nodes_seen;         /* a bit each */
	uint64_t node_count;
	uint8_t *units_seen;
	uint64_t *waiting; /* numbers of nodes to look at */
	size_t waiting_count;
	size_t waiting_capacity;
	uint64_t steps; /* left: more than an honest image of this size takes */
};

/* A file whose clusters are walked. */
struct file {
	uint64_t size;
	uint64_t index;  /* where that of its clusters begins */
	uint64_t count;  /* units of content, each with an entry */
	uint64_t first;  /* entries before the short ones */
	uint64_t shorts; /* entries of two bytes */
	bool full;       /* entries of eight bytes */
	unsigned advise;
	unsigned algorithms;
	bool cut; /* the last cluster isn't a whole one of its own */
};

/* What begins in a unit of content, or that nothing does. */
struct entry {
	unsigned type;
	unsigned low;  /* where in the unit; of HEAD_NONE a distance or a length */
	uint32_t unit; /* where it lies in the image */
};

struct extent {
	uint64_t begin; /* in the file */
	unsigned type;
	uint32_t unit;
	uint32_t units;
};

/* The walk through a file. */
struct walk {
	struct extent extent; /* the one that has begun */
	bool begun;
	bool first_behind; /* the next entry is the first behind its head */
	size_t last;       /* block whose content ends where the extent begins, plus one; 0: none */
};

static bool bit_take(uint8_t *bits, uint64_t i)
{
	bool was = (bits[i / 8] >> (i % 8) & 1) != 0;
	bits[i / 8] = (uint8_t)(bits[i / 8] | 1U << (i % 8));
	return !was;
}

static bool step_take(struct erofs *fs)
{
	if (fs->steps == 0) {
		return false;
	}
	fs->steps--;
	return true;
}

/* Each number once. */
static int node_push(struct erofs *fs, uint64_t number)
{
	if (number >= fs->node_count || !bit_take(fs->nodes_seen, number)) {
		return 0;
	}
	if (fs->waiting_count == fs->waiting_capacity) {
		size_t capacity = fs->waiting_capacity == 0 ? 256 : 2 * fs->waiting_capacity;
		uint64_t *grown = reallocarray(fs->waiting, capacity, sizeof *grown);
		if (grown == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
		fs->waiting = grown;
		fs->waiting_capacity = capacity;
	}
	fs->waiting[fs->waiting_count++] = number;
	return 0;
}

/* ---- directories ---- */

/* One block of names: the first entry's name lies behind the last entry. */
static int names_take(struct erofs *fs, const uint8_t *data, size_t len)
{
	size_t count = len >= 12 ? dcd_le16_get(data + 8) / 12U : 0;
	int err = 0;
	for (size_t i = 0; err == 0 && i < count && len - 12 * i >= 12; i++) {
		unsigned type = data[12 * i + 10];
		if (!step_take(fs)) {
			break;
		}
		if (type == 1 || type == 2) {
			err = node_push(fs, dcd_le64_get(data + 12 * i));
		}
	}
	return err;
}

/* `behind` is where the node ends: there lies the last part of one with LAYOUT_INLINE. */
static int directory_take(struct erofs *fs, unsigned layout, uint64_t size, uint64_t start, uint64_t behind)
{
	int err = 0;
	if (layout != LAYOUT_PLAIN && layout != LAYOUT_INLINE) {
		return 0;
	}
	for (uint64_t at = 0; err == 0 && at < size && step_take(fs); at += UNIT) {
		uint64_t n = dcd_min_u64(size - at, UNIT);
		uint64_t from = layout == LAYOUT_INLINE && n < UNIT ? behind : start * UNIT + at;
		if (!dcd_range_inside(from, n, fs->image->len)) {
			break;
		}
		err = names_take(fs, fs->image->data + from, (size_t)n);
	}
	return err;
}

/* ---- clusters ---- */

/* The bytes that follow the block before. */
static void behind_set(struct erofs *fs, struct walk *walk, const uint8_t *data, size_t len)
{
	if (walk->last == 0) {
		return;
	}
	struct dcd_packed_block *block = &fs->blocks->items[walk->last - 1];
	block->behind_len = (uint8_t)(len < sizeof block->behind ? len : sizeof block->behind);
	memcpy(block->behind, data, block->behind_len);
}

/* Content that lies there as it is: as it follows a block. */
static void plain_take(struct erofs *fs, const struct file *file, struct walk *walk, uint64_t len)
{
	const struct extent *extent = &walk->extent;
	uint64_t from = (uint64_t)extent->unit * UNIT;
	if (dcd_range_inside(from, UNIT, fs->image->len)) {
		uint64_t inside = (file->advise & ADVISE_ROTATED) != 0 ? extent->begin % UNIT : 0;
		behind_set(fs, walk, fs->image->data + from + inside, (size_t)dcd_min_u64(len, UNIT - inside));
	}
	walk->last = 0;
}

/*
 * Of each unit of the image at most one cluster is believed, so that all are unpacked in time. It ends with the first that was
 * believed before, so that any number of nodes that name the same ones costs a step each.
 */
static bool units_take(struct erofs *fs, uint64_t from, uint32_t units)
{
	for (uint32_t i = 0; i < units; i++) {
		if (!bit_take(fs->units_seen, from / UNIT + i)) {
			return false;
		}
	}
	return true;
}

/* The extent ends at `end`. */
static int extent_take(struct erofs *fs, const struct file *file, struct walk *walk, uint64_t end)
{
	const struct extent *extent = &walk->extent;
	unsigned algorithm = extent->type == HEAD_SECOND ? file->algorithms >> 4 : file->algorithms & 15;
	uint64_t from = (uint64_t)extent->unit * UNIT;
	size_t coded = (size_t)extent->units * UNIT, len, used;
	if (extent->begin >= end) {
		return 0;
	}
	if (extent->type == HEAD_PLAIN) {
		plain_take(fs, file, walk, end - extent->begin);
		return 0;
	}
	if (algorithm != 0 || extent->units == 0 || extent->units > DCD_EROFS_UNITS_MAX ||
	    !dcd_range_inside(from, coded, fs->image->len) || !units_take(fs, from, extent->units) ||
	    dcd_packer_measure(DCD_PACK_EROFS, fs->content, fs->content_size, fs->image->data + from, coded, &len, &used) != 0 ||
	    len == 0 || len > fs->len_max || coded > DCD_REPACK_CODED_MAX(len)) {
		walk->last = 0;
		return 0;
	}
	behind_set(fs, walk, fs->content, len);
	struct dcd_packed_block block = {
		.offset = from, .coded = (uint32_t)coded, .len = (uint32_t)len, .method = DCD_PACK_EROFS
	};
	int err = dcd_packed_blocks_add(fs->blocks, block);
	/* A block whose content is used in part isn't followed by what comes next. */
	walk->last = err == 0 && len == end - extent->begin ? fs->blocks->count : 0;
	return err;
}

/* Entry number `i` in words of `bits` bits. */
static struct entry bits_get(const uint8_t *group, unsigned i, unsigned bits)
{
	unsigned at = i * bits, word = dcd_le32_get(group + at / 8) >> (at % 8);
	return (struct entry){ .type = word >> 12 & 3, .low = word & (UNIT - 1) };
}

/* Where each head of a compact group lies: one unit behind that of the one before, or as many as that one has. */
static void group_place(const struct file *file, struct entry *entries, unsigned count, uint32_t base)
{
	bool large = (file->advise & ADVISE_LARGE) != 0;
	uint32_t unit = base;
	for (unsigned i = 0; i < count; i++) {
		if (entries[i].type != HEAD_NONE) {
			unit += large ? 0 : 1;
			entries[i].unit = unit;
			unit += large ? 1 : 0;
		} else if (large && (entries[i].low & LARGE_COUNT) != 0) {
			unit += (entries[i].low & ~LARGE_COUNT) - (i > 0 ? 1 : 0);
		}
	}
}

/* Reads the entries from number `i` on, up to the end of their group; how many, 0 when they don't lie in the image. */
static unsigned group_read(const struct erofs *fs, const struct file *file, uint64_t i, struct entry *entries)
{
	bool middle = i >= file->first && i - file->first < file->shorts;
	unsigned count = file->full ? 1 : middle ? GROUP_MAX : 2, size = file->full ? 8 : middle ? 32 : 8;
	uint64_t at = file->index;
	if (file->full) {
		at += i * 8;
	} else {
		uint64_t shorts = i <= file->first ? 0 : dcd_min_u64(i - file->first, file->shorts);
		at += (i - shorts) * 4 + shorts * 2;
	}
	if (!dcd_range_inside(at, size, fs->image->len)) {
		return 0;
	}
	const uint8_t *group = fs->image->data + at;
	if (file->full) {
		unsigned type = dcd_le16_get(group) & 3;
		unsigned low = dcd_le16_get(group + (type == HEAD_NONE ? 4 : 2));
		entries[0] = (struct entry){ type, low, dcd_le32_get(group + 4) };
		return 1;
	}
	for (unsigned k = 0; k < count; k++) {
		entries[k] = bits_get(group, k, (size - 4) * 8 / count);
	}
	group_place(file, entries, count, dcd_le32_get(group + size - 4));
	return count;
}

static int entry_take(struct erofs *fs, const struct file *file, struct walk *walk, uint64_t i, const struct entry *entry)
{
	if (entry->type == HEAD_NONE) {
		if (walk->first_behind && (file->advise & ADVISE_LARGE) != 0 && (entry->low & LARGE_COUNT) != 0) {
			walk->extent.units = entry->low & ~LARGE_COUNT;
		}
		walk->first_behind = false;
		return 0;
	}
	uint64_t begin = i * UNIT + entry->low;
	int err = walk->begun ? extent_take(fs, file, walk, dcd_min_u64(begin, file->size)) : 0;
	walk->extent = (struct extent){ begin, entry->type, entry->unit, 1 };
	walk->begun = walk->first_behind = true;
	return err;
}

static int clusters_take(struct erofs *fs, const struct file *file)
{
	struct walk walk = { 0 };
	int err = 0;
	for (uint64_t i = 0; err == 0 && i < file->count;) {
		struct entry entries[GROUP_MAX];
		unsigned count = group_read(fs, file, i, entries);
		if (count == 0) {
			return 0;
		}
		for (unsigned k = 0; err == 0 && k < count && i < file->count; k++, i++) {
			if (!step_take(fs)) {
				return 0;
			}
			err = entry_take(fs, file, &walk, i, &entries[k]);
		}
	}
	return err != 0 || !walk.begun || file->cut ? err : extent_take(fs, file, &walk, file->size);
}

/* ---- members ---- */

/*
 * The deflate stream at room[from..from + coded) goes on behind the node, at `behind`, after the `head` bytes that lie at
 * `start`: two pieces.
 */
static int pieces_take(struct erofs *fs, struct dcd_packed_block member, uint64_t start, uint64_t head, uint64_t behind)
{
	uint32_t first = (uint32_t)(head - member.offset);
	struct dcd_packed_block pieces[2] = { member, member };
	pieces[0].offset = pieces[1].other = start + member.offset;
	pieces[1].offset = pieces[0].other = behind;
	pieces[0].whole = pieces[1].whole = member.coded;
	pieces[0].coded = pieces[1].before = first;
	pieces[1].coded = member.coded - first;
	int err = dcd_packed_blocks_add(fs->blocks, pieces[0]);
	bool worth = pieces[1].coded >= member.len / PIECE_SHARE;
	return err != 0 || !worth ? err : dcd_packed_blocks_add(fs->blocks, pieces[1]);
}

/*
 * A file that isn't compressed: its whole units lie at `start`, its last bytes behind its node, within one unit. Is it a gzip
 * member? One that lies in one place, here or in other layouts, is found without our help.
 */
static int inline_take(struct erofs *fs, uint64_t size, uint64_t start, uint64_t behind)
{
	uint64_t tail = size % UNIT, head = size - tail;
	if (head == 0 || tail == 0 || size > MEMBER_MAX || !dcd_range_inside(start, head, fs->image->len) ||
	    !dcd_range_inside(behind, tail, fs->image->len) || tail > UNIT - behind % UNIT ||
	    dcd_le16_get(fs->image->data + start) != 0x8b1f || !units_take(fs, start, (uint32_t)(head / UNIT))) {
		return 0;
	}
	fs->room.len = 0;
	int err = dcd_byte_buffer_append(&fs->room, fs->image->data + start, (size_t)head);
	err = err != 0 ? err : dcd_byte_buffer_append(&fs->room, fs->image->data + behind, (size_t)tail);
	struct dcd_packed_block member;
	if (err != 0 || !dcd_gzip_member_at(fs->room.data, fs->room.len, fs->content, fs->len_max, &member) ||
	    member.offset >= head || member.coded <= head - member.offset || member.coded > DCD_REPACK_CODED_MAX(member.len)) {
		return err;
	}
	return pieces_take(fs, member, start, head, behind);
}

/* A compressed file's node ends at `end`; behind it lie a head and the index. */
static int file_take(struct erofs *fs, unsigned layout, uint64_t size, uint64_t end)
{
	uint64_t head = (end + 7) & ~(uint64_t)7;
	if (size == 0 || !fs->padded || !dcd_range_inside(head, 8, fs->image->len)) {
		return 0;
	}
	const uint8_t *data = fs->image->data + head;
	struct file file = { .size = size,
			     .index = head + (layout == LAYOUT_FULL ? 16 : 8),
			     .count = dcd_div_ceil_u64(size, UNIT),
			     .full = layout == LAYOUT_FULL,
			     .advise = dcd_le16_get(data + 4),
			     .algorithms = data[6] };
	/* Units of content as long as those of the image; not all of it in a fragment; not the index of another kind. */
	if ((data[7] & 0x8f) != 0 || (file.full && (file.advise & ADVISE_SHORT) != 0)) {
		return 0;
	}
	file.cut = (file.advise & (ADVISE_TAIL | ADVISE_FRAGMENT)) != 0;
	file.first = (32 - file.index % 32) / 4 % 8;
	if ((file.advise & ADVISE_SHORT) != 0 && file.first < file.count) {
		file.shorts = (file.count - file.first) / GROUP_MAX * GROUP_MAX;
	}
	return clusters_take(fs, &file);
}

/* ---- nodes ---- */

/* A regular file's. */
static int contents_take(struct erofs *fs, unsigned layout, uint64_t size, uint64_t start, uint64_t end)
{
	switch (layout) {
	case LAYOUT_FULL:
	case LAYOUT_COMPACT:
		return file_take(fs, layout, size, end);
	case LAYOUT_INLINE:
		return inline_take(fs, size, start * UNIT, end);
	default:
		return 0;
	}
}

static int node_take(struct erofs *fs, uint64_t number)
{
	uint64_t at = fs->nodes + number * SLOT;
	if (!dcd_range_inside(at, 32, fs->image->len)) {
		return 0;
	}
	const uint8_t *node = fs->image->data + at;
	unsigned format = dcd_le16_get(node), layout = format >> 1 & 7, attributes = dcd_le16_get(node + 2);
	bool extended = (format & 1) != 0;
	if (!dcd_range_inside(at, extended ? 64 : 32, fs->image->len)) {
		return 0;
	}
	uint64_t size = extended ? dcd_le64_get(node + 8) : dcd_le32_get(node + 8), end = at + (extended ? 64 : 32);
	end += attributes == 0 ? 0 : 12 + 4 * ((uint64_t)attributes - 1);
	switch (dcd_le16_get(node + 4) & 0170000) {
	case 0040000:
		return directory_take(fs, layout, size, dcd_le32_get(node + 16), end);
	case 0100000:
		return contents_take(fs, layout, size, dcd_le32_get(node + 16), end);
	default:
		return 0;
	}
}

static bool super_read(const struct dcd_bytes *image, struct erofs *fs, uint32_t *ret_features)
{
	if (image->len < SUPER_AT + SUPER_SIZE) {
		return false;
	}
	const uint8_t *super = image->data + SUPER_AT;
	uint32_t features = dcd_le32_get(super + 80);
	fs->nodes = (uint64_t)dcd_le32_get(super + 40) * UNIT;
	*ret_features = features;
	fs->padded = (features & FEATURE_PADDED) != 0;
	return dcd_le32_get(super) == MAGIC && super[12] == 12 && super[90] == 0 && (features & ~FEATURES_KNOWN) == 0 &&
	       fs->nodes < image->len;
}

static int nodes_walk(struct erofs *fs, uint32_t features)
{
	const uint8_t *super = fs->image->data + SUPER_AT;
	int err = node_push(fs, dcd_le16_get(super + 14));
	if (err == 0 && (features & FEATURE_FRAGMENTS) != 0) {
		err = node_push(fs, dcd_le64_get(super + 96));
	}
	while (err == 0 && fs->waiting_count > 0) {
		err = node_take(fs, fs->waiting[--fs->waiting_count]);
	}
	return err;
}

int dcd_erofs_blocks_find(const struct dcd_bytes *image, uint32_t len_max, struct dcd_packed_blocks *ret)
{
	struct erofs fs = { .image = image, .len_max = len_max, .blocks = ret };
	uint32_t features;
	if (!super_read(image, &fs, &features)) {
		return 0;
	}
	/* Directories and indexes take two bytes a step, in an image that no two of them share. */
	fs.steps = image->len / 2;
	fs.node_count = (image->len - fs.nodes) / SLOT;
	fs.content_size = len_max;
	fs.content = malloc((size_t)len_max + 1);
	fs.nodes_seen = calloc(1, (size_t)(fs.node_count / 8) + 1);
	fs.units_seen = calloc(1, (size_t)(image->len / UNIT / 8) + 1);
	int err = fs.content == NULL || fs.nodes_seen == NULL || fs.units_seen == NULL ? DCD_ERR_NO_MEMORY : 0;
	err = err != 0 ? err : nodes_walk(&fs, features);
	dcd_byte_buffer_free(&fs.room);
	free(fs.content);
	free(fs.nodes_seen);
	free(fs.units_seen);
	free(fs.waiting);
	return err;
}
