/*
 * Writes the seeds of tests/fuzz/corpus/{payload_table,frame}: tables and frames of small real payloads.
 * Run from the tree's root: build/dev/bsdiff/diff/make_delta_corpus tests/fuzz/corpus
 */
#include <stdio.h>

#include "base/le.h"
#include "base/varint.h"
#include "tests/fuzz/fuzz_base.h"
#include "tests/unit/payload_fixture.h"

#define SEG DCD_SEGMENT_SIZE_MIN

static int write_seed(const char *folder, const char *target, const char *name, unsigned number, const uint8_t *head,
		      size_t head_len, const uint8_t *data, size_t len)
{
	char path[4096];
	(void)snprintf(path, sizeof path, "%s/%s/%s-%u", folder, target, name, number);
	FILE *file = fopen(path, "wb");
	if (file == NULL) {
		perror(path);
		return 1;
	}
	int failed = fwrite(head, 1, head_len, file) != head_len || fwrite(data, 1, len, file) != len;
	return fclose(file) != 0 || failed;
}

static int write_payload(const char *folder, const char *name, const struct fixture_payload *p)
{
	struct dcd_payload payload;
	size_t at = (size_t)p->result.table_length;
	if (dcd_payload_open(p->data, at, &dcd_sha256, &payload) != 0) {
		return 1;
	}
	int failed = write_seed(folder, "payload_table", name, 0, NULL, 0, p->data, at);
	for (uint32_t i = 0; i < payload.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&payload, i, &entry);
		uint8_t head[4] = { (uint8_t)(entry.kind | entry.filter << 2), 0, 0, (uint8_t)i };
		dcd_le16_put(head + 1, (uint16_t)(entry.segment_length - 1));
		failed |= write_seed(folder, "frame", name, i, head, sizeof head, p->data + at, entry.frame_length);
		at += entry.frame_length;
	}
	return failed;
}

/* Streams that are put down number by number. */
struct seed_streams {
	uint8_t data[DCD_STREAM_COUNT][512];
	size_t lens[DCD_STREAM_COUNT];
};

static void seed_put(struct seed_streams *s, enum dcd_stream id, uint64_t value)
{
	s->lens[id] += dcd_varint_put(s->data[id] + s->lens[id], value);
}

/* A region of 1 KiB at kind * 1 KiB of the base, in a module of its own with two steps. */
static void seed_module(struct seed_streams *s, unsigned kind, unsigned gap)
{
	const uint64_t module[] = { 0x800, 0x2000, 0x1000, 1, 2 }; /* low, span, plain, regions, steps */
	const uint64_t region[] = { gap, 1024, kind, dcd_zigzag(0x800), dcd_zigzag(-64) };
	const uint64_t records[] = { 8, 2, dcd_zigzag(-0x400), dcd_zigzag(48), dcd_zigzag(-4) };
	const uint64_t records32[] = { 8, 2 | 1 << DCD_RECORD_POINTERS, dcd_zigzag(-0x400), dcd_zigzag(48), dcd_zigzag(16) };
	const uint64_t relative[] = { 12, 3 };
	const uint64_t sequence[] = { 3, 1, dcd_zigzag(-0x400), dcd_zigzag(48), dcd_zigzag(4) };
	/* Strings' length, types, strings, first, end, id, next. */
	const uint64_t btf[] = { 512, 40, 200, 4, 1020, 7, 90 };
	static const size_t lens[DCD_REGION_KINDS] = { [DCD_REGION_RECORDS] = 5,
						       [DCD_REGION_RECORDS32] = 5,
						       [DCD_REGION_RELATIVE] = 2,
						       [DCD_REGION_SEQUENCE] = 5,
						       [DCD_REGION_BTF] = 7 };
	const uint64_t *record = kind == DCD_REGION_BTF         ? btf
				 : kind == DCD_REGION_RECORDS32 ? records32
				 : kind == DCD_REGION_SEQUENCE  ? sequence
				 : kind == DCD_REGION_RELATIVE  ? relative
								: records;
	size_t record_len = lens[kind];
	const uint64_t steps[] = { 0x100, 0x900, dcd_zigzag(16), dcd_zigzag(-48) };
	for (size_t i = 0; i < 5; i++) {
		seed_put(s, DCD_STREAM_MAP, module[i]);
	}
	for (size_t i = 0; i < 5; i++) {
		seed_put(s, DCD_STREAM_MAP, region[i]);
	}
	for (size_t i = 0; i < record_len; i++) {
		seed_put(s, DCD_STREAM_MAP, record[i]);
	}
	for (size_t i = 0; i < 4; i++) {
		seed_put(s, DCD_STREAM_MAP, steps[i]);
	}
}

static int write_streams(const char *folder, const char *name, unsigned number, unsigned filter, const struct seed_streams *s,
			 size_t segment_len)
{
	uint8_t head[4] = { (uint8_t)(DCD_FRAME_DELTA | filter << 2), 0, 0, 0 }, frame[4096] = { 0 };
	size_t len = 1;
	dcd_le16_put(head + 1, (uint16_t)(segment_len - 1));
	for (unsigned id = 0; id < DCD_STREAM_COUNT; id++) {
		if (s->lens[id] > 0) {
			frame[0]++;
			frame[len++] = (uint8_t)id;
			frame[len++] = DCD_CODEC_STORED;
			len += dcd_varint_put(frame + len, s->lens[id]);
			len += dcd_varint_put(frame + len, s->lens[id]);
		}
	}
	for (unsigned id = 0; id < DCD_STREAM_COUNT; id++) {
		memcpy(frame + len, s->data[id], s->lens[id]);
		len += s->lens[id];
	}
	return write_seed(folder, "frame", name, number, head, sizeof head, frame, len);
}

/* One frame for each kind of region, and one with all of them; a few differences in each. */
static int write_references(const char *folder)
{
	int failed = 0;
	for (unsigned kind = 0; kind <= DCD_REGION_KINDS; kind++) {
		static const unsigned places[DCD_REGION_KINDS] = { 2, 0, 1, 3, 4, 5, 6, 7, 6, 9, 8, 2, 4, 6, 10 }; /* in KiB */
		struct seed_streams s = { 0 };
		bool all = kind == DCD_REGION_KINDS;
		size_t len = all ? 4096 : 1024;
		seed_put(&s, DCD_STREAM_MAP, all ? 4 : 1);
		seed_put(&s, DCD_STREAM_MAP, all ? 4 : 1);
		seed_put(&s, DCD_STREAM_MAP, all ? 8 : 2);
		for (unsigned i = 0; i < (all ? 4U : 1U); i++) {
			static const unsigned in_order[] = { DCD_REGION_X86_64, DCD_REGION_AARCH64, DCD_REGION_POINTERS,
							     DCD_REGION_UNWIND };
			seed_module(&s, all ? in_order[i] : kind, all ? 0 : places[kind] * 1024);
		}
		seed_put(&s, DCD_STREAM_CONTROL, 1); /* row */
		seed_put(&s, DCD_STREAM_CONTROL, 0);
		seed_put(&s, DCD_STREAM_CONTROL, len);
		seed_put(&s, DCD_STREAM_CONTROL, all ? 0 : dcd_zigzag((int64_t)places[kind] * 1024));
		seed_put(&s, DCD_STREAM_RUNS, 1); /* row */
		seed_put(&s, DCD_STREAM_RUNS, 100);
		seed_put(&s, DCD_STREAM_RUNS, 2);
		seed_put(&s, DCD_STREAM_LITERALS, 1);
		seed_put(&s, DCD_STREAM_LITERALS, 2);
		if (all) {
			s.data[DCD_STREAM_GATE][s.lens[DCD_STREAM_GATE]++] = 1 << DCD_GATE_DATA;
		}
		failed |= write_streams(folder, "references", kind, DCD_FILTER_REFERENCES, &s, len);
	}
	return failed;
}

/*
 * 100 plain bytes, a block that is packed again, and what is left plain: from the two blocks of fuzz_base.h. `method` packs, and
 * is unpacked too; with `references` the block's content is taken for code.
 */
static int write_repacked(const char *folder, unsigned number, unsigned method, bool references)
{
	uint8_t packed[FUZZ_BASE_SIZE - FUZZ_PACKED_AT];
	size_t lengths[2], segment_len = 700;
	fuzz_base_packed(packed, lengths);
	uint64_t seen = FUZZ_BASE_SIZE;
	struct seed_streams s = { 0 };
	const uint64_t head[] = { 0, 3000, FUZZ_PACKED_LEN, 2, 1500, 2 };
	for (size_t i = 0; i < 6; i++) {
		seed_put(&s, DCD_STREAM_RECIPE, head[i]);
	}
	const uint64_t first[] = { lengths[0] << 3 | 6, FUZZ_PACKED_LEN, 0, FUZZ_PACKED_AT };
	const uint64_t second[] = { lengths[1] << 3 | 5, DCD_PACK_ZSTD, 0, (FUZZ_BASE_SIZE - FUZZ_PACKED_AT) / 2 - lengths[0] };
	for (size_t i = 0; i < 8; i++) {
		seed_put(&s, DCD_STREAM_RECIPE, i < 4 ? first[i] : second[i - 4]);
	}
	const uint64_t pieces[] = { 0, 100 << 2 | 3, method, method == DCD_PACK_ZSTD ? 3 : 9, FUZZ_PACKED_LEN };
	for (size_t i = 0; i < 5; i++) {
		seed_put(&s, DCD_STREAM_RECIPE, pieces[i]);
	}
	/* 100 bytes and 1,000 of the first block, the rest of the second, then plain bytes to the end. */
	uint64_t content = seen + (method == DCD_PACK_ZSTD ? FUZZ_PACKED_LEN : 0);
	/* How many plain bytes are left hangs on how well the block packs. */
	size_t left = segment_len - 100 - lengths[method == DCD_PACK_ZSTD] + (method == DCD_PACK_DEFLATE ? 6 : 0);
	const uint64_t control[] = { 3,
				     0,
				     0,
				     0,
				     100,
				     FUZZ_PACKED_LEN,
				     left,
				     0,
				     dcd_zigzag((int64_t)content - 100),
				     dcd_zigzag(-(int64_t)(content + FUZZ_PACKED_LEN)) };
	for (size_t i = 0; i < sizeof control / sizeof control[0]; i++) {
		seed_put(&s, DCD_STREAM_CONTROL, control[i]);
	}
	if (references) {
		seed_put(&s, DCD_STREAM_MAP, 1);
		seed_put(&s, DCD_STREAM_MAP, 1);
		seed_put(&s, DCD_STREAM_MAP, 2);
		seed_module(&s, DCD_REGION_X86_64, 0);
	}
	return write_streams(folder, "repacked", number, DCD_FILTER_REPACKED | (references ? DCD_FILTER_REFERENCES : 0), &s,
			     segment_len);
}

/*
 * 60 plain bytes, the first part of a block, 50 plain bytes, and the last part of the same one, which goes on behind the segment;
 * from the first block of fuzz_base.h, whose own compressed bytes are said to lie in two places. With `skip` the first part was
 * begun in the segment before.
 */
static int write_split(const char *folder, unsigned number, unsigned skip, bool tail_first)
{
	uint8_t packed[FUZZ_BASE_SIZE - FUZZ_PACKED_AT];
	size_t lengths[2];
	fuzz_base_packed(packed, lengths);
	size_t first = lengths[0] / 3, last = lengths[0] - first, span = skip == 0 ? 60 : 0;
	struct seed_streams s = { 0 };
	const uint64_t cuts[2][2] = { { tail_first ? first : 0, tail_first ? last : first },
				      { tail_first ? 0 : first, tail_first ? first : last } };
	const uint64_t recipe[] = { 0,
				    span + 50 + 2 * FUZZ_PACKED_LEN,
				    FUZZ_PACKED_LEN,
				    1,
				    1500,
				    2,
				    first << 3 | 6,
				    FUZZ_PACKED_LEN,
				    0,
				    FUZZ_PACKED_AT,
				    last << 3 | 1,
				    DCD_PACK_SPLIT,
				    FUZZ_PACKED_AT + first,
				    skip,
				    span << 2 | 3,
				    DCD_PACK_ZLIB | DCD_PACK_SPLIT,
				    9,
				    cuts[0][0],
				    cuts[0][1],
				    FUZZ_PACKED_LEN,
				    50 << 2 | 1,
				    DCD_PACK_ZLIB | DCD_PACK_SPLIT,
				    9,
				    cuts[1][0],
				    cuts[1][1] };
	for (size_t i = 0; i < sizeof recipe / sizeof recipe[0]; i++) {
		seed_put(&s, DCD_STREAM_RECIPE, recipe[i]);
	}
	const int64_t len = FUZZ_PACKED_LEN, seen = FUZZ_BASE_SIZE, end = (int64_t)span;
	const uint64_t control[] = { 4,
				     0,
				     0,
				     0,
				     0,
				     span > 0 ? span : 1,
				     span > 0 ? FUZZ_PACKED_LEN : FUZZ_PACKED_LEN - 1,
				     50,
				     FUZZ_PACKED_LEN,
				     span > 0 ? 0 : dcd_zigzag(seen),
				     span > 0 ? dcd_zigzag(seen - end) : 0,
				     dcd_zigzag(-seen - len),
				     dcd_zigzag(seen - 50) };
	for (size_t i = 0; i < sizeof control / sizeof control[0]; i++) {
		seed_put(&s, DCD_STREAM_CONTROL, control[i]);
	}
	return write_streams(folder, "split", number, DCD_FILTER_REPACKED, &s, span + 50 + lengths[0] - skip - 1);
}

/* How much of the base's begin, from `from` on, fills a cluster with these parameters; 0: that can't be. */
static size_t cluster_length(const uint8_t *base, size_t from, uint32_t params)
{
	struct dcd_packer packer = dcd_block_packer();
	size_t carried = DCD_PACK_CARRIED(DCD_PACK_EROFS, params),
	       size = dcd_packer_memory(DCD_PACK_EROFS, params, FUZZ_BASE_SIZE);
	uint8_t *memory = malloc(size), out[DCD_EROFS_UNIT];
	size_t len = FUZZ_PACKED_AT - from - carried, n;
	while (memory != NULL && len > 0 &&
	       packer.pack(DCD_PACK_EROFS, params, out, sizeof out, base + from, len + carried, memory, size, &n) != 0) {
		len--;
	}
	free(memory);
	return memory != NULL ? len : 0;
}

/* 100 plain bytes, then a cluster of erofs that runs on beyond the segment, with carried bytes behind it. */
static int write_cluster(const char *folder, unsigned number, uint32_t params)
{
	uint8_t base[FUZZ_PACKED_AT];
	fuzz_base_fill(0, base, sizeof base);
	struct seed_streams s = { 0 };
	size_t len = cluster_length(base, 100, params), carried = DCD_PACK_CARRIED(DCD_PACK_EROFS, params);
	const uint64_t recipe[] = { 0, 100 + len, len + carried, 1, 1500, 0, 0, 100 << 2 | 3, DCD_PACK_EROFS, params, len };
	for (size_t i = 0; i < sizeof recipe / sizeof recipe[0]; i++) {
		seed_put(&s, DCD_STREAM_RECIPE, recipe[i]);
	}
	memcpy(s.data[DCD_STREAM_RECIPE] + s.lens[DCD_STREAM_RECIPE], base + 100 + len, carried);
	s.lens[DCD_STREAM_RECIPE] += carried;
	const uint64_t control[] = { 1, 0, 100 + len, 0 };
	for (size_t i = 0; i < 4; i++) {
		seed_put(&s, DCD_STREAM_CONTROL, control[i]);
	}
	return len == 0 || write_streams(folder, "cluster", number, DCD_FILTER_REPACKED, &s, FUZZ_SEGMENT_SIZE);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	/* The base that fuzz_frame reads. */
	static uint8_t base[2 * SEG], image[2 * SEG + 100];
	fuzz_base_fill(0, base, sizeof base);
	memcpy(image + 40, base, SEG);
	for (size_t i = 0; i < SEG; i += 50) {
		image[i]++;
		image[SEG + i] = (uint8_t)("seed"[i % 4]);
	}
	const struct dcd_encode_options options = { .segment_size = SEG, .alg = &dcd_sha256 };
	struct fixture_payload p;
	int failed = write_references(argv[1]);
	failed |= write_repacked(argv[1], 0, DCD_PACK_ZLIB, false) || write_repacked(argv[1], 1, DCD_PACK_ZSTD, false);
	failed |= write_repacked(argv[1], 2, DCD_PACK_ZLIB, true) || write_repacked(argv[1], 3, DCD_PACK_DEFLATE, false);
	failed |= write_split(argv[1], 0, 0, false) || write_split(argv[1], 1, 7, false) || write_split(argv[1], 2, 0, true) ||
		  write_split(argv[1], 3, 7, true);
	failed |= write_cluster(argv[1], 0, 1) || write_cluster(argv[1], 1, 9 | 24 << DCD_EROFS_CARRIED_SHIFT) ||
		  write_cluster(argv[1], 2, 12 | DCD_EROFS_FOLLOWED);
	failed |=
		fixture_encode(base, sizeof base, image, sizeof image, &options, &p) != 0 || write_payload(argv[1], "delta", &p);
	failed |= fixture_encode(NULL, 0, image, sizeof image, &options, &p) != 0 || write_payload(argv[1], "full", &p);
	failed |= fixture_encode(base, sizeof base, base, sizeof base, &options, &p) != 0 || write_payload(argv[1], "same", &p);
	failed |= fixture_encode(NULL, 0, image, 0, &options, &p) != 0 || write_payload(argv[1], "empty", &p);
	return failed;
}
