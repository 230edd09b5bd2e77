#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/le.h"
#include "base/varint.h"
#include "bsdiff/apply/image_id.h"
#include "bsdiff/apply/repack.h"
#include "bsdiff/codec/deflate_pack.h"
#include "bsdiff/codec/packer.h"
#include "tests/unit/payload_fixture.h"

#define SEG DCD_SEGMENT_SIZE_MIN
#define FILES_MAX 40
#define FILE_MAX 20000
#define IMAGE_MAX (FILES_MAX * (FILE_MAX + 600U))

/* A file in the images below, kept as a gzip member when `packed`. */
struct file {
	uint8_t *data;
	size_t len;
	uint32_t params; /* 0: not packed */
	size_t gap;      /* bytes of something else before it */
};

struct world {
	struct file files[FILES_MAX];
	size_t count;
	uint8_t *memory;
};

static void file_fill(uint64_t *seed, struct file *file)
{
	file->len = 1 + fixture_random(seed) % FILE_MAX;
	for (size_t i = 0; i < file->len; i++) {
		bool again = i > 600 && fixture_random(seed) % 8 != 0;
		file->data[i] = again ? file->data[i - 1 - fixture_random(seed) % 4 * 199]
				      : (uint8_t)("etaoin shrdlu"[fixture_random(seed) % 13]);
	}
}

static void world_make(uint64_t *seed, struct world *world)
{
	static const uint32_t params[] = { 9 | DCD_DEFLATE_GZIP, 9, 6, 9 | DCD_DEFLATE_GZIP };
	world->count = 2 + fixture_random(seed) % (FILES_MAX - 2);
	for (size_t i = 0; i < world->count; i++) {
		struct file *file = &world->files[i];
		file_fill(seed, file);
		file->params = fixture_random(seed) % 4 != 0 ? params[fixture_random(seed) % 4] : 0;
		file->gap = fixture_random(seed) % 500;
	}
}

/* A new release: some files edited, some replaced, some moved. */
static void world_edit(uint64_t *seed, struct world *world)
{
	for (size_t i = 0; i < world->count; i++) {
		struct file *file = &world->files[i];
		switch (fixture_random(seed) % 4) {
		case 0:
			for (unsigned n = 1 + (unsigned)(fixture_random(seed) % 5); n > 0; n--) {
				file->data[fixture_random(seed) % file->len] ^= 1;
			}
			break;
		case 1: {
			size_t cut = fixture_random(seed) % file->len, more = fixture_random(seed) % 100;
			more = more < FILE_MAX - file->len ? more : FILE_MAX - file->len;
			memmove(file->data + cut + more, file->data + cut, file->len - cut);
			memset(file->data + cut, 'x', more);
			file->len += more;
			break;
		}
		case 2:
			if (fixture_random(seed) % 8 == 0) {
				file_fill(seed, file);
			}
			break;
		default: {
			size_t other = fixture_random(seed) % world->count;
			struct file moved = world->files[other];
			world->files[other] = *file;
			*file = moved;
		}
		}
	}
}

static size_t world_write(const struct world *world, uint8_t *out)
{
	size_t at = 0;
	for (size_t i = 0; i < world->count; i++) {
		const struct file *file = &world->files[i];
		memset(out + at, 0xa5, file->gap);
		at += file->gap;
		if (file->params == 0) {
			memcpy(out + at, file->data, file->len);
			at += file->len;
			continue;
		}
		static const uint8_t head[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3 };
		size_t n;
		memcpy(out + at, head, sizeof head);
		at += sizeof head;
		assert_int_equal(dcd_deflate_pack(file->params, out + at, IMAGE_MAX - at, file->data, file->len, world->memory,
						  dcd_deflate_memory(), &n),
				 0);
		at += n;
		dcd_le32_put(out + at, 0); /* nobody looks at the checksum */
		dcd_le32_put(out + at + 4, (uint32_t)file->len);
		at += 8;
	}
	return at;
}

static int world_take(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	if (world == NULL || (world->memory = malloc(dcd_deflate_memory())) == NULL) {
		return -1;
	}
	for (size_t i = 0; i < FILES_MAX; i++) {
		if ((world->files[i].data = malloc(FILE_MAX)) == NULL) {
			return -1;
		}
	}
	*state = world;
	return 0;
}

static int world_drop(void **state)
{
	struct world *world = *state;
	for (size_t i = 0; i < FILES_MAX; i++) {
		free(world->files[i].data);
	}
	free(world->memory);
	free(world);
	return 0;
}

struct pair {
	uint8_t *base;
	size_t base_len;
	uint8_t *image;
	size_t image_len;
	struct fixture_payload payload;
	struct dcd_payload view;
};

static void pair_make(uint64_t *seed, struct world *world, const struct dcd_encode_options *options, struct pair *ret)
{
	world_make(seed, world);
	ret->base = malloc(IMAGE_MAX);
	ret->base_len = world_write(world, ret->base);
	world_edit(seed, world);
	ret->image = malloc(IMAGE_MAX);
	ret->image_len = world_write(world, ret->image);
	assert_int_equal(fixture_encode(ret->base, ret->base_len, ret->image, ret->image_len, options, &ret->payload), 0);
	assert_int_equal(dcd_payload_open(ret->payload.data, (size_t)ret->payload.result.table_length, &dcd_sha256, &ret->view),
			 0);
}

static void pair_drop(struct pair *pair)
{
	free(pair->base);
	free(pair->image);
	free(pair->payload.data);
}

static void every_payload_of_packed_files_gives_the_exact_image(void **state)
{
	static const uint32_t sizes[] = { SEG, 4 * SEG, 64 * SEG };
	uint64_t seed = 5;
	size_t repacked = 0, plain_bytes = 0, bytes = 0;
	for (int round = 0; round < 40; round++) {
		struct dcd_encode_options options = { .segment_size = sizes[round % 3],
						      .effort = 1 + round % 9,
						      .threads = 1 + round % 3,
						      .alg = &dcd_sha256,
						      .pack_memory = round % 4 == 0 ? 700U << 10 : 0 };
		struct pair pair;
		pair_make(&seed, *state, &options, &pair);
		repacked += pair.view.features != 0;
		uint64_t beside = (uint64_t)pair.view.max_frame + pair.view.max_scratch;
		assert_true(pair.view.pack_memory <= 1 ||
			    beside + pair.view.pack_memory <= (options.pack_memory != 0 ? options.pack_memory : 3U << 20));
		uint8_t *out = malloc(pair.image_len);
		struct fixture_base base;
		fixture_base_open(&base, pair.base, pair.base_len);
		assert_int_equal(fixture_apply(&pair.payload, &base.reader, out), 0);
		assert_memory_equal(out, pair.image, pair.image_len);
		bytes += pair.payload.len;
		struct fixture_payload plain;
		options.keep_packed = true;
		assert_int_equal(fixture_encode(pair.base, pair.base_len, pair.image, pair.image_len, &options, &plain), 0);
		assert_int_equal(dcd_le32_get(plain.data + DCD_HEADER_FEATURES), 0);
		plain_bytes += plain.len;
		free(plain.data);
		free(out);
		pair_drop(&pair);
	}
	assert_true(repacked > 30);
	assert_true(bytes < plain_bytes / 2);
}

static void the_number_of_threads_does_not_change_a_repacked_payload(void **state)
{
	uint64_t seed = 21, again = 21;
	struct dcd_encode_options one = { .segment_size = SEG, .threads = 1, .alg = &dcd_sha256 };
	struct dcd_encode_options four = { .segment_size = SEG, .threads = 4, .alg = &dcd_sha256 };
	struct pair a, b;
	pair_make(&seed, *state, &one, &a);
	pair_make(&again, *state, &four, &b);
	assert_int_equal(a.payload.len, b.payload.len);
	assert_memory_equal(a.payload.data, b.payload.data, a.payload.len);
	pair_drop(&a);
	pair_drop(&b);
}

/* Frame `index` of a pair, decoded by tight buffers from a base that may be another; with `packer` null, by a device without. */
static int frame_decode(const struct pair *pair, uint32_t index, const uint8_t *frame, const uint8_t *base, size_t base_len,
			const struct dcd_packer *packer)
{
	struct dcd_payload_entry entry;
	dcd_payload_entry(&pair->view, index, &entry);
	struct dcd_decoder zstd = dcd_zstd_decoder();
	size_t workspace_size = dcd_frame_memory_size(&pair->view, &zstd) - (entry.frame_length + (size_t)15) / 16 * 16;
	void *workspace = malloc(workspace_size);
	uint8_t *out = malloc(entry.segment_length), *copy = malloc(entry.frame_length);
	memcpy(copy, frame, entry.frame_length);
	struct fixture_base reader;
	fixture_base_open(&reader, base, base_len);
	const struct dcd_frame_tools tools = { &dcd_sha256, &zstd, &reader.reader, workspace, workspace_size, packer };
	int err = dcd_frame_decode(&entry, copy, entry.frame_length, &tools, out);
	struct dcd_hash hash;
	dcd_segment_hash(&dcd_sha256, out, err == 0 ? entry.segment_length : 0, &hash);
	err = err == 0 && !dcd_hash_equal(&hash, &entry.segment_hash) ? DCD_ERR_WRONG_BASE : err;
	free(copy);
	free(out);
	free(workspace);
	return err;
}

static void a_damaged_base_is_a_wrong_base_whatever_comes_out(void **state)
{
	uint64_t seed = 31;
	struct dcd_encode_options options = { .segment_size = 4 * SEG, .alg = &dcd_sha256 };
	struct dcd_packer packer = dcd_block_packer();
	for (int round = 0; round < 6; round++) {
		struct pair pair;
		pair_make(&seed, *state, &options, &pair);
		for (int damage = 0; damage < 30; damage++) {
			size_t at = (size_t)pair.payload.result.table_length;
			pair.base[fixture_random(&seed) % pair.base_len] ^= (uint8_t)(1 + fixture_random(&seed) % 255);
			for (uint32_t i = 0; i < pair.view.segment_count; i++) {
				struct dcd_payload_entry entry;
				dcd_payload_entry(&pair.view, i, &entry);
				if ((entry.filter & DCD_FILTER_REPACKED) != 0) {
					int err =
						frame_decode(&pair, i, pair.payload.data + at, pair.base, pair.base_len, &packer);
					assert_true(err == 0 || err == DCD_ERR_WRONG_BASE);
				}
				at += entry.frame_length;
			}
		}
		pair_drop(&pair);
	}
}

static void a_forged_frame_reads_and_writes_in_bounds(void **state)
{
	uint64_t seed = 41;
	struct dcd_encode_options options = { .segment_size = 4 * SEG, .effort = 1, .alg = &dcd_sha256 };
	struct dcd_packer packer = dcd_block_packer();
	for (int round = 0; round < 6; round++) {
		struct pair pair;
		pair_make(&seed, *state, &options, &pair);
		size_t at = (size_t)pair.payload.result.table_length;
		for (uint32_t i = 0; i < pair.view.segment_count; i++) {
			struct dcd_payload_entry entry;
			dcd_payload_entry(&pair.view, i, &entry);
			uint8_t *frame = malloc(entry.frame_length + (size_t)1);
			for (int forged = 0; forged < 60 && (entry.filter & DCD_FILTER_REPACKED) != 0; forged++) {
				memcpy(frame, pair.payload.data + at, entry.frame_length);
				for (unsigned n = 1 + (unsigned)(fixture_random(&seed) % 4); n > 0; n--) {
					frame[fixture_random(&seed) % entry.frame_length] ^=
						(uint8_t)(1 + fixture_random(&seed) % 255);
				}
				(void)!frame_decode(&pair, i, frame, pair.base, pair.base_len, &packer);
			}
			free(frame);
			at += entry.frame_length;
		}
		pair_drop(&pair);
	}
}

static void without_a_packer_a_repacked_frame_is_unsupported(void **state)
{
	uint64_t seed = 51;
	struct dcd_encode_options options = { .segment_size = 4 * SEG, .alg = &dcd_sha256 };
	struct dcd_packer lame = dcd_block_packer();
	lame.features = 0;
	struct pair pair;
	pair_make(&seed, *state, &options, &pair);
	assert_int_not_equal(pair.view.features, 0);
	size_t at = (size_t)pair.payload.result.table_length, seen = 0;
	for (uint32_t i = 0; i < pair.view.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&pair.view, i, &entry);
		if ((entry.filter & DCD_FILTER_REPACKED) != 0) {
			const uint8_t *frame = pair.payload.data + at;
			assert_int_equal(frame_decode(&pair, i, frame, pair.base, pair.base_len, NULL), DCD_ERR_UNSUPPORTED);
			seen += frame_decode(&pair, i, frame, pair.base, pair.base_len, &lame) == DCD_ERR_UNSUPPORTED;
		}
		at += entry.frame_length;
	}
	assert_true(seen > 0);
	pair_drop(&pair);
}

/* A base beyond what is searched by suffix array alone, so that what was matched of flat segments is kept. */
static void a_segment_that_would_ask_for_too_much_is_a_delta_with_its_blocks_packed(void **state)
{
	enum { PLAIN = 5 << 18, SIZE = PLAIN + IMAGE_MAX };
	struct dcd_encode_options options = {
		.segment_size = 64 * SEG, .effort = 1, .alg = &dcd_sha256, .pack_memory = 640U << 10
	};
	uint64_t seed = 77;
	uint8_t *base = malloc(SIZE), *image = malloc(SIZE), *out = malloc(SIZE);
	for (size_t i = 0; i < PLAIN; i++) {
		base[i] = (uint8_t)(fixture_random(&seed) >> 40);
	}
	struct world *world = *state;
	world_make(&seed, world);
	for (world->count = 0; world->count < FILES_MAX; world->count++) {
		file_fill(&seed, &world->files[world->count]);
		world->files[world->count].params = 9;
	}
	size_t base_len = PLAIN + world_write(world, base + PLAIN);
	memcpy(image, base, PLAIN);
	for (size_t i = 0; i < FILES_MAX; i++) {
		world->files[i].data[0] ^= 1;
		if (i % 4 == 3) {
			file_fill(&seed, &world->files[i]);
		}
	}
	size_t image_len = PLAIN + world_write(world, image + PLAIN), packed = 0;
	struct fixture_payload payload;
	assert_int_equal(fixture_encode(base, base_len, image, image_len, &options, &payload), 0);
	struct dcd_payload view;
	assert_int_equal(dcd_payload_open(payload.data, (size_t)payload.result.table_length, &dcd_sha256, &view), 0);
	for (uint32_t i = PLAIN / options.segment_size; i < view.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&view, i, &entry);
		packed += entry.kind == DCD_FRAME_DELTA && entry.filter == DCD_FILTER_NONE;
	}
	assert_true(packed > 0);
	struct fixture_base reader;
	fixture_base_open(&reader, base, base_len);
	assert_int_equal(fixture_apply(&payload, &reader.reader, out), 0);
	assert_memory_equal(out, image, image_len);
	free(payload.data);
	free(base);
	free(image);
	free(out);
}

/* A packer that looks at what it is given: 100 bytes, and behind them the recipe's. */
static int carried_pack(enum dcd_pack_method method, uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src,
			size_t src_len, void *memory, size_t memory_size, size_t *ret_len)
{
	(void)params;
	(void)memory;
	(void)memory_size;
	assert_int_equal(method, DCD_PACK_EROFS);
	assert_int_equal(src_len, 108);
	for (size_t i = 0; i < src_len; i++) {
		assert_int_equal(src[i], i < 100 ? 'b' : 'c');
	}
	assert_true(capacity >= 64);
	memset(dst, 'p', 64);
	*ret_len = 64;
	return 0;
}

/* The first room of a recipe with one block of 100 bytes that is packed with 8 more, `given` of which are there. */
static int carried_room(uint64_t longest, size_t given)
{
	const struct dcd_packer packer = { .pack = carried_pack, .features = DCD_FEATURE_PACK(DCD_PACK_EROFS) };
	struct fixture_base base;
	const struct dcd_frame_tools tools = { .packer = &packer, .base = &base.reader };
	const uint64_t values[] = { 0, 100, longest, 1, 300, 0, 0, 3, DCD_PACK_EROFS, 9 | 8 << DCD_EROFS_CARRIED_SHIFT, 100 };
	uint8_t recipe[64] = { 0 }, out[64], *at;
	size_t len = 0, room, size = (size_t)dcd_repack_memory(0, 1, longest, 300) + 16;
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		len += dcd_varint_put(recipe + len, values[i]);
	}
	memset(recipe + len, 'c', given);
	fixture_base_open(&base, out, sizeof out);
	uint8_t *tight = malloc(len + given), *memory = malloc(size), *left = memory;
	memcpy(tight, recipe, len + given);
	struct dcd_repack r;
	assert_int_equal(dcd_repack_open(&r, tight, len + given, &tools, out, sizeof out, &left, &size), 0);
	int err = dcd_repack_room(&r, &at, &room);
	if (err == 0) {
		assert_int_equal(room, 100);
		memset(at, 'b', room);
		assert_int_equal(dcd_repack_advance(&r, room), 0);
		assert_int_equal(out[63], 'p');
	}
	free(tight);
	free(memory);
	return err;
}

static void carried_bytes_are_the_recipes_and_fit_within_the_longest_block(void **state)
{
	(void)state;
	assert_int_equal(carried_room(108, 8), 0);
	assert_int_equal(carried_room(108, 7), DCD_ERR_MALFORMED);
	assert_int_equal(carried_room(107, 8), DCD_ERR_MALFORMED);
	assert_int_equal(carried_room(5000, 0), DCD_ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_payload_of_packed_files_gives_the_exact_image),
		cmocka_unit_test(the_number_of_threads_does_not_change_a_repacked_payload),
		cmocka_unit_test(a_damaged_base_is_a_wrong_base_whatever_comes_out),
		cmocka_unit_test(a_forged_frame_reads_and_writes_in_bounds),
		cmocka_unit_test(a_segment_that_would_ask_for_too_much_is_a_delta_with_its_blocks_packed),
		cmocka_unit_test(carried_bytes_are_the_recipes_and_fit_within_the_longest_block),
		cmocka_unit_test(without_a_packer_a_repacked_frame_is_unsupported),
	};
	return cmocka_run_group_tests(tests, world_take, world_drop);
}
