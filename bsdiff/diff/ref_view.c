#include "bsdiff/diff/ref_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "bsdiff/apply/refs.h"
#include "bsdiff/diff/btf_types.h"
#include "bsdiff/diff/sparse_copy.h"

#define LESSON_BITS 4 /* the predictor wants some room for what it learns; nobody uses it here */

/* One image in being rewritten. */
struct rewriting {
	uint8_t *bytes;
	const struct dcd_elf_modules *modules;
	struct dcd_ref_map map; /* regions: one at a time; modules and their steps: all */
	const struct dcd_elf_region *region;
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
static bool is_jump_slot(const struct dcd_elf_region *region, const struct dcd_ref_site *site, const uint8_t *field)
{
	enum { JUMP_SLOT_RISCV = 5, JUMP_SLOT_X86_64 = 7, JUMP_SLOT_ARM = 22, JUMP_SLOT_AARCH64 = 1026, RELA_SIZE = 24 };
	uint64_t place = site->at % region->stride;
	if (region->kind == DCD_REGION_RECORDS32 && region->stride == DCD_RECORD_REL &&
	    region->len - site->at >= DCD_RECORD_REL) {
		return place == 0 && field[4] == JUMP_SLOT_ARM;
	}
	if (region->kind != DCD_REGION_RECORDS || region->stride != RELA_SIZE || region->len - site->at < RELA_SIZE ||
	    place != 0) {
		return false;
	}
	uint32_t type = dcd_le32_get(field + 8);
	return type == JUMP_SLOT_RISCV || type == JUMP_SLOT_X86_64 || type == JUMP_SLOT_AARCH64;
}

static void watch_rewrite(void *context, const struct dcd_ref_site *site, const uint8_t *settled)
{
	(void)settled;
	struct rewriting *w = context;
	uint8_t *field = w->bytes + w->region->offset + site->at;
	uint64_t target = site->target + dcd_ref_map_shift(&w->map, &w->map.modules[w->region->module], site->target);
	if (site->gate == DCD_GATE_POINTER && w->region->stride != 0 && is_jump_slot(w->region, site, field)) {
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

static int image_rewrite(struct rewriting *w, const struct dcd_bytes *image)
{
	struct dcd_ref_lesson lessons[1U << LESSON_BITS] = { 0 };
	struct dcd_ref_region one;
	w->map.regions = &one;
	w->map.region_count = 1;
	struct dcd_refs refs = { .map = w->map,
				 .lessons = lessons,
				 .lesson_bits = LESSON_BITS,
				 .settle = leave,
				 .watch = watch_rewrite,
				 .context = w };
	for (size_t i = 0; i < w->modules->region_count; i++) {
		const struct dcd_elf_region *region = &w->modules->regions[i];
		if (region->kind == DCD_REGION_BTF) {
			int err = dcd_btf_view(image, region, w->bytes + region->offset);
			if (err != 0) {
				return err;
			}
			continue;
		}
		w->region = region;
		one = (struct dcd_ref_region){ .base = region->offset,
					       .len = region->len,
					       .va = region->va,
					       .origin = region->origin,
					       .stride = region->stride,
					       .fields = region->fields,
					       .scale = region->scale,
					       .module = region->module,
					       .kind = region->kind };
		int err = dcd_refs_copy(&refs, region->offset, 0, region->offset, w->bytes + region->offset, (size_t)region->len);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

/* A copy of the whole, or of these ranges alone, with zeros elsewhere. Null: no memory. */
static uint8_t *copy_make(const struct dcd_bytes *bytes, const struct dcd_base_ranges *ranges)
{
	const struct dcd_base_range whole = { 0, bytes->len };
	uint8_t *copy = calloc(1, bytes->len + 1);
	size_t count = ranges == NULL ? 1 : ranges->count;
	for (size_t i = 0; copy != NULL && i < count; i++) {
		const struct dcd_base_range *range = ranges == NULL ? &whole : &ranges->items[i];
		dcd_sparse_copy(copy + range->offset, bytes->data + range->offset, range->len);
	}
	return copy;
}

/* A view of `bytes`, with the steps of each module of `modules` taken from samples[0..count), which are sorted. */
static int view_make(const struct dcd_bytes *bytes, const struct dcd_elf_modules *modules, const struct dcd_base_ranges *seen,
		     const struct dcd_ref_sample *samples, size_t count, struct dcd_bytes *ret)
{
	struct dcd_step_map steps = { 0 };
	struct dcd_ref_module *all = calloc(modules->count + 1, sizeof *all);
	uint8_t *copy = copy_make(bytes, seen);
	int err = all == NULL || copy == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (size_t i = 0, first = 0; err == 0 && i < modules->count; i++) {
		size_t end = first;
		while (end < count && samples[end].module == i) {
			end++;
		}
		size_t before = steps.count;
		err = dcd_step_map_fit(&steps, samples + first, end - first, modules->modules[i].low);
		all[i] = (struct dcd_ref_module){ .low = modules->modules[i].low,
						  .span = modules->modules[i].span,
						  .plain = modules->modules[i].plain,
						  .steps_first = (uint32_t)before,
						  .steps_count = (uint32_t)(steps.count - before) };
		first = end;
	}
	if (err == 0) {
		struct rewriting w = { .bytes = copy, .modules = modules };
		w.map = (struct dcd_ref_map){ .steps = steps.steps, .modules = all, .module_count = modules->count };
		err = image_rewrite(&w, bytes);
	}
	dcd_step_map_free(&steps);
	free(all);
	if (err != 0) {
		free(copy);
		return err;
	}
	*ret = (struct dcd_bytes){ copy, bytes->len };
	return 0;
}

int dcd_ref_view_new(const struct dcd_ref_context *context, const struct dcd_bytes *image, const struct dcd_base_ranges *seen,
		     struct dcd_ref_sample *samples, size_t count, struct dcd_ref_view *ret)
{
	struct dcd_ref_view view = { 0 };
	if (count > 0) {
		qsort(samples, count, sizeof *samples, dcd_ref_sample_order);
	}
	int err = view_make(&context->base, &context->old_modules, NULL, samples, count, &view.base);
	err = err != 0 ? err : view_make(image, &context->new_modules, seen, NULL, 0, &view.image);
	if (err != 0) {
		dcd_ref_view_free(&view);
		return err;
	}
	*ret = view;
	return 0;
}

void dcd_ref_view_free(struct dcd_ref_view *view)
{
	free((void *)(uintptr_t)view->base.data);
	free((void *)(uintptr_t)view->image.data);
	*view = (struct dcd_ref_view){ 0 };
}
