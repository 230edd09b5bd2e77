#include "bsdiff/apply/refs.h"

#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "base/varint.h"
#include "bsdiff/apply/refs_scan.h"

#define LESSON_BITS_MIN 4

/* The format's own sizes, so that a payload needs the same on every machine; ours fit. */
#define REGION_MEMORY 72
#define STEP_MEMORY 16
#define MODULE_MEMORY 32
#define LESSON_MEMORY 8
_Static_assert(sizeof(struct dcd_ref_region) <= REGION_MEMORY && sizeof(struct dcd_ref_region) % 4 == 0, "a region's memory");
_Static_assert(sizeof(struct dcd_ref_step) <= STEP_MEMORY, "a step's memory");
_Static_assert(sizeof(struct dcd_ref_module) <= MODULE_MEMORY, "a module's memory");
_Static_assert(sizeof(struct dcd_ref_lesson) <= LESSON_MEMORY, "a lesson's memory");

#define RECORD_MAX 128 /* bytes of a record: one bit of `fields` for each word */
#define SEQUENCE_STRIDE 3
#define BTF_MAX (1U << 28) /* bytes of types, and of strings */
#define SCALE_MAX 4096     /* bytes of what an index counts */

/* One lesson for every 64 bytes of the segment: about what code refers to. */
static unsigned lesson_bits(uint32_t segment_len)
{
	unsigned bits = LESSON_BITS_MIN;
	while (bits < 20 && (uint64_t)2 << bits <= segment_len / 64) {
		bits++;
	}
	return bits;
}

uint64_t dcd_refs_memory(uint64_t modules, uint64_t regions, uint64_t steps, uint32_t segment_len)
{
	return regions * REGION_MEMORY + steps * STEP_MEMORY + modules * MODULE_MEMORY +
	       ((uint64_t)LESSON_MEMORY << lesson_bits(segment_len));
}

void dcd_refs_forget(struct dcd_refs *refs)
{
	memset(refs->lessons, 0, sizeof *refs->lessons << refs->lesson_bits);
	memset(refs->literals, 0, sizeof refs->literals);
	refs->literal_turn = 0;
}

/* A MAP stream in reading; once `bad`, every value is 0. */
struct map_reader {
	const uint8_t *data;
	size_t len;
	size_t pos;
	bool bad;
	uint32_t segment_len;
	struct dcd_ref_btf *btf;
};

static uint64_t map_value(struct map_reader *r)
{
	uint64_t value;
	if (r->bad || !dcd_varint_get(r->data, r->len, &r->pos, &value)) {
		r->bad = true;
		return 0;
	}
	return value;
}

static uint64_t map_signed(struct map_reader *r)
{
	return (uint64_t)dcd_unzigzag(map_value(r));
}

/* What a region of records says beyond the others; false when it makes no sense. */
static bool record_read(struct map_reader *r, struct dcd_ref_region *region)
{
	uint64_t stride = map_value(r), fields = map_value(r), scale = 1;
	if (region->kind != DCD_REGION_RELATIVE) {
		region->origin = region->va + map_signed(r);
		region->origin_shift = map_signed(r);
		scale = map_signed(r);
	}
	region->stride = (uint32_t)stride;
	region->fields = (uint32_t)fields;
	region->scale = (int32_t)(uint32_t)scale;
	bool sound = scale != 0 && scale + SCALE_MAX <= 2 * SCALE_MAX;
	if (region->kind == DCD_REGION_SEQUENCE) {
		return sound && stride == SEQUENCE_STRIDE && fields == 1;
	}
	if (!sound || stride == 0 || stride > RECORD_MAX || stride % 4 != 0 || fields == 0) {
		return false;
	}
	uint64_t words = stride / 4, both = fields | fields >> DCD_RECORD_POINTERS;
	return region->kind == DCD_REGION_RECORDS32
		       ? words <= DCD_RECORD_POINTERS &&
				 (both & (((uint64_t)1 << DCD_RECORD_POINTERS) - 1)) >> (words - 1) <= 1 &&
				 fields >> 2 * DCD_RECORD_POINTERS == 0
		       : fields >> (words - 1) <= 1;
}

/* What a region of BTF says beyond the others. */
static bool btf_read(struct map_reader *r, const struct dcd_ref_region *region, uint32_t segment_len, struct dcd_ref_btf *btf)
{
	uint64_t strings_len = map_value(r), types = map_value(r), strings = map_value(r);
	uint64_t first = map_value(r), end = map_value(r), id = map_value(r), next = map_value(r);
	btf->types_len = (uint32_t)region->len;
	btf->strings_len = (uint32_t)strings_len;
	btf->types = (uint32_t)types;
	btf->strings = (uint32_t)strings;
	btf->first = (uint32_t)first;
	btf->end = (uint32_t)end;
	btf->id = (uint32_t)id;
	btf->next = (uint32_t)next;
	bool first_one = !btf->present;
	btf->present = true;
	return first_one && region->len <= BTF_MAX && strings_len <= BTF_MAX && types <= region->len / 4 &&
	       strings <= strings_len && end <= segment_len && first <= end && id <= UINT32_MAX && next <= UINT32_MAX;
}

/* What the region's kind asks for behind what all have. */
static bool kind_read(struct map_reader *r, struct dcd_ref_region *region)
{
	switch (region->kind) {
	case DCD_REGION_RECORDS:
	case DCD_REGION_RECORDS32:
	case DCD_REGION_RELATIVE:
	case DCD_REGION_SEQUENCE:
		return record_read(r, region);
	case DCD_REGION_BTF:
		return btf_read(r, region, r->segment_len, r->btf);
	default:
		return true;
	}
}

/* The regions of one module; *at is the end of the region before. */
static int regions_read(struct map_reader *r, const struct dcd_ref_module *module, uint32_t module_index,
			struct dcd_ref_region *regions, size_t count, uint64_t *at)
{
	uint64_t va = module->low, adjust = 0;
	for (size_t i = 0; i < count; i++) {
		struct dcd_ref_region *region = &regions[i];
		uint64_t gap = map_value(r);
		region->len = map_value(r);
		uint64_t kind = map_value(r);
		if (!r->bad && kind >= DCD_REGION_KINDS) {
			return DCD_ERR_UNSUPPORTED;
		}
		region->kind = (enum dcd_region_kind)kind;
		region->module = module_index;
		region->va = va + map_signed(r);
		region->adjust = adjust + map_signed(r);
		bool sound = kind_read(r, region);
		if (r->bad || !sound || region->len == 0 || !dcd_add_u64(*at, gap, &region->base) ||
		    !dcd_add_u64(region->base, region->len, at)) {
			return DCD_ERR_MALFORMED;
		}
		va = region->va + region->len;
		adjust = region->adjust;
	}
	return 0;
}

static int steps_read(struct map_reader *r, const struct dcd_ref_module *module, struct dcd_ref_step *steps)
{
	uint64_t start = 0, shift = 0;
	for (uint32_t i = 0; i < module->steps_count; i++) {
		uint64_t gap = map_value(r);
		if (r->bad || (i > 0 && gap == 0) || gap >= module->span - start) {
			return DCD_ERR_MALFORMED;
		}
		start += gap;
		steps[i].start = start;
	}
	for (uint32_t i = 0; i < module->steps_count; i++) {
		shift += map_signed(r);
		steps[i].shift = shift;
	}
	return r->bad ? DCD_ERR_MALFORMED : 0;
}

static int modules_read(struct map_reader *r, struct dcd_ref_map *map)
{
	uint64_t at = 0;
	size_t regions_left = map->region_count, steps_left = map->step_count;
	for (uint32_t i = 0; i < map->module_count; i++) {
		struct dcd_ref_module *module = &map->modules[i];
		module->low = map_value(r);
		module->span = map_value(r);
		uint64_t plain = map_value(r), regions = map_value(r), steps = map_value(r);
		if (r->bad || module->span == 0 || plain > module->span || plain > UINT32_MAX || regions > regions_left ||
		    steps > steps_left) {
			return DCD_ERR_MALFORMED;
		}
		module->plain = (uint32_t)plain;
		module->steps_first = (uint32_t)(map->step_count - steps_left);
		module->steps_count = (uint32_t)steps;
		int err = regions_read(r, module, i, map->regions + (map->region_count - regions_left), (size_t)regions, &at);
		err = err != 0 ? err : steps_read(r, module, map->steps + module->steps_first);
		if (err != 0) {
			return err;
		}
		regions_left -= (size_t)regions;
		steps_left -= (size_t)steps;
	}
	return regions_left == 0 && steps_left == 0 && r->pos == r->len ? 0 : DCD_ERR_MALFORMED;
}

int dcd_refs_open(struct dcd_refs *refs, const uint8_t *stream, size_t len, uint32_t segment_len, void *memory,
		  size_t memory_size)
{
	refs->btf = (struct dcd_ref_btf){ 0 };
	struct map_reader r = { .data = stream, .len = len, .segment_len = segment_len, .btf = &refs->btf };
	uint64_t modules = map_value(&r), regions = map_value(&r), steps = map_value(&r);
	/* Each takes a byte of the stream at the least, which also keeps the sum of their memory from overflowing. */
	if (r.bad || modules > len || regions > len || steps > len ||
	    dcd_refs_memory(modules, regions, steps, segment_len) > memory_size) {
		return DCD_ERR_MALFORMED;
	}
	struct dcd_ref_map *map = &refs->map;
	map->module_count = (size_t)modules;
	map->region_count = (size_t)regions;
	map->step_count = (size_t)steps;
	map->regions = memory;
	map->steps = (struct dcd_ref_step *)(void *)(map->regions + map->region_count);
	map->modules = (struct dcd_ref_module *)(void *)(map->steps + map->step_count);
	refs->lessons = (struct dcd_ref_lesson *)(void *)(map->modules + map->module_count);
	refs->lesson_bits = lesson_bits(segment_len);
	int err = modules_read(&r, map);
	if (err != 0) {
		return err;
	}
	dcd_refs_forget(refs);
	if (!refs->btf.present) {
		return 0;
	}
	for (size_t i = 0; i < map->region_count; i++) {
		refs->btf.base = map->regions[i].kind == DCD_REGION_BTF ? map->regions[i].base : refs->btf.base;
	}
	memory_size -= (size_t)dcd_refs_memory(modules, regions, steps, segment_len);
	if (dcd_ref_btf_memory(&refs->btf) > memory_size) {
		return DCD_ERR_MALFORMED;
	}
	return dcd_ref_btf_open(&refs->btf, refs->base, refs->lessons + ((size_t)1 << refs->lesson_bits));
}

static struct dcd_ref_lesson *lesson_of(const struct dcd_ref_piece *piece, uint64_t target, uint32_t *ret_key)
{
	uint64_t hash = (target + ((uint64_t)piece->region->module << 40)) * UINT64_C(0x9e3779b97f4a7c15);
	*ret_key = (uint32_t)hash;
	return &piece->refs->lessons[hash >> (64 - piece->refs->lesson_bits)];
}

uint64_t dcd_ref_map_shift(const struct dcd_ref_map *map, const struct dcd_ref_module *module, uint64_t address)
{
	const struct dcd_ref_step *steps = map->steps + module->steps_first;
	uint64_t offset = address - module->low;
	uint32_t low = 0, high = module->steps_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (steps[middle].start <= offset) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low == 0 ? 0 : steps[low - 1].shift;
}

static bool is_local(const struct dcd_ref_piece *piece, uint64_t target)
{
	return target - piece->old_va < piece->len;
}

/* Where the old address went: the copy itself knows best, then the last reference to it, then the map. */
static uint64_t resolve(const struct dcd_ref_piece *piece, uint64_t target)
{
	if (is_local(piece, target)) {
		return target + (piece->new_va - piece->old_va);
	}
	uint32_t key;
	const struct dcd_ref_lesson *lesson = lesson_of(piece, target, &key);
	if (lesson->key == key) {
		return target + (uint64_t)(int64_t)lesson->shift;
	}
	const struct dcd_ref_map *map = &piece->refs->map;
	return target + dcd_ref_map_shift(map, &map->modules[piece->region->module], target);
}

static void learn(const struct dcd_ref_piece *piece, uint64_t target, uint64_t actual)
{
	int64_t shift = (int64_t)(actual - target);
	uint32_t key;
	if (!is_local(piece, target) && shift >= INT32_MIN && shift <= INT32_MAX) {
		struct dcd_ref_lesson *lesson = lesson_of(piece, target, &key);
		*lesson = (struct dcd_ref_lesson){ key, (int32_t)shift };
	}
}

static uint64_t new_origin(const struct dcd_ref_piece *piece)
{
	return piece->region->origin + piece->region->origin_shift;
}

/* The field for `target`, or `old` when no whole number gives it. */
static uint32_t index_of(const struct dcd_ref_piece *piece, uint64_t target, uint32_t old)
{
	int32_t scale = piece->region->scale;
	uint64_t distance = target - new_origin(piece);
	if (scale < 0) {
		distance = 0U - distance;
		scale = -scale;
	}
	if (scale == 1) {
		return (uint32_t)distance;
	}
	uint32_t rest;
	uint64_t index = dcd_ref_divide(distance, (uint32_t)scale, &rest);
	return rest == 0 ? (uint32_t)index : old;
}

/* Of the fields from DCD_FIELD_A64_B on, which are parts of instructions. */
static struct dcd_ref_spelling spelling_of(enum dcd_ref_field field)
{
	return field >= DCD_FIELD_RV_JUMP  ? dcd_ref_riscv_spelling()
	       : field >= DCD_FIELD_PREL31 ? dcd_ref_arm_spelling()
					   : dcd_ref_a64_spelling();
}

/* Spells `target` in the new image into the field: the bits of `mask`, where it is a word. */
static void field_write(const struct dcd_ref_piece *piece, const struct dcd_ref_found *found, uint32_t mask, uint8_t *field,
			uint64_t target)
{
	uint64_t va = piece->new_va + found->pos;
	if (found->field == DCD_FIELD_ABS64) {
		dcd_le32_put(field, (uint32_t)target);
		dcd_le32_put(field + 4, (uint32_t)(target >> 32));
		return;
	}
	if (found->field == DCD_FIELD_INDEX24) {
		uint32_t index = index_of(piece, target, dcd_ref_be24_get(field));
		field[0] = (uint8_t)(index >> 16);
		field[1] = (uint8_t)(index >> 8);
		field[2] = (uint8_t)index;
		return;
	}
	uint32_t old = dcd_le32_get(field), value;
	switch (found->field) {
	case DCD_FIELD_ABS32:
		value = (uint32_t)target;
		break;
	case DCD_FIELD_PC32:
		value = (uint32_t)(target - va - found->skip);
		break;
	case DCD_FIELD_LITERAL:
		value = (uint32_t)(target - found->new_base);
		break;
	case DCD_FIELD_BACK32:
		value = (uint32_t)(va - target);
		break;
	case DCD_FIELD_INDEX:
		value = index_of(piece, target, old);
		break;
	case DCD_FIELD_INFO32:
		value = index_of(piece, target, old >> 8) << 8;
		break;
	default:
		value = spelling_of(found->field).bits(found, old, va, target);
		break;
	}
	dcd_le32_put(field, (old & ~mask) | (value & mask));
}

/* Where the settled field leads; false when it is no longer such a field. `old` is what it was. */
static bool field_read(const struct dcd_ref_piece *piece, const struct dcd_ref_found *found, const uint8_t *field,
		       const uint8_t *old_field, uint64_t *ret)
{
	uint64_t va = piece->new_va + found->pos;
	if (found->field == DCD_FIELD_INDEX24) {
		*ret = new_origin(piece) + dcd_ref_be24_get(field) * (uint64_t)(int64_t)piece->region->scale;
		return true;
	}
	uint32_t value = dcd_le32_get(field), changed = value ^ dcd_le32_get(old_field);
	switch (found->field) {
	case DCD_FIELD_ABS64:
		*ret = dcd_le64_get(field);
		return true;
	case DCD_FIELD_ABS32: /* extended as it was */
		*ret = found->target >> 32 != 0 ? dcd_ref_sign(value, 32) : value;
		return true;
	case DCD_FIELD_PC32:
		*ret = va + found->skip + dcd_ref_sign(value, 32);
		return true;
	case DCD_FIELD_LITERAL:
		*ret = (uint32_t)found->new_base + value;
		return true;
	case DCD_FIELD_BACK32:
		*ret = va - value;
		return true;
	case DCD_FIELD_INDEX:
		*ret = new_origin(piece) + dcd_ref_sign(value, 32) * (uint64_t)(int64_t)piece->region->scale;
		return true;
	case DCD_FIELD_INFO32:
		*ret = new_origin(piece) + (value >> 8) * (uint64_t)(int64_t)piece->region->scale;
		return (changed & 0xff) == 0;
	case DCD_FIELD_INDEX24:
		return false;
	default:
		return spelling_of(found->field).target(found, value, changed, va, ret);
	}
}

static uint32_t field_mask(const struct dcd_ref_found *found, const uint8_t *old)
{
	if (found->field >= DCD_FIELD_A64_B) {
		return spelling_of(found->field).mask(found->field, dcd_le32_get(old));
	}
	return found->field == DCD_FIELD_INFO32 ? 0xffffff00 : UINT32_MAX;
}

static uint8_t field_width(enum dcd_ref_field field)
{
	return field == DCD_FIELD_ABS64 ? 8 : field == DCD_FIELD_INDEX24 ? 3 : 4;
}

int dcd_ref_settle_to(struct dcd_ref_piece *piece, size_t end)
{
	if (end <= piece->done) {
		return 0;
	}
	uint8_t *bytes = piece->bytes + piece->done;
	size_t len = end - piece->done;
	piece->done = end;
	return piece->refs->settle(piece->refs->context, bytes, len);
}

static bool gate_open(const struct dcd_refs *refs, const struct dcd_ref_site *site)
{
	size_t block = site->at / DCD_GATE_BLOCK;
	return block >= refs->gate_count || (refs->gates[block] >> site->gate & 1) == 0;
}

int dcd_ref_settle(struct dcd_ref_piece *piece, const struct dcd_ref_site *site)
{
	size_t pos = site->at - piece->at;
	int err = dcd_ref_settle_to(piece, pos);
	if (err != 0) {
		return err;
	}
	if (gate_open(piece->refs, site)) {
		memcpy(piece->bytes + pos, site->predicted, site->width);
	}
	return dcd_ref_settle_to(piece, pos + site->width);
}

int dcd_ref_take(struct dcd_ref_piece *piece, const struct dcd_ref_found *found)
{
	struct dcd_refs *refs = piece->refs;
	struct dcd_ref_site site = { .at = piece->at + found->pos,
				     .width = field_width(found->field),
				     .gate = found->gate,
				     .region = (uint32_t)(piece->region - refs->map.regions),
				     .local = is_local(piece, found->target),
				     .target = found->target };
	const uint8_t *field = piece->bytes + found->pos;
	memcpy(site.old, field, site.width);
	site.mask = field_mask(found, field);
	memcpy(site.predicted, field, site.width);
	field_write(piece, found, site.mask, site.predicted, resolve(piece, found->target));
	int err = dcd_ref_settle(piece, &site);
	if (err != 0) {
		return err;
	}
	site.known = field_read(piece, found, field, site.old, &site.actual);
	if (site.known) {
		learn(piece, found->target, site.actual);
	}
	if (refs->watch != NULL) {
		refs->watch(refs->context, &site, field);
	}
	return 0;
}

static int piece_scan(struct dcd_ref_piece *piece)
{
	switch (piece->region->kind) {
	case DCD_REGION_POINTERS:
	case DCD_REGION_JUMPS:
		return dcd_ref_scan_pointers(piece);
	case DCD_REGION_X86_64:
		return dcd_ref_scan_x86_64(piece);
	case DCD_REGION_AARCH64:
		return dcd_ref_scan_aarch64(piece);
	case DCD_REGION_UNWIND:
		return dcd_ref_scan_unwind(piece);
	case DCD_REGION_A32:
		return dcd_ref_scan_a32(piece);
	case DCD_REGION_T32:
		return dcd_ref_scan_t32(piece);
	case DCD_REGION_EXIDX:
		return dcd_ref_scan_exidx(piece);
	case DCD_REGION_RISCV:
		return dcd_ref_scan_riscv(piece);
	case DCD_REGION_POINTERS32:
		return dcd_ref_scan_pointers32(piece);
	case DCD_REGION_RECORDS:
	case DCD_REGION_RECORDS32:
	case DCD_REGION_RELATIVE:
		return dcd_ref_scan_records(piece);
	case DCD_REGION_SEQUENCE:
		return dcd_ref_scan_sequence(piece);
	case DCD_REGION_BTF:
		return dcd_ref_scan_btf(piece);
	case DCD_REGION_KINDS:
		break;
	}
	return DCD_ERR_BUG;
}

/* The first region that ends behind `base`. */
static size_t region_first(const struct dcd_ref_map *map, uint64_t base)
{
	size_t low = 0, high = map->region_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (map->regions[middle].base + map->regions[middle].len <= base) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

void dcd_refs_extra(struct dcd_refs *refs, size_t at, const uint8_t *bytes, size_t len)
{
	if (refs->btf.present) {
		dcd_ref_btf_pass(&refs->btf, at, bytes, len);
	}
}

/* The part of a copy that lies in no region. */
static int outside_settle(struct dcd_refs *refs, size_t at, uint8_t *bytes, size_t len)
{
	int err = refs->settle(refs->context, bytes, len);
	if (err == 0) {
		dcd_refs_extra(refs, at, bytes, len);
	}
	return err;
}

int dcd_refs_copy(struct dcd_refs *refs, uint64_t segment_offset, size_t at, uint64_t base, uint8_t *bytes, size_t len)
{
	size_t done = 0;
	for (size_t i = region_first(&refs->map, base); i < refs->map.region_count; i++) {
		const struct dcd_ref_region *region = &refs->map.regions[i];
		uint64_t from = region->base > base + done ? region->base - base : done;
		if (from >= len) {
			break;
		}
		size_t start = (size_t)from;
		size_t end = (size_t)dcd_min_u64(len, region->base + region->len - base);
		int err = start > done ? outside_settle(refs, at + done, bytes + done, start - done) : 0;
		struct dcd_ref_piece piece = { .refs = refs,
					       .region = region,
					       .bytes = bytes + start,
					       .len = end - start,
					       .at = at + start,
					       .old_va = region->va + (base + start - region->base) };
		piece.new_va = piece.old_va + (segment_offset + at - base) + region->adjust;
		err = err != 0 ? err : piece_scan(&piece);
		err = err != 0 ? err : dcd_ref_settle_to(&piece, piece.len);
		if (err != 0) {
			return err;
		}
		dcd_refs_extra(refs, piece.at, piece.bytes, piece.len);
		done = end;
	}
	return done == len ? 0 : outside_settle(refs, at + done, bytes + done, len - done);
}
