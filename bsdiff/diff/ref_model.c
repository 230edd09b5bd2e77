#include "bsdiff/diff/ref_model.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/varint.h"
#include "bsdiff/apply/refs.h"
#include "bsdiff/diff/btf_types.h"
#include "bsdiff/diff/step_map.h"

/* A region costs about this many bytes of MAP; it must save more. */
#define REGION_COST 8

#define COPY_SAMPLE 256

/* Of samples that are alike two are enough. Most that are met again are met soon: this many places remember one each. */
#define SEEN_BITS 13

/* A region that copies of this segment touch. */
struct used_region {
	const struct dcd_elf_region *old;
	const struct dcd_elf_region *new;
	const struct dcd_elf_module *new_module;
	uint64_t adjust;
	uint64_t origin_shift;
	uint64_t bytes;  /* copied from it under this adjustment */
	uint32_t module; /* number in the map */
	int64_t saved;   /* difference bytes that prediction spares */
};

struct seen_sample {
	struct dcd_ref_sample sample;
	uint32_t count; /* 0: nothing was seen */
};

struct dcd_ref_model {
	struct used_region *regions;
	size_t region_count;
	size_t region_capacity;
	struct dcd_ref_samples samples;
	struct seen_sample seen[1U << SEEN_BITS];
	struct dcd_step_map steps;
	size_t *module_steps; /* per module of the map: how many steps */
	size_t module_count;
	size_t module_capacity;
	int32_t *block_saved; /* per gate block and kind */
	uint8_t *work;        /* the copies, old bytes turning new */
	uint8_t *predicted;
	size_t buffer_len;
	void *memory;
	size_t memory_size;
	struct dcd_ref_prediction result;
	/* While running. */
	const struct dcd_segment *segment;
	int error;
	bool surveying; /* the whole file's map is wanted, not what this frame needs beside its copies */
};

int dcd_ref_model_new(struct dcd_ref_model **ret)
{
	*ret = calloc(1, sizeof **ret);
	return *ret == NULL ? DCD_ERR_NO_MEMORY : 0;
}

void dcd_ref_model_free(struct dcd_ref_model *model)
{
	if (model == NULL) {
		return;
	}
	dcd_byte_buffer_free(&model->result.map);
	dcd_byte_buffer_free(&model->result.gates);
	dcd_step_map_free(&model->steps);
	free(model->regions);
	dcd_ref_samples_free(&model->samples);
	free(model->module_steps);
	free(model->block_saved);
	free(model->work);
	free(model->predicted);
	free(model->memory);
	free(model);
}

static int array_grow(void **items, size_t *capacity, size_t count, size_t size)
{
	if (count <= *capacity) {
		return 0;
	}
	size_t more = count < 32 ? 64 : 2 * count;
	void *grown = reallocarray(*items, more, size);
	if (grown == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	*items = grown;
	*capacity = more;
	return 0;
}

/* Notes the part of a copy that lies in `old`, when the new image has the same kind of bytes at its other end. */
static int region_note(struct dcd_ref_model *model, const struct dcd_ref_context *context, const struct dcd_elf_region *old,
		       uint64_t to, uint64_t bytes)
{
	const struct dcd_elf_region *new = dcd_elf_modules_at(&context->new_modules, to);
	if (new == NULL || new->kind != old->kind || new->offset >= to + bytes) {
		return 0;
	}
	int err = array_grow((void **)&model->regions, &model->region_capacity, model->region_count + 1, sizeof *model->regions);
	if (err == 0) {
		model->regions[model->region_count++] = (struct used_region){
			.old = old,
			.new = new,
			.new_module = &context->new_modules.modules[new->module],
			.adjust = (new->va - new->offset) - (old->va - old->offset),
			.origin_shift = new->origin - old->origin,
			.bytes = bytes,
		};
	}
	return err;
}

static int region_order(const void *a, const void *b)
{
	const struct used_region *x = a, *y = b;
	if (x->old != y->old) {
		return x->old < y->old ? -1 : 1;
	}
	if (x->adjust != y->adjust) {
		return x->adjust < y->adjust ? -1 : 1;
	}
	return x->origin_shift < y->origin_shift ? -1 : x->origin_shift > y->origin_shift;
}

/* Workspace that the decoder needs for a region of BTF; 0 for others. */
static uint64_t btf_memory(const struct dcd_elf_region *region)
{
	const struct dcd_ref_btf btf = { .types_len = (uint32_t)region->len,
					 .strings_len = region->strings_len,
					 .types = region->types,
					 .strings = region->strings };
	return region->kind == DCD_REGION_BTF ? dcd_ref_btf_memory(&btf) : 0;
}

/* The format allows one region of BTF in a frame, and the scratch bound small ones in small segments. */
static void btf_limit(struct dcd_ref_model *model)
{
	size_t kept = 0;
	bool had = false;
	for (size_t i = 0; i < model->region_count; i++) {
		bool btf = model->regions[i].old->kind == DCD_REGION_BTF;
		if (!btf || (!had && btf_memory(model->regions[i].old) <= (uint64_t)model->segment->len * 3 / 2)) {
			model->regions[kept++] = model->regions[i];
		}
		had |= btf;
	}
	model->region_count = kept;
}

/* Joins the notes of each region; where they disagree on the adjustment, most bytes win. */
static void regions_join(struct dcd_ref_model *model)
{
	struct used_region *regions = model->regions;
	if (model->region_count == 0) {
		return;
	}
	qsort(regions, model->region_count, sizeof *regions, region_order);
	size_t kept = 0;
	for (size_t i = 0; i < model->region_count;) {
		struct used_region sum = regions[i++];
		while (i < model->region_count && regions[i].old == sum.old && regions[i].adjust == sum.adjust &&
		       regions[i].origin_shift == sum.origin_shift) {
			sum.bytes += regions[i++].bytes;
		}
		if (kept > 0 && regions[kept - 1].old == sum.old) {
			if (regions[kept - 1].bytes < sum.bytes) {
				regions[kept - 1] = sum;
			}
		} else {
			regions[kept++] = sum;
		}
	}
	model->region_count = kept;
}

static int regions_collect(struct dcd_ref_model *model, const struct dcd_ref_context *context, const struct dcd_copy_list *copies)
{
	const struct dcd_elf_modules *old = &context->old_modules;
	model->region_count = 0;
	for (size_t i = 0; i < copies->count; i++) {
		const struct dcd_copy *copy = &copies->items[i];
		const struct dcd_elf_region *region = dcd_elf_modules_at(old, copy->base);
		for (; region != NULL && region < old->regions + old->region_count && region->offset < copy->base + copy->len;
		     region++) {
			uint64_t from = region->offset > copy->base ? region->offset : copy->base;
			uint64_t end = dcd_min_u64(region->offset + region->len, copy->base + copy->len);
			uint64_t to = model->segment->offset + copy->at + (from - copy->base);
			int err = region_note(model, context, region, to, end - from);
			if (err != 0) {
				return err;
			}
		}
	}
	regions_join(model);
	btf_limit(model);
	return 0;
}

/* Numbers the modules of the regions, which are in ascending order; all start without steps. */
static int modules_number(struct dcd_ref_model *model)
{
	model->module_count = 0;
	for (size_t i = 0; i < model->region_count; i++) {
		if (i == 0 || model->regions[i].old->module != model->regions[i - 1].old->module) {
			model->module_count++;
		}
		model->regions[i].module = (uint32_t)(model->module_count - 1);
	}
	int err = array_grow((void **)&model->module_steps, &model->module_capacity, model->module_count + 1,
			     sizeof *model->module_steps);
	if (err == 0) {
		memset(model->module_steps, 0, (model->module_count + 1) * sizeof *model->module_steps);
	}
	model->steps.count = 0;
	return err;
}

static int put(struct dcd_byte_buffer *out, uint64_t value)
{
	return dcd_byte_buffer_append_varint(out, value);
}

static int put_signed(struct dcd_byte_buffer *out, uint64_t value)
{
	return dcd_byte_buffer_append_varint(out, dcd_zigzag((int64_t)value));
}

/* What a region of BTF says beyond the others. */
static int btf_write(struct dcd_byte_buffer *out, const struct dcd_ref_context *context, const struct dcd_segment *segment,
		     const struct used_region *region)
{
	const struct dcd_elf_region *old = region->old;
	struct dcd_btf_sync sync = dcd_btf_sync(&context->image, region->new, segment->offset, segment->len);
	const uint64_t values[] = { old->strings_len, old->types, old->strings, sync.first, sync.end, sync.id, sync.next };
	int err = 0;
	for (size_t i = 0; err == 0 && i < sizeof values / sizeof values[0]; i++) {
		err = put(out, values[i]);
	}
	return err;
}

/* What a region of records says beyond the others. */
static int record_write(struct dcd_byte_buffer *out, const struct used_region *region)
{
	const struct dcd_elf_region *old = region->old;
	if (old->stride == 0) {
		return 0;
	}
	int err = put(out, old->stride);
	err = err != 0 ? err : put(out, old->fields);
	if (err != 0 || old->kind == DCD_REGION_RELATIVE) {
		return err;
	}
	err = put_signed(out, old->origin - old->va);
	err = err != 0 ? err : put_signed(out, region->origin_shift);
	return err != 0 ? err : put_signed(out, (uint64_t)(int64_t)old->scale);
}

static int regions_write(struct dcd_ref_model *model, const struct dcd_ref_context *context, size_t first, size_t count,
			 uint64_t low, uint64_t *at)
{
	struct dcd_byte_buffer *out = &model->result.map;
	const struct used_region *regions = model->regions + first;
	uint64_t va = low, adjust = 0;
	int err = 0;
	for (size_t i = 0; err == 0 && i < count; i++) {
		const struct dcd_elf_region *old = regions[i].old;
		err = put(out, old->offset - *at);
		err = err != 0 ? err : put(out, old->len);
		err = err != 0 ? err : put(out, old->kind);
		err = err != 0 ? err : put_signed(out, old->va - va);
		err = err != 0 ? err : put_signed(out, regions[i].adjust - adjust);
		err = err != 0 ? err : record_write(out, &regions[i]);
		if (err == 0 && old->kind == DCD_REGION_BTF) {
			err = btf_write(out, context, model->segment, &regions[i]);
		}
		*at = old->offset + old->len;
		va = old->va + old->len;
		adjust = regions[i].adjust;
	}
	return err;
}

static int steps_write(struct dcd_byte_buffer *out, const struct dcd_ref_step *steps, size_t count)
{
	int err = 0;
	for (size_t i = 0; err == 0 && i < count; i++) {
		err = put(out, steps[i].start - (i > 0 ? steps[i - 1].start : 0));
	}
	for (size_t i = 0; err == 0 && i < count; i++) {
		err = put_signed(out, steps[i].shift - (i > 0 ? steps[i - 1].shift : 0));
	}
	return err;
}

static int map_write(struct dcd_ref_model *model, const struct dcd_ref_context *context)
{
	struct dcd_byte_buffer *out = &model->result.map;
	out->len = 0;
	int err = put(out, model->module_count);
	err = err != 0 ? err : put(out, model->region_count);
	err = err != 0 ? err : put(out, model->steps.count);
	size_t region = 0, step = 0;
	uint64_t at = 0;
	for (size_t i = 0; err == 0 && i < model->module_count; i++) {
		const struct dcd_elf_module *module = &context->old_modules.modules[model->regions[region].old->module];
		size_t count = 0;
		while (region + count < model->region_count && model->regions[region + count].module == i) {
			count++;
		}
		err = put(out, module->low);
		err = err != 0 ? err : put(out, module->span);
		err = err != 0 ? err : put(out, module->plain);
		err = err != 0 ? err : put(out, count);
		err = err != 0 ? err : put(out, model->module_steps[i]);
		err = err != 0 ? err : regions_write(model, context, region, count, module->low, &at);
		err = err != 0 ? err : steps_write(out, model->steps.steps + step, model->module_steps[i]);
		region += count;
		step += model->module_steps[i];
	}
	model->result.memory =
		dcd_refs_memory(model->module_count, model->region_count, model->steps.count, model->segment->len) + 15;
	for (size_t i = 0; i < model->region_count; i++) {
		model->result.memory += btf_memory(model->regions[i].old);
	}
	return err;
}

static int run_settle(void *context, uint8_t *bytes, size_t len)
{
	struct dcd_ref_model *model = context;
	size_t at = (size_t)(bytes - model->work);
	memcpy(model->predicted + at, bytes, len);
	memcpy(bytes, model->segment->data + at, len);
	return 0;
}

static int base_read(void *context, uint64_t offset, void *buf, size_t len)
{
	const struct dcd_ref_context *known = context;
	size_t plain = (size_t)dcd_min_u64(len, known->plain.len - dcd_min_u64(offset, known->plain.len));
	if (plain > 0) {
		memcpy(buf, known->plain.data + offset, plain);
	}
	if (plain < len) {
		memcpy((uint8_t *)buf + plain, known->base.data + offset + plain, len - plain);
	}
	return 0;
}

/* Runs the decoder's predictor over all copies, with the map as it now stands. */
static int run(struct dcd_ref_model *model, const struct dcd_ref_context *context, const struct dcd_copy_list *copies,
	       void (*watch)(void *context, const struct dcd_ref_site *site, const uint8_t *settled))
{
	int err = map_write(model, context);
	if (err == 0 && model->memory_size < model->result.memory) {
		free(model->memory);
		model->memory_size = (size_t)model->result.memory * 2;
		model->memory = malloc(model->memory_size);
	}
	if (model->memory == NULL) {
		model->memory_size = 0;
		return DCD_ERR_NO_MEMORY;
	}
	struct dcd_reader base = { base_read, (void *)(uintptr_t)context, context->base.len };
	struct dcd_refs refs = { .base = &base,
				 .gates = model->result.gates.data,
				 .gate_count = model->result.gates.len,
				 .settle = run_settle,
				 .watch = watch,
				 .context = model };
	model->error = 0;
	err = err != 0 ? err
		       : dcd_refs_open(&refs, model->result.map.data, model->result.map.len, model->segment->len, model->memory,
				       model->memory_size);
	size_t done = 0;
	for (size_t i = 0; err == 0 && i < copies->count; i++) {
		const struct dcd_copy *copy = &copies->items[i];
		dcd_refs_extra(&refs, done, model->segment->data + done, copy->at - done);
		done = copy->at + (size_t)copy->len;
		memcpy(model->work + copy->at, dcd_ref_base_at(context, copy->base, copy->len), copy->len);
		err = dcd_refs_copy(&refs, model->segment->offset, copy->at, copy->base, model->work + copy->at, copy->len);
	}
	return err != 0 ? err : model->error;
}

/* Was this sample noted twice already, as far as is remembered? */
static bool seen_twice(struct dcd_ref_model *model, const struct dcd_ref_sample *sample)
{
	uint64_t hash = (sample->target ^ sample->shift << 1) * UINT64_C(0x9e3779b97f4a7c15);
	struct seen_sample *seen = &model->seen[hash >> (64 - SEEN_BITS)];
	if (seen->count == 0 || seen->sample.target != sample->target || seen->sample.shift != sample->shift ||
	    seen->sample.module != sample->module) {
		*seen = (struct seen_sample){ *sample, 0 };
	}
	seen->count += seen->count < 3;
	return seen->count == 3;
}

/* First run: where does each old target lead? */
static void watch_targets(void *context, const struct dcd_ref_site *site, const uint8_t *settled)
{
	(void)settled;
	struct dcd_ref_model *model = context;
	const struct used_region *region = &model->regions[site->region];
	if (model->surveying && region->old->kind == DCD_REGION_BTF) {
		return; /* its view needs none */
	}
	if (!site->known || (site->local && !model->surveying) ||
	    site->actual - region->new_module->low >= region->new_module->span || model->error != 0) {
		return;
	}
	const struct dcd_ref_sample sample = { region->module, site->target, site->actual - site->target };
	if (!seen_twice(model, &sample)) {
		model->error = dcd_ref_samples_add(&model->samples, &sample, 1);
	}
}

static int wrong_bytes(const uint8_t *a, const uint8_t *b, size_t len)
{
	int count = 0;
	for (size_t i = 0; i < len; i++) {
		count += a[i] != b[i];
	}
	return count;
}

/* Second run: where does prediction help? */
static void watch_savings(void *context, const struct dcd_ref_site *site, const uint8_t *settled)
{
	struct dcd_ref_model *model = context;
	int saved = wrong_bytes(site->old, settled, site->width) - wrong_bytes(site->predicted, settled, site->width);
	model->block_saved[site->at / DCD_GATE_BLOCK * DCD_GATE_KINDS + site->gate] += saved;
	model->regions[site->region].saved += saved;
}

static int steps_fit(struct dcd_ref_model *model, const struct dcd_ref_context *context)
{
	dcd_ref_samples_sort(model->samples.items, model->samples.count);
	size_t first = 0, region = 0;
	while (first < model->samples.count) {
		uint32_t module = model->samples.items[first].module;
		size_t end = first;
		while (end < model->samples.count && model->samples.items[end].module == module) {
			end++;
		}
		while (model->regions[region].module != module) {
			region++;
		}
		size_t before = model->steps.count;
		uint64_t low = context->old_modules.modules[model->regions[region].old->module].low;
		int err = dcd_step_map_fit(&model->steps, model->samples.items + first, end - first, low);
		if (err != 0) {
			return err;
		}
		model->module_steps[module] = model->steps.count - before;
		first = end;
	}
	return 0;
}

static int gates_set(struct dcd_ref_model *model)
{
	struct dcd_byte_buffer *gates = &model->result.gates;
	size_t blocks = (model->segment->len + (size_t)DCD_GATE_BLOCK - 1) / DCD_GATE_BLOCK;
	int err = dcd_byte_buffer_reserve(gates, blocks);
	if (err != 0) {
		return err;
	}
	bool any = false;
	for (size_t i = 0; i < blocks; i++) {
		uint8_t bits = 0;
		for (unsigned kind = 0; kind < DCD_GATE_KINDS; kind++) {
			bits |= (uint8_t)((model->block_saved[i * DCD_GATE_KINDS + kind] < 0) << kind);
		}
		gates->data[i] = bits;
		any |= bits != 0;
	}
	gates->len = any ? blocks : 0;
	return 0;
}

/* Leaves out the regions that don't earn their place; the steps of modules that go with them. */
static void regions_prune(struct dcd_ref_model *model)
{
	size_t kept = 0, step = 0, steps_kept = 0, modules_kept = 0;
	model->result.saved = 0;
	for (size_t i = 0; i < model->region_count;) {
		uint32_t module = model->regions[i].module;
		size_t before = kept;
		for (; i < model->region_count && model->regions[i].module == module; i++) {
			if (model->regions[i].saved > REGION_COST) {
				model->result.saved += (uint64_t)model->regions[i].saved;
				model->regions[kept] = model->regions[i];
				model->regions[kept++].module = (uint32_t)modules_kept;
			}
		}
		size_t steps = model->module_steps[module];
		if (kept > before) {
			if (steps > 0) { /* without any there may be no array */
				memmove(model->steps.steps + steps_kept, model->steps.steps + step,
					steps * sizeof *model->steps.steps);
			}
			model->module_steps[modules_kept++] = steps;
			steps_kept += steps;
		}
		step += steps;
	}
	model->region_count = kept;
	model->module_count = modules_kept;
	model->steps.count = steps_kept;
}

static int buffers_prepare(struct dcd_ref_model *model)
{
	size_t len = model->segment->len;
	if (model->buffer_len < len) {
		free(model->work);
		free(model->predicted);
		free(model->block_saved);
		model->buffer_len = len;
		model->work = malloc(len);
		model->predicted = malloc(len);
		model->block_saved = malloc((len / DCD_GATE_BLOCK + 1) * DCD_GATE_KINDS * sizeof *model->block_saved);
	}
	if (model->work == NULL || model->predicted == NULL || model->block_saved == NULL) {
		model->buffer_len = 0;
		return DCD_ERR_NO_MEMORY;
	}
	memset(model->block_saved, 0, (len / DCD_GATE_BLOCK + 1) * DCD_GATE_KINDS * sizeof *model->block_saved);
	return 0;
}

/* The regions that the copies touch, and the targets that their references turn out to have. */
static int targets_find(struct dcd_ref_model *model, const struct dcd_ref_context *context, const struct dcd_copy_list *copies,
			const struct dcd_segment *segment)
{
	model->segment = segment;
	model->samples.count = 0;
	model->result.gates.len = 0;
	int err = regions_collect(model, context, copies);
	if (err != 0 || model->region_count == 0) {
		return err;
	}
	memset(model->seen, 0, sizeof model->seen);
	err = modules_number(model);
	err = err != 0 ? err : buffers_prepare(model);
	return err != 0 ? err : run(model, context, copies, watch_targets);
}

/* A copy itself says where its addresses went, also those that nothing refers to; as a reference every COPY_SAMPLE bytes would.
 */
static int copies_sample(struct dcd_ref_model *model, const struct dcd_copy_list *copies)
{
	for (size_t i = 0; i < model->region_count; i++) {
		const struct used_region *region = &model->regions[i];
		uint64_t region_end = region->old->offset + region->old->len;
		if (region->old->kind == DCD_REGION_BTF) {
			continue;
		}
		for (size_t j = 0; j < copies->count; j++) {
			const struct dcd_copy *copy = &copies->items[j];
			uint64_t from = copy->base > region->old->offset ? copy->base : region->old->offset;
			uint64_t end = dcd_min_u64(copy->base + copy->len, region_end);
			uint64_t shift = model->segment->offset + copy->at - copy->base + region->adjust;
			for (uint64_t at = from; at < end; at += COPY_SAMPLE) {
				struct dcd_ref_sample sample = { region->module, region->old->va + (at - region->old->offset),
								 shift };
				int err = dcd_ref_samples_add(&model->samples, &sample, 1);
				if (err != 0) {
					return err;
				}
			}
		}
	}
	return 0;
}

int dcd_ref_model_survey(struct dcd_ref_model *model, const struct dcd_ref_context *context, const struct dcd_copy_list *copies,
			 const struct dcd_segment *segment, struct dcd_ref_samples *samples)
{
	model->surveying = true;
	int err = targets_find(model, context, copies, segment);
	model->surveying = false;
	err = err != 0 ? err : copies_sample(model, copies);
	if (err != 0 || model->region_count == 0) {
		return err;
	}
	/* The map's numbers of modules mean nothing beyond the segment. */
	for (size_t i = 0, region = 0; i < model->samples.count; i++) {
		uint32_t module = model->samples.items[i].module;
		for (region = 0; model->regions[region].module != module; region++) {
		}
		model->samples.items[i].module = model->regions[region].old->module;
	}
	return dcd_ref_samples_add(samples, model->samples.items, model->samples.count);
}

int dcd_ref_model_predict(struct dcd_ref_model *model, const struct dcd_ref_context *context, const struct dcd_copy_list *copies,
			  const struct dcd_segment *segment, const struct dcd_ref_prediction **ret)
{
	*ret = NULL;
	int err = targets_find(model, context, copies, segment);
	if (err != 0 || model->region_count == 0) {
		return err;
	}
	err = steps_fit(model, context);
	err = err != 0 ? err : run(model, context, copies, watch_savings);
	if (err != 0) {
		return err;
	}
	size_t regions = model->region_count;
	regions_prune(model);
	if (model->region_count == 0) {
		return 0;
	}
	err = gates_set(model);
	if (err == 0 && (model->region_count < regions || model->result.gates.len > 0)) {
		err = run(model, context, copies, NULL);
	}
	model->result.predicted = model->predicted;
	*ret = err == 0 ? &model->result : NULL;
	return err;
}
