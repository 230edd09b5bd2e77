/* References in data: pointers, and the two unwind tables. */
#include "base/le.h"
#include "bsdiff/apply/refs_scan.h"

/* Addresses below this are small numbers more often than pointers. */
#define POINTER_MIN 0x1000U
#define JUMP_MIN 0x1000U

static bool pointer_at(const struct dcd_ref_piece *piece, size_t pos, struct dcd_ref_found *ret)
{
	if ((piece->old_va + pos) % 8 != 0 || piece->len - pos < 8) {
		return false;
	}
	uint64_t target = dcd_le64_get(piece->bytes + pos);
	*ret = (struct dcd_ref_found){ .pos = pos, .field = DCD_FIELD_ABS64, .gate = DCD_GATE_POINTER, .target = target };
	return target >= POINTER_MIN && dcd_ref_inside(piece, target);
}

static bool pointer32_at(const struct dcd_ref_piece *piece, size_t pos, struct dcd_ref_found *ret)
{
	uint32_t target = dcd_le32_get(piece->bytes + pos);
	*ret = (struct dcd_ref_found){ .pos = pos, .field = DCD_FIELD_ABS32, .gate = DCD_GATE_POINTER, .target = target };
	return target >= POINTER_MIN && dcd_ref_inside(piece, target);
}

/*
 * An entry of a jump table is the distance from the table's start, which nobody tells us, to code. Taken from the entry itself it
 * is wrong by where the entry stands in its table, which is little: both places lie in one function and move alike.
 */
static bool jump_at(const struct dcd_ref_piece *piece, size_t pos, struct dcd_ref_found *ret)
{
	uint64_t distance = dcd_ref_sign(dcd_le32_get(piece->bytes + pos), 32);
	*ret = (struct dcd_ref_found){
		.pos = pos, .field = DCD_FIELD_PC32, .gate = DCD_GATE_TABLE, .target = piece->old_va + pos + distance
	};
	return 0U - distance >= JUMP_MIN && 0U - distance <= INT32_MAX && dcd_ref_inside(piece, ret->target);
}

int dcd_ref_scan_pointers(struct dcd_ref_piece *piece)
{
	bool jumps = piece->region->kind == DCD_REGION_JUMPS;
	size_t pos = (size_t)(0U - piece->old_va) & 3;
	while (pos <= piece->len && piece->len - pos >= 4) {
		struct dcd_ref_found found;
		if (!pointer_at(piece, pos, &found) && !(jumps && jump_at(piece, pos, &found))) {
			pos += 4;
			continue;
		}
		int err = dcd_ref_take(piece, &found);
		if (err != 0) {
			return err;
		}
		pos += found.field == DCD_FIELD_ABS64 ? 8 : 4;
	}
	return 0;
}

int dcd_ref_scan_pointers32(struct dcd_ref_piece *piece)
{
	size_t pos = (size_t)(0U - piece->old_va) & 3;
	for (; pos <= piece->len && piece->len - pos >= 4; pos += 4) {
		struct dcd_ref_found found;
		int err = pointer32_at(piece, pos, &found) ? dcd_ref_take(piece, &found) : 0;
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

/* The field at pos, whose place in its record is `place`; or a pointer there. Its width, 0 when it is neither. */
static size_t record_field(const struct dcd_ref_piece *piece, size_t pos, uint32_t place, struct dcd_ref_found *ret)
{
	const struct dcd_ref_region *region = piece->region;
	if ((region->fields >> place / 4 & 1) == 0 && region->kind == DCD_REGION_RECORDS32) {
		bool pointer = (region->fields >> (place / 4 + DCD_RECORD_POINTERS) & 1) != 0 && pointer32_at(piece, pos, ret);
		return pointer ? 4 : 0;
	}
	if ((region->fields >> place / 4 & 1) == 0) {
		/* A word whose second half is a field is no pointer. */
		bool pointer = place + 8 <= region->stride && (region->fields >> (place / 4 + 1) & 1) == 0 &&
			       pointer_at(piece, pos, ret);
		return pointer ? 8 : 0;
	}
	uint64_t value = dcd_ref_sign(dcd_le32_get(piece->bytes + pos), 32);
	*ret = (struct dcd_ref_found){ .pos = pos, .field = DCD_FIELD_INDEX, .gate = DCD_GATE_TABLE };
	ret->target = region->origin + value * (uint64_t)(int64_t)region->scale;
	if (region->kind == DCD_REGION_RECORDS32 && region->stride == DCD_RECORD_REL) {
		ret->field = DCD_FIELD_INFO32;
		value = (uint32_t)value >> 8;
		ret->target = region->origin + value * (uint64_t)(int64_t)region->scale;
	}
	if (region->kind == DCD_REGION_RELATIVE) {
		ret->field = DCD_FIELD_PC32;
		ret->target = piece->old_va + pos + value;
	}
	return value != 0 && dcd_ref_inside(piece, ret->target) ? 4 : 0;
}

int dcd_ref_scan_records(struct dcd_ref_piece *piece)
{
	const struct dcd_ref_region *region = piece->region;
	/* Records begin with the region, wherever that is; fields at multiples of 4 from there. */
	uint64_t start = piece->old_va - region->va;
	size_t pos = (size_t)(0U - start) & 3;
	uint32_t place; /* of pos in its record */
	(void)dcd_ref_divide(start + pos, region->stride, &place);
	while (pos <= piece->len && piece->len - pos >= 4) {
		struct dcd_ref_found found;
		size_t width = record_field(piece, pos, place, &found);
		int err = width > 0 ? dcd_ref_take(piece, &found) : 0;
		if (err != 0) {
			return err;
		}
		width = width > 0 ? width : 4; /* never more than what is left of the record */
		pos += width;
		place += (uint32_t)width;
		place -= place >= region->stride ? region->stride : 0;
	}
	return 0;
}

int dcd_ref_scan_sequence(struct dcd_ref_piece *piece)
{
	const struct dcd_ref_region *region = piece->region;
	uint32_t place; /* of the piece in its number */
	(void)dcd_ref_divide(piece->old_va - region->va, 3, &place);
	for (size_t pos = place == 0 ? 0 : 3 - place; pos <= piece->len && piece->len - pos >= 3; pos += 3) {
		struct dcd_ref_found found = { .pos = pos, .field = DCD_FIELD_INDEX24, .gate = DCD_GATE_TABLE };
		found.target = region->origin + dcd_ref_be24_get(piece->bytes + pos) * (uint64_t)(int64_t)region->scale;
		int err = dcd_ref_inside(piece, found.target) ? dcd_ref_take(piece, &found) : 0;
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

#define ENTRY_MIN 12U
#define ENTRY_MAX 4096U

/*
 * Is there a frame description entry at pos: length, distance back to its common entry inside the region, code address of this
 * module? A copy begins anywhere, so this looks at each word until an entry fits, and then from entry to entry.
 */
static bool unwind_entry(const struct dcd_ref_piece *piece, size_t pos, uint32_t *ret_length, uint64_t *ret_target)
{
	uint32_t length = dcd_le32_get(piece->bytes + pos), back = dcd_le32_get(piece->bytes + pos + 4);
	uint64_t va = piece->old_va + pos;
	if (length < ENTRY_MIN || length > ENTRY_MAX || (length & 3) != 0 || back == 0 || back > va + 4 - piece->region->va) {
		return false;
	}
	*ret_length = length;
	*ret_target = va + 8 + dcd_ref_sign(dcd_le32_get(piece->bytes + pos + 8), 32);
	return dcd_ref_inside(piece, *ret_target);
}

int dcd_ref_scan_unwind(struct dcd_ref_piece *piece)
{
	size_t pos = (size_t)(0U - piece->old_va) & 3;
	while (pos <= piece->len && piece->len - pos >= ENTRY_MIN) {
		uint32_t length;
		struct dcd_ref_found found = { .pos = pos + 8, .field = DCD_FIELD_PC32, .gate = DCD_GATE_TABLE };
		if (!unwind_entry(piece, pos, &length, &found.target)) {
			pos += 4;
			continue;
		}
		struct dcd_ref_found common = { .pos = pos + 4, .field = DCD_FIELD_BACK32, .gate = DCD_GATE_TABLE };
		common.target = piece->old_va + pos + 4 - dcd_le32_get(piece->bytes + pos + 4);
		int err = dcd_ref_take(piece, &common);
		err = err != 0 ? err : dcd_ref_take(piece, &found);
		if (err != 0) {
			return err;
		}
		pos += 4 + (size_t)length;
	}
	return 0;
}
