#include "bsdiff/diff/pack_trial.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "bsdiff/apply/repack.h"
#include "bsdiff/codec/deflate_pack.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/diff/encode_plan.h"
#include "bsdiff/diff/ordered_pool.h"

#define SAMPLE 12    /* blocks of a method that are tried with everything */
#define LIKELY_MAX 6 /* parameters that the others are tried with */
#define PARAMS_ALL_MAX 32

/* A frame's own bytes and streams as a rule; a block that leaves less isn't worth a trial. */
#define FRAME_RESERVE (48U << 10)

/* Most usual first. */
static const uint32_t zlib_params[] = { 9, 6, 8, 7, 5, 4, 3, 2, 1, 9 | DCD_DEFLATE_MEMORY_9, 6 | DCD_DEFLATE_MEMORY_9 };
static const uint32_t member_params[] = { 9 | DCD_DEFLATE_GZIP,
					  6 | DCD_DEFLATE_GZIP,
					  9,
					  6,
					  9 | DCD_DEFLATE_MEMORY_9,
					  6 | DCD_DEFLATE_MEMORY_9,
					  1 | DCD_DEFLATE_GZIP,
					  1,
					  8 | DCD_DEFLATE_GZIP };
static const uint32_t zstd_params[] = { 15, 3, 19, 22, 9, 1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 20, 21 };

/* The dictionary is as long as a block; that of metadata has 8 KiB. */
static const uint32_t xz_params[] = { 6 | 17U << 8, 6 | 13U << 8, 6 | 20U << 8, 6 | 18U << 8,
				      6 | 16U << 8, 6 | 15U << 8, 9 | 17U << 8, 9 | 20U << 8 };

/* mksquashfs makes fast blocks, or with -Xhc those of the highest level. */
static const uint32_t lz4_params[] = { 1, 12, 9, 10, 11, 8, 7, 6, 5, 4, 3 };

/* mkfs.erofs takes 9 for lz4hc, up to 12 on request. What else its parameters say is tried for each block. */
static const uint32_t erofs_params[] = { 9, 1, 12, 11, 10, 8, 7, 6, 5, 4, 3 };

struct params_list {
	uint32_t items[PARAMS_ALL_MAX];
	size_t count;
};

/* One thread's. */
struct bench {
	uint8_t *content;
	size_t content_size;
	uint8_t *packed;
	size_t packed_size;
	void *memory;
	size_t memory_size;
	struct dcd_byte_buffer room; /* where the pieces of a block come together */
};

struct trial {
	const struct dcd_bytes *image;
	struct dcd_packed_blocks *blocks;
	const bool *wanted;
	const struct dcd_encode_options *options;
	struct dcd_packer packer;
	struct params_list likely[DCD_PACK_METHODS];
	struct bench *benches; /* one a worker */
};

static struct params_list params_all(enum dcd_pack_method method)
{
	static const struct {
		const uint32_t *items;
		size_t size;
	} all[DCD_PACK_METHODS] = {
		[DCD_PACK_ZLIB] = { zlib_params, sizeof zlib_params },
		[DCD_PACK_DEFLATE] = { member_params, sizeof member_params },
		[DCD_PACK_ZSTD] = { zstd_params, sizeof zstd_params },
		[DCD_PACK_XZ] = { xz_params, sizeof xz_params },
		[DCD_PACK_LZ4] = { lz4_params, sizeof lz4_params },
		[DCD_PACK_EROFS] = { erofs_params, sizeof erofs_params },
	};
	struct params_list ret = { .count = all[method].size / sizeof *all[method].items };
	if (ret.count > 0) {
		memcpy(ret.items, all[method].items, all[method].size);
	}
	return ret;
}

static bool buffer_grow(void *buffer, size_t *size, size_t need)
{
	void **p = buffer;
	if (*size < need || *p == NULL) {
		free(*p);
		*p = malloc(need > 0 ? need : 1);
		*size = *p != NULL ? need : 0;
	}
	return *p != NULL;
}

/* Bytes of a frame that packs a block of `len` bytes of content, out of one of the base that is as long. */
static uint64_t frame_need(uint64_t len, uint64_t packer)
{
	return dcd_repack_memory(1, 1, len, dcd_div_ceil_u64(packer, 1024)) + FRAME_RESERVE;
}

uint32_t dcd_pack_trial_length_max(const struct dcd_encode_options *options)
{
	uint64_t packer = dcd_deflate_memory(), max = dcd_encode_pack_memory(options, packer), fixed = frame_need(0, packer);
	return max <= fixed ? 0 : (uint32_t)dcd_min_u64((max - fixed) / 3, DCD_PACK_BLOCK_MAX);
}

/* Does packing with these parameters give the block's bytes, which are `coded`? Its content is in the bench. */
static int params_fit(const struct trial *t, struct bench *bench, const struct dcd_packed_block *block, const uint8_t *coded,
		      uint32_t params, bool *ret)
{
	size_t need = dcd_packer_memory(block->method, params, block->len), n;
	size_t len = (size_t)block->len + DCD_PACK_CARRIED(block->method, params);
	*ret = false;
	if (frame_need(len, need) > dcd_encode_pack_memory(t->options, need)) {
		return 0;
	}
	if (!buffer_grow(&bench->memory, &bench->memory_size, need)) {
		return DCD_ERR_NO_MEMORY;
	}
	/* A compressor may choose by the room it has: the decoder's. */
	int err = t->packer.pack(block->method, params, bench->packed, bench->packed_size, bench->content, len, bench->memory,
				 need, &n);
	*ret = err == 0 && n == dcd_packed_block_whole(block) && memcmp(bench->packed, coded, n) == 0;
	return err == DCD_ERR_NO_MEMORY ? err : 0;
}

/* The same for one of the list, which for an erofs is only the level: the content behind a block has a hand in it too. */
static int listed_fit(const struct trial *t, struct bench *bench, const struct dcd_packed_block *block, const uint8_t *coded,
		      uint32_t listed, uint32_t *ret_params)
{
	static const uint32_t behind[] = { 0,
					   DCD_EROFS_FOLLOWED,
					   8U << DCD_EROFS_CARRIED_SHIFT,
					   16U << DCD_EROFS_CARRIED_SHIFT,
					   24U << DCD_EROFS_CARRIED_SHIFT,
					   32U << DCD_EROFS_CARRIED_SHIFT,
					   48U << DCD_EROFS_CARRIED_SHIFT,
					   DCD_PACKED_BEHIND_MAX << DCD_EROFS_CARRIED_SHIFT };
	bool erofs = block->method == DCD_PACK_EROFS;
	for (size_t i = 0; i < (erofs ? sizeof behind / sizeof behind[0] : 1); i++) {
		uint32_t params = listed | behind[i];
		bool fits;
		if (DCD_EROFS_CARRIED(behind[i]) > block->behind_len) {
			break;
		}
		if (erofs) {
			params |= (block->coded / DCD_EROFS_UNIT - 1) << DCD_EROFS_UNITS_SHIFT;
		}
		int err = params_fit(t, bench, block, coded, params, &fits);
		if (err != 0 || fits) {
			*ret_params = fits ? params : 0;
			return err;
		}
	}
	return 0;
}

/* Tries the list on a block. *ret_params is 0 when nothing fits. */
static int block_try(const struct trial *t, struct bench *bench, const struct dcd_packed_block *block,
		     const struct params_list *list, uint32_t *ret_params)
{
	size_t need = dcd_packer_memory(block->method, 0, block->len);
	*ret_params = 0;
	if (list->count == 0) {
		return 0;
	}
	if (!buffer_grow(&bench->content, &bench->content_size, (size_t)block->len + DCD_PACKED_BEHIND_MAX) ||
	    !buffer_grow(&bench->packed, &bench->packed_size, (size_t)DCD_REPACK_CODED_MAX(block->len)) ||
	    !buffer_grow(&bench->memory, &bench->memory_size, need)) {
		return DCD_ERR_NO_MEMORY;
	}
	const uint8_t *coded = dcd_packed_block_bytes(t->image, block, &bench->room);
	size_t len, used;
	if (coded == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	int err =
		dcd_packer_measure(block->method, bench->content, block->len, coded, dcd_packed_block_whole(block), &len, &used);
	if (err != 0 || len != block->len) {
		return 0;
	}
	memcpy(bench->content + len, block->behind, sizeof block->behind);
	for (size_t i = 0; err == 0 && i < list->count && *ret_params == 0; i++) {
		err = listed_fit(t, bench, block, coded, list->items[i], ret_params);
	}
	return err;
}

static bool listed(const struct params_list *list, uint32_t params)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i] == params) {
			return true;
		}
	}
	return false;
}

/* Is the block tried as one of the sample, or on its own? A later piece has what fits the first. */
static bool sampled(const struct trial *t, size_t i, enum dcd_pack_method method)
{
	const struct dcd_packed_block *block = &t->blocks->items[i];
	return t->wanted[i] && block->method == method && block->before == 0;
}

/* Tries blocks from all over the image with everything that there is. */
static int method_learn(struct trial *t, enum dcd_pack_method method)
{
	const struct params_list all = params_all(method);
	struct params_list *likely = &t->likely[method];
	size_t count = 0, seen = 0;
	for (size_t i = 0; i < t->blocks->count; i++) {
		count += sampled(t, i, method);
	}
	size_t step = count / SAMPLE + 1;
	for (size_t i = 0; i < t->blocks->count && likely->count < LIKELY_MAX; i++) {
		const struct dcd_packed_block *block = &t->blocks->items[i];
		if (!sampled(t, i, method) || seen++ % step != 0) {
			continue;
		}
		uint32_t params;
		int err = block_try(t, &t->benches[0], block, &all, &params);
		if (err != 0) {
			return err;
		}
		params &= method == DCD_PACK_EROFS ? DCD_EROFS_LEVEL_MASK : UINT32_MAX;
		if (params != 0 && !listed(likely, params)) {
			likely->items[likely->count++] = params;
		}
	}
	return 0;
}

/* The block that is tried for number `i`: the first piece of the same one, if it is listed and wanted, else itself. */
static size_t tried_for(const struct trial *t, size_t i)
{
	const struct dcd_packed_block *blocks = t->blocks->items, *block = &blocks[i];
	size_t low = 0, high = block->before != 0 ? t->blocks->count : 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (blocks[middle].offset < block->other) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	bool first = block->before != 0 && low < t->blocks->count && blocks[low].offset == block->other &&
		     blocks[low].before == 0 && blocks[low].other == block->offset && blocks[low].whole == block->whole &&
		     t->wanted[low];
	return first ? low : i;
}

static int trial_work(void *context, unsigned worker, uint64_t index, void *slot)
{
	(void)slot;
	struct trial *t = context;
	struct dcd_packed_block *block = &t->blocks->items[index];
	if (!t->wanted[index] || tried_for(t, (size_t)index) != index) {
		return 0;
	}
	return block_try(t, &t->benches[worker], block, &t->likely[block->method], &block->params);
}

int dcd_pack_trial_run(const struct dcd_bytes *image, struct dcd_packed_blocks *blocks, const bool *wanted,
		       const struct dcd_encode_options *options)
{
	unsigned workers = dcd_pool_workers(options->threads);
	struct trial t = { .image = image,
			   .blocks = blocks,
			   .wanted = wanted,
			   .options = options,
			   .packer = dcd_block_packer(),
			   .benches = calloc(workers, sizeof *t.benches) };
	int err = t.benches == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (unsigned method = 0; err == 0 && method < DCD_PACK_METHODS; method++) {
		err = method_learn(&t, (enum dcd_pack_method)method);
	}
	struct dcd_pool_job pool = { .work = trial_work, .context = &t, .workers = workers };
	err = err != 0 ? err : dcd_pool_run(&pool, 0, blocks->count);
	for (size_t i = 0; err == 0 && i < blocks->count; i++) {
		blocks->items[i].params = wanted[i] ? blocks->items[tried_for(&t, i)].params : 0;
	}
	for (unsigned i = 0; t.benches != NULL && i < workers; i++) {
		free(t.benches[i].content);
		free(t.benches[i].packed);
		free(t.benches[i].memory);
		dcd_byte_buffer_free(&t.benches[i].room);
	}
	free(t.benches);
	return err;
}
