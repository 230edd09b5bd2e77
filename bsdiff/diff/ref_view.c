#include "bsdiff/diff/ref_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/apply/refs.h"
#include "bsdiff/diff/btf_types.h"
#include "bsdiff/diff/sparse_copy.h"

/* Of so many samples one may go elsewhere: in two builds of one kernel it is one of 6,000, in anything else one of 30. */
#define WELL_EXPLAINED 256

#define LESSON_BITS 4 /* the predictor wants some room for what it learns; nobody uses it here */

/* A piece of an image in being rewritten. */
struct rewriting {
	uint8_t *bytes; /* of the piece, which lies in one region */
	size_t len;
	uint64_t begin;         /* in the region */
	struct dcd_ref_map map; /* regions: one at a time; modules and their steps: all */
	const struct dcd_elf_region *region;
	const uint8_t *btf; /* the region's view, where it is known */
};

static uint64_t spread(uint64_t target)
{
	uint64_t hash = target * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/*
 * Relocations of the procedure linkage table come one word after the other, whichever symbols they are for: matched by where they
 * are, an entry that is new would move all others off their symbols.
 */
static bool is_jump_slot(const struct dcd_elf_region *region, uint64_t at, const uint8_t *field, size_t left)
{
	enum { JUMP_SLOT_RISCV = 5, JUMP_SLOT_X86_64 = 7, JUMP_SLOT_ARM = 22, JUMP_SLOT_AARCH64 = 1026, RELA_SIZE = 24 };
	uint64_t place = at % region->stride;
	if (region->kind == DCD_REGION_RECORDS32 && region->stride == DCD_RECORD_REL && left >= DCD_RECORD_REL) {
		return place == 0 && field[4] == JUMP_SLOT_ARM;
	}
	if (region->kind != DCD_REGION_RECORDS || region->stride != RELA_SIZE || left < RELA_SIZE || place != 0) {
		return false;
	}
	uint32_t type = dcd_le32_get(field + 8);
	return type == JUMP_SLOT_RISCV || type == JUMP_SLOT_X86_64 || type == JUMP_SLOT_AARCH64;
}

static void watch_rewrite(void *context, const struct dcd_ref_site *site, const uint8_t *settled)
{
	(void)settled;
	struct rewriting *w = context;
	uint8_t *field = w->bytes + site->at;
	uint64_t target = site->target + dcd_ref_map_shift(&w->map, &w->map.modules[w->region->module], site->target);
	if (site->gate == DCD_GATE_POINTER && w->region->stride != 0 &&
	    is_jump_slot(w->region, w->begin + site->at, field, w->len - site->at)) {
		memset(field, 0, site->width);
		return;
	}
	if (site->width == 8) {
		dcd_le32_put(field, (uint32_t)target);
		dcd_le32_put(field + 4, (uint32_t)(target >> 32));
		return;
	}
	if (site->width == 3) {
		uint64_t hash = spread(target);
		field[0] = (uint8_t)(hash >> 16);
		field[1] = (uint8_t)(hash >> 8);
		field[2] = (uint8_t)hash;
		return;
	}
	dcd_le32_put(field, (dcd_le32_get(site->old) & ~site->mask) | ((uint32_t)spread(target) & site->mask));
}

static int leave(void *context, uint8_t *bytes, size_t len)
{
	(void)context;
	(void)bytes;
	(void)len;
	return 0;
}

/* Types have their view all together. The caller frees *ret. */
static int btf_view(const struct dcd_elf_region *region, const struct dcd_bytes *image, uint8_t **ret)
{
	uint8_t *view = malloc((size_t)region->len + 1);
	if (view == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	memcpy(view, image->data + region->offset, (size_t)region->len);
	*ret = view;
	return dcd_btf_view(image, region, view);
}

static int btf_rewrite(struct rewriting *w, const struct dcd_bytes *image)
{
	uint8_t *made = NULL;
	int err = w->btf != NULL ? 0 : btf_view(w->region, image, &made);
	if (err == 0) {
		memcpy(w->bytes, (w->btf != NULL ? w->btf : made) + w->begin, w->len);
	}
	free(made);
	return err;
}

static int piece_rewrite(struct rewriting *w, const struct dcd_bytes *image)
{
	const struct dcd_elf_region *region = w->region;
	struct dcd_ref_lesson lessons[1U << LESSON_BITS] = { 0 };
	struct dcd_ref_region one = { .base = region->offset,
				      .len = region->len,
				      .va = region->va,
				      .origin = region->origin,
				      .stride = region->stride,
				      .fields = region->fields,
				      .scale = region->scale,
				      .module = region->module,
				      .kind = region->kind };
	uint64_t at = region->offset + w->begin;
	if (region->kind == DCD_REGION_BTF) {
		return btf_rewrite(w, image);
	}
	w->map.regions = &one;
	w->map.region_count = 1;
	struct dcd_refs refs = { .map = w->map,
				 .lessons = lessons,
				 .lesson_bits = LESSON_BITS,
				 .settle = leave,
				 .watch = watch_rewrite,
				 .context = w };
	return dcd_refs_copy(&refs, at, 0, at, w->bytes, w->len);
}

/* Rewrites what regions have of image[from..end), which `bytes` are a copy of. `btf`: views of BTF by region, or null. */
static int range_rewrite(const struct dcd_view_map *map, const struct dcd_elf_modules *modules, const struct dcd_bytes *image,
			 uint8_t *const *btf, uint64_t from, uint64_t end, uint8_t *bytes)
{
	const struct dcd_elf_region *region = dcd_elf_modules_at(modules, from);
	const struct dcd_elf_region *behind = modules->regions + modules->region_count;
	int err = 0;
	for (; err == 0 && region != NULL && region < behind && region->offset < end; region++) {
		uint64_t begin = region->offset < from ? from - region->offset : 0;
		uint64_t len = dcd_min_u64(region->len, end - region->offset) - begin;
		struct rewriting w = {
			.bytes = bytes + (region->offset + begin - from), .len = (size_t)len, .begin = begin, .region = region
		};
		w.btf = btf != NULL ? btf[region - modules->regions] : NULL;
		w.map = (struct dcd_ref_map){ .steps = map->steps.steps,
					      .modules = map->modules,
					      .module_count = modules->count };
		err = piece_rewrite(&w, image);
	}
	return err;
}

/* The steps of each module, taken from samples[0..count), which are sorted. */
static int map_make(const struct dcd_elf_modules *modules, const struct dcd_ref_sample *samples, size_t count,
		    struct dcd_view_map *ret)
{
	int err = 0;
	ret->modules = calloc(modules->count + 1, sizeof *ret->modules);
	if (ret->modules == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	for (size_t i = 0, first = 0; err == 0 && i < modules->count; i++) {
		size_t end = first;
		while (end < count && samples[end].module == i) {
			end++;
		}
		size_t before = ret->steps.count;
		err = dcd_step_map_fit(&ret->steps, samples + first, end - first, modules->modules[i].low);
		ret->modules[i] = (struct dcd_ref_module){ .low = modules->modules[i].low,
							   .span = modules->modules[i].span,
							   .plain = modules->modules[i].plain,
							   .steps_first = (uint32_t)before,
							   .steps_count = (uint32_t)(ret->steps.count - before) };
		first = end;
	}
	return err;
}

static bool samples_alike(const struct dcd_ref_sample *a, const struct dcd_ref_sample *b)
{
	return a->module == b->module && a->target == b->target && a->shift == b->shift;
}

/*
 * Do next to all samples, which are sorted, go where the steps say? Of those that are alike two count: how many more are listed
 * hangs on which threads met them, and the answer must not.
 */
static bool well_explained(const struct dcd_view_map *map, const struct dcd_elf_modules *modules,
			   const struct dcd_ref_sample *samples, size_t count)
{
	const struct dcd_ref_map steps = { .steps = map->steps.steps, .modules = map->modules, .module_count = modules->count };
	size_t sum = 0, counted = 0;
	for (size_t i = 0; i < count; i++) {
		if (i >= 2 && samples_alike(&samples[i - 2], &samples[i])) {
			continue;
		}
		counted++;
		sum += dcd_ref_map_shift(&steps, &steps.modules[samples[i].module], samples[i].target) != samples[i].shift;
	}
	return sum <= counted / WELL_EXPLAINED;
}

static void map_free(struct dcd_view_map *map)
{
	dcd_step_map_free(&map->steps);
	free(map->modules);
}

static int base_make(const struct dcd_ref_context *context, const struct dcd_view_map *map, struct dcd_bytes *ret)
{
	const struct dcd_bytes *base = &context->base, *plain = &context->plain;
	uint8_t *copy = calloc(1, (size_t)base->len + 1);
	if (copy == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	*ret = (struct dcd_bytes){ copy, base->len };
	dcd_sparse_copy_told(copy, plain, 0, plain->len, context->options, "surveying");
	dcd_sparse_copy(copy + plain->len, base->data + plain->len, base->len - plain->len);
	return range_rewrite(map, &context->old_modules, ret, NULL, 0, base->len, copy);
}

static int image_btf_make(const struct dcd_ref_context *context, struct dcd_ref_view *view)
{
	const struct dcd_elf_modules *modules = &context->new_modules;
	view->btf_count = modules->region_count;
	view->btf = calloc(modules->region_count + 1, sizeof *view->btf);
	int err = view->btf == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (size_t i = 0; err == 0 && i < modules->region_count; i++) {
		if (modules->regions[i].kind == DCD_REGION_BTF) {
			err = btf_view(&modules->regions[i], &context->image, &view->btf[i]);
		}
	}
	return err;
}

int dcd_ref_view_new(const struct dcd_ref_context *context, struct dcd_ref_sample *samples, size_t count,
		     struct dcd_ref_view *ret)
{
	struct dcd_ref_view view = { 0 };
	struct dcd_view_map old = { 0 };
	dcd_ref_samples_sort(samples, count);
	int err = map_make(&context->old_modules, samples, count, &old);
	if (err == 0) {
		view.explains = well_explained(&old, &context->old_modules, samples, count);
	}
	err = err != 0 ? err : base_make(context, &old, &view.base);
	err = err != 0 ? err : map_make(&context->new_modules, NULL, 0, &view.map);
	err = err != 0 ? err : image_btf_make(context, &view);
	map_free(&old);
	if (err != 0) {
		dcd_ref_view_free(&view);
		return err;
	}
	*ret = view;
	return 0;
}

int dcd_ref_view_segment(const struct dcd_ref_view *view, const struct dcd_ref_context *context,
			 const struct dcd_segment *segment, struct dcd_byte_buffer *ret)
{
	ret->len = 0;
	int err = dcd_byte_buffer_append(ret, segment->data, segment->len);
	return err != 0 ? err
			: range_rewrite(&view->map, &context->new_modules, &context->image, view->btf, segment->offset,
					segment->offset + segment->len, ret->data);
}

void dcd_ref_view_free(struct dcd_ref_view *view)
{
	free((void *)(uintptr_t)view->base.data);
	map_free(&view->map);
	for (size_t i = 0; view->btf != NULL && i < view->btf_count; i++) {
		free(view->btf[i]);
	}
	free(view->btf);
	*view = (struct dcd_ref_view){ 0 };
}
