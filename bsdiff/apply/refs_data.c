/* References in data: pointers, and the two unwind tables. */
#include "base/le.h"
#include "bsdiff/apply/refs_scan.h"

/* Addresses below this are small numbers more often than pointers. */
#define POINTER_MIN 0x1000U

int dcd_ref_scan_pointers(struct dcd_ref_piece *piece)
{
	size_t pos = (size_t)(0U - piece->old_va) & 7;
	for (; pos <= piece->len && piece->len - pos >= 8; pos += 8) {
		uint64_t target = dcd_le64_get(piece->bytes + pos);
		if (target < POINTER_MIN || !dcd_ref_inside(piece, target)) {
			continue;
		}
		struct dcd_ref_found found = { .pos = pos, .field = DCD_FIELD_ABS64, .gate = DCD_GATE_POINTER, .target = target };
		int err = dcd_ref_take(piece, &found);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

int dcd_ref_scan_offsets(struct dcd_ref_piece *piece)
{
	size_t pos = (size_t)(0U - piece->old_va) & 3;
	for (; pos <= piece->len && piece->len - pos >= 4; pos += 4) {
		uint64_t target = piece->region->va + dcd_ref_sign(dcd_le32_get(piece->bytes + pos), 32);
		if (!dcd_ref_inside(piece, target)) {
			continue;
		}
		struct dcd_ref_found found = { .pos = pos, .field = DCD_FIELD_OFFSET, .gate = DCD_GATE_UNWIND, .target = target };
		int err = dcd_ref_take(piece, &found);
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
		struct dcd_ref_found found = { .pos = pos + 8, .field = DCD_FIELD_PC32, .gate = DCD_GATE_UNWIND };
		if (!unwind_entry(piece, pos, &length, &found.target)) {
			pos += 4;
			continue;
		}
		int err = dcd_ref_take(piece, &found);
		if (err != 0) {
			return err;
		}
		pos += 4 + (size_t)length;
	}
	return 0;
}
