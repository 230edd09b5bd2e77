/*
 * Writes vectors (vector_format.h) for bsdiff/apply on other processors: payloads of small images that the encoder makes here and
 * now, and the seeds of fuzz_frame with many broken variants of each. What comes out is what this machine's decoder makes of
 *them; for payloads, that is held against the image.
 *
 *	make_vectors FRAME-CORPUS VECTORS
 */
#include <dirent.h>
#include <stdio.h>

#include "base/le.h"
#include "base/varint.h"
#include "bsdiff/apply/refs.h"
#include "bsdiff/codec/deflate_pack.h"
#include "tests/freestanding/vector_format.h"
#include "tests/freestanding/vector_writer.h"
#include "tests/fuzz/fuzz_base.h"
#include "tests/unit/machine_fixture.h"
#include "tests/unit/payload_fixture.h"

#define VARIANTS 12
#define IMAGE_MAX (1U << 20)
#define FUZZ_WORKSPACE (2U << 20) /* beside what the format allows a frame without packing */

/* What the payloads' frames have made use of. */
static struct {
	bool kinds[4];
	bool filters[DCD_FILTER_END];
	bool codecs[2];
	bool regions[DCD_REGION_KINDS];
} seen;

static _Noreturn void die(const char *what, const char *name)
{
	fprintf(stderr, "make_vectors: %s: %s\n", name, what);
	exit(1);
}

/* The region kinds of a delta frame's MAP stream, decoded or not. */
static void regions_see(const uint8_t *map, size_t len, struct dcd_reader *base)
{
	static _Alignas(16) uint8_t memory[4U << 20];
	struct dcd_refs refs = { .base = base };
	if (dcd_refs_open(&refs, map, len, DCD_SEGMENT_SIZE_DEFAULT, memory, sizeof memory) != 0) {
		return; /* types behind unpacked blocks: not from this base alone */
	}
	for (size_t i = 0; i < refs.map.region_count; i++) {
		seen.regions[refs.map.regions[i].kind] = true;
	}
}

static void streams_see(const uint8_t *frame, size_t len, struct dcd_reader *base)
{
	size_t lengths[DCD_STREAM_COUNT + 1], pos = 1;
	if (dcd_frame_stream_lengths(frame, len, DCD_SEGMENT_SIZE_DEFAULT, lengths) != 0) {
		die("a frame's head isn't read", "streams");
	}
	size_t coded_at = lengths[DCD_STREAM_COUNT];
	for (unsigned left = frame[0]; left > 0; left--) {
		uint8_t id = frame[pos], codec = frame[pos + 1];
		uint64_t raw, coded;
		pos += 2;
		if (!dcd_varint_get(frame, len, &pos, &raw) || !dcd_varint_get(frame, len, &pos, &coded)) {
			die("a frame's head isn't read", "streams");
		}
		seen.codecs[codec & 1] = true;
		if (id == DCD_STREAM_MAP && codec == DCD_CODEC_STORED) {
			regions_see(frame + coded_at, (size_t)raw, base);
		} else if (id == DCD_STREAM_MAP) {
			struct dcd_decoder zstd = dcd_zstd_decoder();
			uint8_t *map = malloc(raw), *memory = aligned_alloc(16, (zstd.memory_size + 15) / 16 * 16);
			if (map == NULL || memory == NULL ||
			    zstd.decode(map, raw, frame + coded_at, coded, memory, zstd.memory_size) != 0) {
				die("a map isn't decoded", "streams");
			}
			regions_see(map, raw, base);
			free(map);
			free(memory);
		}
		coded_at += coded;
	}
}

static void frames_see(const struct fixture_payload *p, struct dcd_reader *base)
{
	struct dcd_payload payload;
	size_t at = (size_t)p->result.table_length;
	if (dcd_payload_open(p->data, at, &dcd_sha256, &payload) != 0) {
		die("its table isn't read", "payload");
	}
	for (uint32_t i = 0; i < payload.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&payload, i, &entry);
		seen.kinds[entry.kind] = true;
		seen.filters[entry.filter] = true;
		if (entry.kind == DCD_FRAME_DELTA) {
			streams_see(p->data + at, entry.frame_length, base);
		}
		at += entry.frame_length;
	}
}

/* Encodes with these options, applies while listening to the codecs, and writes the vector. */
static void payload_add(const char *name, const uint8_t *base, size_t base_len, const uint8_t *image, size_t len,
			uint32_t segment_size, int effort)
{
	const struct dcd_encode_options options = {
		.segment_size = segment_size, .effort = effort, .threads = 1, .alg = &dcd_sha256
	};
	struct fixture_payload p = { 0 };
	struct fixture_base reader;
	struct dcd_payload payload;
	fixture_base_open(&reader, base, base_len);
	if (fixture_encode(base, base_len, image, len, &options, &p) != 0 ||
	    dcd_payload_open(p.data, (size_t)p.result.table_length, &dcd_sha256, &payload) != 0) {
		die("it isn't encoded", name);
	}
	vector_write_base(base, base_len);
	const struct dcd_decoder zstd = vector_decoder();
	const struct dcd_packer packer = vector_packer();
	struct dcd_frame_tools tools = {
		.alg = &dcd_sha256, .zstd = &zstd, .base = base == NULL ? NULL : &reader.reader, .packer = &packer
	};
	size_t at = (size_t)p.result.table_length, size = dcd_frame_memory_size(&payload, &zstd);
	uint8_t *memory = aligned_alloc(16, size), *out = malloc(len);
	for (uint32_t i = 0; i < payload.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&payload, i, &entry);
		memcpy(memory, p.data + at, entry.frame_length);
		dcd_frame_share_memory(&tools, memory, size, entry.frame_length);
		if (dcd_frame_make_segment(&entry, memory, entry.frame_length, &tools, out + entry.segment_offset) != 0) {
			die("it isn't applied", name);
		}
		at += entry.frame_length;
	}
	if (memcmp(out, image, len) != 0) {
		die("it gives another image", name);
	}
	vector_write_payload(p.data, p.len, (size_t)p.result.table_length, image, len, zstd.memory_size);
	frames_see(&p, &reader.reader);
	free(memory);
	free(out);
	free(p.data);
}

/* A segment of each kind, full and delta frames with compressed streams. */
static void kinds_add(uint8_t *base, uint8_t *image)
{
	enum { SEG = 4096 };
	uint64_t seed = 11;
	fixture_fill(&seed, base, 8 * (size_t)SEG);
	memcpy(image, base, 8 * (size_t)SEG);
	memset(image, 0, SEG);
	fixture_fill(&seed, image + 3 * (size_t)SEG, SEG);
	for (size_t i = 0; i < SEG; i++) {
		image[4 * (size_t)SEG + i] = (uint8_t)("etaoin shrdlu"[fixture_random(&seed) % 13]);
	}
	for (size_t i = 2 * (size_t)SEG; i < 3 * (size_t)SEG; i += 3) {
		image[i] = (uint8_t)(image[i] + i % 5);
	}
	memmove(image + 5 * (size_t)SEG, image + 6 * (size_t)SEG + 100, SEG);
	payload_add("every kind of frame", base, 8 * (size_t)SEG, image, 7 * (size_t)SEG + 123, SEG, 6);
	payload_add("a full payload", NULL, 0, image, 7 * (size_t)SEG + 123, 4 * SEG, 3);
	payload_add("an empty image", base, 1, image, 0, SEG, 6);
}

static void machines_add(uint8_t *base, uint8_t *image)
{
	static const char *const names[MACHINE_COUNT] = { "x86-64", "AArch64", "A32", "T32", "RISC-V", "a kernel" };
	static const uint32_t sizes[] = { 16384, 65536, DCD_SEGMENT_SIZE_DEFAULT };
	for (unsigned machine = 0; machine < MACHINE_COUNT; machine++) {
		unsigned functions = machine == MACHINE_KERNEL ? MACHINE_KERNEL_FUNCTIONS : 500;
		size_t base_len = machine_program_make(base, (enum machine)machine, functions, 100, 0);
		size_t len = machine_program_make(image, (enum machine)machine, functions, 100, 32);
		for (size_t i = 0; i < 3; i++) {
			payload_add(names[machine], base, base_len, image, len, sizes[i], machine == 0 ? 9 : 6);
		}
	}
}

/* Texts in gzip members, some of them code. */
static void members_add(uint8_t *base, uint8_t *image, bool programs)
{
	static uint8_t text[MACHINE_PROGRAM_MAX];
	static const uint8_t head[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3 };
	uint8_t *memory = malloc(dcd_deflate_memory()), *images[2] = { base, image };
	size_t lens[2] = { 0, 0 };
	for (unsigned member = 0; member < 6; member++) {
		for (unsigned later = 0; later < 2; later++) {
			uint64_t seed = member + 1;
			size_t len = 9000, n;
			for (size_t i = 0; i < len; i++) {
				text[i] = (uint8_t)("etaoin shrdlu\n"[fixture_random(&seed) % 14]);
				text[i] = i > 700 && fixture_random(&seed) % 8 != 0
						  ? text[i - 1 - fixture_random(&seed) % 3 * 199]
						  : text[i];
			}
			if (programs && member % 3 == 2) {
				len = machine_program_make(text, (enum machine)(member / 3), 120, 30, later * 16);
			}
			text[member * 1000] ^= (uint8_t)later;
			memcpy(images[later] + lens[later], head, sizeof head);
			lens[later] += sizeof head;
			if (dcd_deflate_pack(member % 2 == 0 ? 9 | DCD_DEFLATE_GZIP : 6, images[later] + lens[later],
					     IMAGE_MAX - lens[later], text, len, memory, dcd_deflate_memory(), &n) != 0) {
				die("it isn't packed", "members");
			}
			lens[later] += n;
			dcd_le32_put(images[later] + lens[later], 0);
			dcd_le32_put(images[later] + lens[later] + 4, (uint32_t)len);
			lens[later] += 8;
		}
	}
	payload_add("gzip members, small segments", base, lens[0], image, lens[1], 16384, 6);
	payload_add("gzip members", base, lens[0], image, lens[1], DCD_SEGMENT_SIZE_DEFAULT, 6);
	free(memory);
}

/* A frame as fuzz_frame.c reads it from `data`. */
static int frame_add(const uint8_t *data, size_t size, struct dcd_reader *base)
{
	struct dcd_payload_entry entry = { .kind = (enum dcd_frame_kind)(data[0] & 3),
					   .filter = (enum dcd_filter)(data[0] >> 2 & 3) };
	entry.segment_length = 1 + dcd_le16_get(data + 1) % FUZZ_SEGMENT_SIZE;
	entry.segment_offset = (uint64_t)data[3] * FUZZ_SEGMENT_SIZE;
	entry.frame_length = (uint32_t)(size - 4);
	const struct dcd_decoder zstd = vector_decoder();
	const struct dcd_packer packer = vector_packer();
	size_t workspace_size = ((zstd.memory_size + 15) & ~(size_t)15) + DCD_SCRATCH_MAX(FUZZ_SEGMENT_SIZE) + FUZZ_WORKSPACE;
	static uint8_t out[FUZZ_SEGMENT_SIZE];
	void *workspace = malloc(workspace_size);
	const struct dcd_frame_tools tools = { &dcd_sha256, &zstd, base, workspace, workspace_size, &packer };
	int err = dcd_frame_decode(&entry, data + 4, size - 4, &tools, out);
	vector_write_frame(&entry, data + 4, (uint32_t)workspace_size, (uint32_t)zstd.memory_size, err, out);
	if (err == 0 && entry.kind == DCD_FRAME_DELTA) {
		streams_see(data + 4, size - 4, base);
	}
	free(workspace);
	return err;
}

/* One seed, and variants with a few bytes changed; how many of all decode. */
static unsigned seed_add(const uint8_t *data, size_t size, uint64_t *seed, struct dcd_reader *base)
{
	static uint8_t variant[65536];
	unsigned sound = frame_add(data, size, base) == 0;
	for (unsigned i = 0; i < VARIANTS; i++) {
		memcpy(variant, data, size);
		for (uint64_t changes = 1 + fixture_random(seed) % 3; changes > 0; changes--) {
			size_t at = 4 + fixture_random(seed) % (i % 2 == 0 ? size - 4 : 60 < size - 4 ? 60 : size - 4);
			variant[at] = (uint8_t)(i % 3 == 0 ? fixture_random(seed) >> 56 : variant[at] + 1U);
		}
		sound += frame_add(variant, size, base) == 0;
	}
	return sound;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void corpus_add(const char *folder)
{
	static uint8_t base[FUZZ_BASE_SIZE], data[65536];
	size_t lengths[2];
	fuzz_base_fill(0, base, sizeof base);
	fuzz_base_packed(base + FUZZ_PACKED_AT, lengths);
	struct fixture_base reader;
	fixture_base_open(&reader, base, sizeof base);
	struct dirent **names;
	int count = scandir(folder, &names, NULL, by_name);
	unsigned sound = 0;
	uint64_t seed = 4;
	vector_write_base(base, sizeof base);
	for (int i = 0; i < count; i++) {
		char path[4096];
		(void)snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
		FILE *file = names[i]->d_name[0] == '.' ? NULL : fopen(path, "rb");
		size_t size = file != NULL ? fread(data, 1, sizeof data, file) : 0;
		if (file != NULL) {
			fclose(file);
		}
		sound += size > 4 ? seed_add(data, size, &seed, &reader.reader) : 0;
		free(names[i]);
	}
	if (sound < 30) {
		die("hardly a frame decodes", folder);
	}
	free(names);
}

/* A vector that exercises nothing is none. */
static void coverage_check(void)
{
	static const char *const kinds[DCD_REGION_KINDS] = {
		"pointers", "x86-64", "AArch64", "unwind",          "records",        "jumps", "relative", "sequence",
		"BTF",      "A32",    "T32",     "32-bit pointers", "32-bit records", "EXIDX", "RISC-V"
	};
	for (size_t i = 0; i < DCD_REGION_KINDS; i++) {
		if (!seen.regions[i]) {
			die("no payload has a region of this kind", kinds[i]);
		}
	}
	for (size_t i = 0; i < 4; i++) {
		if (!seen.kinds[i]) {
			die("no payload has such a frame", i < 2 ? "zero or same" : "delta or full");
		}
		if (!seen.filters[i]) {
			die("no payload has a delta frame with these filters", i == 0   ? "none"
									       : i == 1 ? "references"
									       : i == 2 ? "repacked"
											: "both");
		}
	}
	if (!seen.codecs[DCD_CODEC_STORED] || !seen.codecs[DCD_CODEC_ZSTD]) {
		die("no payload has streams of both codecs", "streams");
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s FRAME-CORPUS VECTORS\n", argv[0]);
		return 2;
	}
	uint8_t *base = malloc(IMAGE_MAX), *image = malloc(IMAGE_MAX);
	vector_writer_open(argv[2]);
	kinds_add(base, image);
	machines_add(base, image);
	members_add(base, image, false);
	members_add(base, image, true);
	coverage_check();
	corpus_add(argv[1]);
	vector_writer_close();
	free(base);
	free(image);
	return 0;
}
