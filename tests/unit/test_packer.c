#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lz4.h>
#include <lz4hc.h>
#include <zlib.h>
#include <zstd.h>

#include "bsdiff/codec/deflate_pack.h"
#include "bsdiff/codec/packer.h"
#include "tests/unit/payload_fixture.h"

#define TEXT_MAX (300U << 10)

struct bench {
	uint8_t text[TEXT_MAX];
	uint8_t ours[TEXT_MAX + 4096];
	uint8_t theirs[TEXT_MAX + 4096];
	uint8_t back[TEXT_MAX];
	_Alignas(16) uint8_t memory[6U << 20];
};

static int bench_take(void **state)
{
	*state = calloc(1, sizeof(struct bench));
	return *state == NULL;
}

static int bench_drop(void **state)
{
	free(*state);
	return 0;
}

/* Texts of all sorts: words that come back at all distances, numbers, noise, one byte again and again. */
static size_t make_text(uint64_t *seed, uint8_t *text, size_t max)
{
	size_t len = fixture_random(seed) % max, at = 0;
	while (at < len) {
		size_t n = 1 + fixture_random(seed) % 400, back = 1 + fixture_random(seed) % 40000;
		n = n < len - at ? n : len - at;
		switch (fixture_random(seed) % 8) {
		case 0:
			fixture_fill(seed, text + at, n);
			break;
		case 1:
			memset(text + at, (int)(fixture_random(seed) % 256), n);
			break;
		case 2:
		case 3:
			for (size_t i = 0; i < n; i++) {
				text[at + i] = (uint8_t)("etaoin shrdlu,.\n0123"[fixture_random(seed) % 20]);
			}
			break;
		default:
			for (size_t i = 0; i < n; i++) {
				text[at + i] = at + i >= back ? text[at + i - back] : (uint8_t)i;
			}
		}
		at += n;
	}
	return len;
}

static size_t zlib_deflate(int level, int memory_level, const uint8_t *src, size_t len, uint8_t *dst, size_t capacity)
{
	z_stream z = { 0 };
	assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, -MAX_WBITS, memory_level, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)src;
	z.avail_in = (uInt)len;
	z.next_out = dst;
	z.avail_out = (uInt)capacity;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t ret = capacity - z.avail_out;
	deflateEnd(&z);
	return ret;
}

static void deflate_packs_as_zlib_does_at_every_level(void **state)
{
	struct bench *b = *state;
	uint64_t seed = 7;
	for (int round = 0; round < 40; round++) {
		size_t len = make_text(&seed, b->text, round % 8 == 0 ? TEXT_MAX : 20000);
		for (uint32_t level = 1; level <= 9; level++) {
			bool large = (round & 1) != 0;
			size_t theirs = zlib_deflate((int)level, large ? 9 : 8, b->text, len, b->theirs, sizeof b->theirs), ours;
			assert_int_equal(dcd_deflate_pack(level | (large ? DCD_DEFLATE_MEMORY_9 : 0), b->ours, sizeof b->ours,
							  b->text, len, b->memory, sizeof b->memory, &ours),
					 0);
			assert_int_equal(ours, theirs);
			assert_memory_equal(b->ours, b->theirs, ours);
		}
	}
}

/* What makes file systems calls ZSTD_compressCCtx(), on a processor with vectors. */
static void zstd_packs_as_its_library_does_for_others_at_every_level(void **state)
{
#if defined(__SSE2__) || defined(__ARM_NEON)
	struct bench *b = *state;
	struct dcd_packer packer = dcd_block_packer();
	static const size_t sizes[] = { 16384, 65536, 131072, 300000 };
	uint64_t seed = 8;
	for (int round = 0; round < 12; round++) {
		size_t len = 1 + make_text(&seed, b->text, sizes[round % 4]), ours;
		for (int level = 1; level <= 22; level++) {
			size_t memory = dcd_packer_memory(DCD_PACK_ZSTD, (uint32_t)level, len);
			uint8_t *room = malloc(memory);
			ZSTD_CCtx *context = ZSTD_createCCtx();
			size_t theirs = ZSTD_compressCCtx(context, b->theirs, sizeof b->theirs, b->text, len, level);
			assert_int_equal(packer.pack(DCD_PACK_ZSTD, (uint32_t)level, b->ours, sizeof b->ours, b->text, len, room,
						     memory, &ours),
					 0);
			assert_int_equal(ours, theirs);
			assert_memory_equal(b->ours, b->theirs, ours);
			ZSTD_freeCCtx(context);
			free(room);
		}
	}
#else
	(void)state;
	skip();
#endif
}

static void every_method_gives_back_what_it_packed(void **state)
{
	static const struct {
		enum dcd_pack_method method;
		uint32_t params;
	} cases[] = {
		{ DCD_PACK_ZLIB, 9 },
		{ DCD_PACK_ZLIB, 1 },
		{ DCD_PACK_DEFLATE, 9 | DCD_DEFLATE_GZIP },
		{ DCD_PACK_DEFLATE, 6 | DCD_DEFLATE_GZIP },
		{ DCD_PACK_ZSTD, 3 },
		{ DCD_PACK_ZSTD, 15 },
		{ DCD_PACK_XZ, 6 | 17U << 8 },
		{ DCD_PACK_LZ4, 1 },
		{ DCD_PACK_LZ4, 9 },
		{ DCD_PACK_LZ4, 12 },
	};
	struct bench *b = *state;
	struct dcd_packer packer = dcd_block_packer();
	uint64_t seed = 9;
	for (int round = 0; round < 60; round++) {
		size_t i = (size_t)round % (sizeof cases / sizeof cases[0]), n, len2, coded;
		size_t len = 1 + make_text(&seed, b->text, 131072);
		size_t memory = dcd_packer_memory(cases[i].method, cases[i].params, len);
		assert_true(memory <= sizeof b->memory);
		assert_int_equal(packer.pack(cases[i].method, cases[i].params, b->ours, sizeof b->ours, b->text, len, b->memory,
					     memory, &n),
				 0);
		assert_int_equal(packer.unpack(cases[i].method, b->back, len, b->ours, n, b->memory, memory), 0);
		assert_memory_equal(b->back, b->text, len);
		assert_int_equal(dcd_packer_measure(cases[i].method, b->back, sizeof b->back, b->ours,
						    n + (cases[i].method == DCD_PACK_LZ4 ? 0 : 8), &len2, &coded),
				 0);
		assert_int_equal(len2, len);
		assert_int_equal(coded, n);
		assert_int_equal(packer.unpack(cases[i].method, b->back, len + 1, b->ours, n, b->memory, memory),
				 DCD_ERR_MALFORMED);
		assert_int_equal(packer.unpack(cases[i].method, b->back, len, b->ours, n - 1, b->memory, memory),
				 DCD_ERR_MALFORMED);
	}
}

/* Which parameters give the cluster that mkfs.erofs made of text[0..len), of which it took `taken`. 0: none do. */
static uint32_t cluster_params(struct bench *b, uint32_t level, size_t len, size_t taken, size_t coded)
{
	struct dcd_packer packer = dcd_block_packer();
	static const uint32_t behind[] = { 0, DCD_EROFS_FOLLOWED, 16U << DCD_EROFS_CARRIED_SHIFT,
					   64U << DCD_EROFS_CARRIED_SHIFT };
	for (size_t i = 0; i < sizeof behind / sizeof behind[0]; i++) {
		uint32_t params = level | behind[i];
		size_t all = taken + DCD_PACK_CARRIED(DCD_PACK_EROFS, params), n;
		size_t memory = dcd_packer_memory(DCD_PACK_EROFS, params, taken);
		assert_true(memory <= sizeof b->memory);
		if (all > len ||
		    packer.pack(DCD_PACK_EROFS, params, b->ours, sizeof b->ours, b->text, all, b->memory, memory, &n) != 0) {
			continue;
		}
		assert_int_equal(n, DCD_EROFS_UNIT);
		if (memcmp(b->ours + n - coded, b->theirs, coded) == 0) {
			for (size_t k = 0; k < n - coded; k++) {
				assert_int_equal(b->ours[k], 0);
			}
			assert_int_equal(packer.unpack(DCD_PACK_EROFS, b->back, taken, b->ours, n, b->memory, memory), 0);
			assert_memory_equal(b->back, b->text, taken);
			return params;
		}
	}
	return 0;
}

static void a_cluster_of_erofs_comes_out_as_if_its_file_went_on(void **state)
{
	struct bench *b = *state;
	static const uint32_t levels[] = { 1, 9, 12 };
	uint64_t seed = 10;
	for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
		unsigned found = 0, followed = 0, rounds = 60;
		for (unsigned round = 0; round < rounds; round++) {
			size_t len = 20000 + make_text(&seed, b->text, round % 2 == 0 ? 40000 : 280000);
			int taken = (int)len, coded;
			/* Text that doesn't fill a cluster, so that there is something behind it. */
			fixture_fill(&seed, b->text, 3000 * (round % 4 == 0));
			if (levels[i] == 1) {
				coded = LZ4_compress_destSize((char *)b->text, (char *)b->theirs, &taken, DCD_EROFS_UNIT);
			} else {
				coded = LZ4_compress_HC_destSize(b->memory, (char *)b->text, (char *)b->theirs, &taken,
								 DCD_EROFS_UNIT, (int)levels[i]);
			}
			assert_true(coded > 0);
			uint32_t params = cluster_params(b, levels[i], len, (size_t)taken, (size_t)coded);
			found += params != 0;
			followed += (params & DCD_EROFS_FOLLOWED) != 0;
		}
		assert_true(found > rounds * 9 / 10);
		/* The fast compressor has other tables from 64 KiB on. */
		assert_true(levels[i] != 1 || (found == rounds && followed > rounds / 4));
	}
}

static void a_cluster_that_its_content_does_not_fill_alone_is_refused(void **state)
{
	struct bench *b = *state;
	struct dcd_packer packer = dcd_block_packer();
	uint64_t seed = 12;
	size_t n;
	fixture_fill(&seed, b->text, 8000);
	/* Noise: more than goes in, also into two units; nothing but what is carried; a cluster longer than the room. */
	assert_int_equal(packer.pack(DCD_PACK_EROFS, 9, b->ours, 4096, b->text, 4200, b->memory, sizeof b->memory, &n),
			 DCD_ERR_SIZE);
	assert_int_equal(packer.pack(DCD_PACK_EROFS, 9 | 1U << DCD_EROFS_UNITS_SHIFT, b->ours, 8192, b->text, 8000, b->memory,
				     sizeof b->memory, &n),
			 0);
	assert_int_equal(n, 8192);
	assert_int_equal(packer.pack(DCD_PACK_EROFS, 9 | 64U << DCD_EROFS_CARRIED_SHIFT, b->ours, 4096, b->text, 64, b->memory,
				     sizeof b->memory, &n),
			 DCD_ERR_SIZE);
	assert_int_equal(packer.pack(DCD_PACK_EROFS, 9, b->ours, 4095, b->text, 100, b->memory, sizeof b->memory, &n),
			 DCD_ERR_SIZE);
	for (uint32_t params = 9; params <= (9 | DCD_EROFS_FOLLOWED); params += DCD_EROFS_FOLLOWED) {
		size_t memory = dcd_packer_memory(DCD_PACK_EROFS, params, 100);
		assert_int_equal(packer.pack(DCD_PACK_EROFS, params, b->ours, 4096, b->text, 100, b->memory, memory - 1, &n),
				 DCD_ERR_NO_MEMORY);
	}
}

static void what_does_not_fit_is_refused_without_a_byte_too_many(void **state)
{
	struct bench *b = *state;
	struct dcd_packer packer = dcd_block_packer();
	uint64_t seed = 11;
	for (int round = 0; round < 60; round++) {
		const enum dcd_pack_method methods[] = { DCD_PACK_ZLIB, DCD_PACK_DEFLATE, DCD_PACK_ZSTD };
		size_t len = 100 + make_text(&seed, b->text, 5000), n;
		fixture_fill(&seed, b->text, 100); /* it takes a hundred bytes at least */
		size_t capacity = fixture_random(&seed) % 100;
		uint8_t *tight = malloc(capacity + 1);
		assert_int_equal(
			packer.pack(methods[round % 3], 6, tight, capacity, b->text, len, b->memory, sizeof b->memory, &n),
			DCD_ERR_SIZE);
		free(tight);
	}
}

static void hostile_blocks_are_refused_in_bounds(void **state)
{
	struct bench *b = *state;
	struct dcd_packer packer = dcd_block_packer();
	uint64_t seed = 13;
	for (int round = 0; round < 1500; round++) {
		const enum dcd_pack_method methods[] = { DCD_PACK_ZLIB, DCD_PACK_DEFLATE, DCD_PACK_ZSTD,
							 DCD_PACK_XZ,   DCD_PACK_LZ4,     DCD_PACK_EROFS };
		enum dcd_pack_method method = methods[round % 6];
		uint32_t params = method == DCD_PACK_XZ ? 6 | 13U << 8 : 6;
		size_t len = 1 + make_text(&seed, b->text, 3000), n;
		assert_int_equal(
			packer.pack(method, params, b->ours, sizeof b->ours, b->text, len, b->memory, sizeof b->memory, &n), 0);
		for (unsigned edits = 1 + (unsigned)(fixture_random(&seed) % 4); edits > 0; edits--) {
			b->ours[fixture_random(&seed) % n] ^= (uint8_t)(1U << fixture_random(&seed) % 8);
		}
		/* Tight copies, so that a sanitizer sees a byte too many. */
		uint8_t *in = malloc(n), *out = malloc(len);
		memcpy(in, b->ours, n);
		(void)!packer.unpack(method, out, len, in, n, b->memory, dcd_packer_memory(method, 0, len));
		free(in);
		free(out);
	}
}

static void parameters_that_do_not_exist_are_unsupported(void **state)
{
	struct bench *b = *state;
	struct dcd_packer packer = dcd_block_packer();
	const struct {
		enum dcd_pack_method method;
		uint32_t params;
	} cases[] = { { DCD_PACK_ZLIB, 0 },
		      { DCD_PACK_ZLIB, 10 },
		      { DCD_PACK_ZLIB, 64 | 9 },
		      { DCD_PACK_DEFLATE, UINT32_MAX },
		      { DCD_PACK_ZSTD, 0 },
		      { DCD_PACK_ZSTD, 23 },
		      { DCD_PACK_ZSTD, UINT32_MAX },
		      { DCD_PACK_XZ, 6 },
		      { DCD_PACK_XZ, 10 | 17U << 8 },
		      { DCD_PACK_METHODS, 1 },
		      { DCD_PACK_LZ4, 0 },
		      { DCD_PACK_LZ4, 13 },
		      { DCD_PACK_EROFS, 0 },
		      { DCD_PACK_EROFS, DCD_EROFS_FOLLOWED },
		      { DCD_PACK_EROFS, 13 },
		      { DCD_PACK_EROFS, 9 | 32 },
		      { DCD_PACK_EROFS, 9 | 256U << DCD_EROFS_UNITS_SHIFT } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t n;
		assert_int_equal(
			packer.pack(cases[i].method, cases[i].params, b->ours, 100, b->text, 10, b->memory, sizeof b->memory, &n),
			DCD_ERR_UNSUPPORTED);
	}
}

static void the_mark_is_of_what_depends_on_a_library_alone(void **state)
{
	(void)state;
	struct dcd_packer packer = dcd_block_packer();
	assert_int_equal(packer.mark(0), 0);
	assert_int_equal(packer.mark(DCD_FEATURES_EXACT), 0);
	uint32_t mark = packer.mark(DCD_FEATURE_PACK(DCD_PACK_ZSTD));
	assert_int_not_equal(mark, 0);
	assert_int_equal(packer.mark(DCD_FEATURE_PACK(DCD_PACK_ZSTD) | DCD_FEATURES_EXACT), mark);
	uint32_t erofs = packer.mark(DCD_FEATURE_PACK(DCD_PACK_EROFS));
	assert_int_not_equal(erofs, 0);
	assert_int_not_equal(erofs, packer.mark(DCD_FEATURE_PACK(DCD_PACK_LZ4)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deflate_packs_as_zlib_does_at_every_level),
		cmocka_unit_test(zstd_packs_as_its_library_does_for_others_at_every_level),
		cmocka_unit_test(every_method_gives_back_what_it_packed),
		cmocka_unit_test(a_cluster_of_erofs_comes_out_as_if_its_file_went_on),
		cmocka_unit_test(a_cluster_that_its_content_does_not_fill_alone_is_refused),
		cmocka_unit_test(what_does_not_fit_is_refused_without_a_byte_too_many),
		cmocka_unit_test(hostile_blocks_are_refused_in_bounds),
		cmocka_unit_test(parameters_that_do_not_exist_are_unsupported),
		cmocka_unit_test(the_mark_is_of_what_depends_on_a_library_alone),
	};
	return cmocka_run_group_tests(tests, bench_take, bench_drop);
}
