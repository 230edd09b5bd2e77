#include "bsdiff/diff/ref_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/apply/refs.h"

#define LESSON_BITS 4 /* the predictor wants some room for what it learns; nobody uses it here */

#define COPY_BLOCK 4096U

/* A part of an image in being rewritten. */
struct rewriting {
	uint8_t *bytes;  /* the part's */
	uint64_t offset; /* where the part lies in the image */
	uint64_t len;
	const struct dcd_elf_modules *modules;
	struct dcd_ref_map map; /* regions: one at a time; modules and their steps: all */
	const struct dcd_elf_region *region;
	uint8_t *rewritten; /* where the bytes begin that the predictor is looking at */
};

static uint64_t spread(uint64_t target)
{
	uint64_t hash = target * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* The bits of an AArch64 instruction word that hold the reference. */
static uint32_t a64_mask(enum dcd_gate gate)
{
	switch (gate) {
	case DCD_GATE_CALL:
		return 0x03ffffff;
	case DCD_GATE_BRANCH:
		return 0x00ffffe0;
	case DCD_GATE_DATA:
		return 0x60ffffe0;
	case DCD_GATE_LOW:
		return 0x003ffc00;
	default:
		return 0;
	}
}

static void watch_rewrite(void *context, const struct dcd_ref_site *site, const uint8_t *settled)
{
	(void)settled;
	struct rewriting *w = context;
	uint8_t *field = w->rewritten + site->at;
	uint64_t target = site->target + dcd_ref_map_shift(&w->map, &w->map.modules[w->region->module], site->target);
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
	uint32_t mask = w->region->kind == DCD_REGION_AARCH64 ? a64_mask(site->gate) : UINT32_MAX;
	dcd_le32_put(field, (dcd_le32_get(site->old) & ~mask) | ((uint32_t)spread(target) & mask));
}

static int leave(void *context, uint8_t *bytes, size_t len)
{
	(void)context;
	(void)bytes;
	(void)len;
	return 0;
}

static int part_rewrite(struct rewriting *w)
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
		uint64_t from = region->offset > w->offset ? region->offset : w->offset;
		uint64_t end = dcd_min_u64(region->offset + region->len, w->offset + w->len);
		if (from >= end) {
			continue;
		}
		w->rewritten = w->bytes + (from - w->offset);
		int err = dcd_refs_copy(&refs, from, 0, from, w->rewritten, (size_t)(end - from));
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

static struct dcd_ref_module module_of(const struct dcd_elf_module *module, size_t first, size_t count)
{
	return (struct dcd_ref_module){ .low = module->low,
					.span = module->span,
					.plain = module->plain,
					.steps_first = (uint32_t)first,
					.steps_count = (uint32_t)count };
}

/* A copy in which zeros take no memory: large images are largely empty. */
static uint8_t *copy_of(const struct dcd_bytes *bytes)
{
	static const uint8_t zeros[COPY_BLOCK];
	uint8_t *copy = calloc(1, bytes->len + 1);
	for (uint64_t at = 0; copy != NULL && at < bytes->len; at += COPY_BLOCK) {
		size_t len = (size_t)dcd_min_u64(COPY_BLOCK, bytes->len - at);
		if (memcmp(bytes->data + at, zeros, len) != 0) {
			memcpy(copy + at, bytes->data + at, len);
		}
	}
	return copy;
}

/* The steps of each module, from samples[0..count), which are sorted. */
static int modules_fit(const struct dcd_elf_modules *modules, const struct dcd_ref_sample *samples, size_t count,
		       struct dcd_step_map *steps, struct dcd_ref_module *all)
{
	int err = 0;
	for (size_t i = 0, first = 0; err == 0 && i < modules->count; i++) {
		size_t end = first;
		while (end < count && samples[end].module == i) {
			end++;
		}
		size_t before = steps->count;
		err = dcd_step_map_fit(steps, samples + first, end - first, modules->modules[i].low);
		all[i] = module_of(&modules->modules[i], before, steps->count - before);
		first = end;
	}
	return err;
}

static int base_view(const struct dcd_ref_context *context, const struct dcd_ref_sample *samples, size_t count,
		     struct dcd_bytes *ret)
{
	const struct dcd_elf_modules *modules = &context->old_modules;
	struct dcd_step_map steps = { 0 };
	struct dcd_ref_module *all = calloc(modules->count + 1, sizeof *all);
	uint8_t *copy = copy_of(&context->base);
	int err = all == NULL || copy == NULL ? DCD_ERR_NO_MEMORY : modules_fit(modules, samples, count, &steps, all);
	if (err == 0) {
		struct rewriting w = { .bytes = copy, .len = context->base.len, .modules = modules };
		w.map = (struct dcd_ref_map){ .steps = steps.steps, .modules = all, .module_count = modules->count };
		err = part_rewrite(&w);
	}
	dcd_step_map_free(&steps);
	free(all);
	if (err != 0) {
		free(copy);
		return err;
	}
	*ret = (struct dcd_bytes){ copy, context->base.len };
	return 0;
}

int dcd_ref_view_new(const struct dcd_ref_context *context, struct dcd_ref_sample *samples, size_t count,
		     struct dcd_ref_view *ret)
{
	const struct dcd_elf_modules *modules = &context->new_modules;
	struct dcd_ref_view view = { .new_modules = calloc(modules->count + 1, sizeof *view.new_modules) };
	if (view.new_modules == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < modules->count; i++) {
		view.new_modules[i] = module_of(&modules->modules[i], 0, 0);
	}
	if (count > 0) {
		qsort(samples, count, sizeof *samples, dcd_ref_sample_order);
	}
	int err = base_view(context, samples, count, &view.base);
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
	free(view->new_modules);
	*view = (struct dcd_ref_view){ 0 };
}

int dcd_ref_view_segment(const struct dcd_ref_view *view, const struct dcd_ref_context *context,
			 const struct dcd_segment *segment, uint8_t *room, struct dcd_segment *ret)
{
	const struct dcd_elf_modules *modules = &context->new_modules;
	memcpy(room, segment->data, segment->len);
	struct rewriting w = { .bytes = room, .offset = segment->offset, .len = segment->len, .modules = modules };
	w.map = (struct dcd_ref_map){ .modules = view->new_modules, .module_count = modules->count };
	int err = part_rewrite(&w);
	if (err == 0) {
		*ret = (struct dcd_segment){ .data = room, .len = segment->len, .offset = segment->offset };
	}
	return err;
}
