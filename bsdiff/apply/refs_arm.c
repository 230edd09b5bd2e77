/*
 * References in 32-bit ARM code, A32 and T32 (Thumb): branches, pairs of MOVW and MOVT, entries of the procedure linkage table,
 * and the words of literal pools that hold the distance from an `ADD Rd, PC` to what the code means. Encodings: ARM DDI 0406C, A6
 * and A8.
 */
#include "base/le.h"
#include "bsdiff/apply/refs_scan.h"

#define LITERAL_LOOK 16  /* instructions behind a load that are searched for what adds PC */
#define PAIR_LOOK 8      /* ... behind a MOVW for its MOVT */
#define PAIR_DISTANCE 64 /* bytes from a MOVW within which its register still counts as its */

/* A register that a MOVW has set. */
struct half_register {
	uint32_t old_low;
	uint32_t new_low;
	size_t at;
	bool set;
};

struct arm_scan {
	struct dcd_ref_piece *piece;
	struct half_register registers[16];
	size_t next; /* of the first literal to come, in the piece; SIZE_MAX: none */
};

/* ---- T32: two halfwords as one word, the first one in the low half ---- */

static bool t32_is_wide(uint32_t half)
{
	return (half & 0xf800) >= 0xe800;
}

static bool t32_is_call(uint32_t word) /* BL, BLX, B.W */
{
	uint32_t kind = word >> 28 & 13;
	return (word & 0xf800) == 0xf000 && (kind == 13 || kind == 12 || kind == 9);
}

static bool t32_is_branch(uint32_t word) /* B<c>.W */
{
	return (word & 0xf800) == 0xf000 && (word & 0xd0000000) == 0x80000000 && (word & 0x0380) != 0x0380;
}

static bool t32_is_move(uint32_t word) /* MOVW, MOVT */
{
	return (word & 0x8000fb70) == 0xf240;
}

/* A BLX leads to A32 code: it counts from a word, and reaches words. */
static uint64_t t32_call_base(uint32_t word, uint64_t va)
{
	return (word & 0xd0000000) == 0xc0000000 ? (va + 4) & ~(uint64_t)3 : va + 4;
}

static uint64_t t32_call_distance(uint32_t word)
{
	uint32_t s = word >> 10 & 1, i1 = (word >> 29 & 1) ^ s ^ 1, i2 = (word >> 27 & 1) ^ s ^ 1;
	return dcd_ref_sign(s << 24 | i1 << 23 | i2 << 22 | (word & 0x3ff) << 12 | (word >> 16 & 0x7ff) << 1, 25);
}

static uint32_t t32_call_bits(uint32_t distance)
{
	uint32_t s = distance >> 24 & 1, j1 = (distance >> 23 & 1) ^ s ^ 1, j2 = (distance >> 22 & 1) ^ s ^ 1;
	return s << 10 | (distance >> 12 & 0x3ff) | j1 << 29 | j2 << 27 | (distance >> 1 & 0x7ff) << 16;
}

static uint64_t t32_branch_distance(uint32_t word)
{
	uint32_t s = word >> 10 & 1, j1 = word >> 29 & 1, j2 = word >> 27 & 1;
	return dcd_ref_sign(s << 20 | j2 << 19 | j1 << 18 | (word & 0x3f) << 12 | (word >> 16 & 0x7ff) << 1, 21);
}

static uint32_t t32_branch_bits(uint32_t distance)
{
	return (distance >> 20 & 1) << 10 | (distance >> 19 & 1) << 27 | (distance >> 18 & 1) << 29 | (distance >> 12 & 0x3f) |
	       (distance >> 1 & 0x7ff) << 16;
}

static uint32_t t32_move_value(uint32_t word)
{
	return (word & 15) << 12 | (word >> 10 & 1) << 11 | (word >> 28 & 7) << 8 | (word >> 16 & 0xff);
}

static uint32_t t32_move_bits(uint32_t value)
{
	return (value >> 12 & 15) | (value >> 11 & 1) << 10 | (value >> 8 & 7) << 28 | (value & 0xff) << 16;
}

/* ---- A32 ---- */

static bool a32_is_branch(uint32_t word) /* B, BL, BLX */
{
	return (word & 0x0e000000) == 0x0a000000;
}

static bool a32_is_move(uint32_t word) /* MOVW, MOVT */
{
	return (word & 0x0fb00000) == 0x03000000 && word >> 28 != 15;
}

/* BLX leads to T32 code: one bit tells of the odd halfword. */
static uint64_t a32_branch_distance(uint32_t word)
{
	uint64_t odd = word >> 28 == 15 ? word >> 23 & 2 : 0;
	return (dcd_ref_sign(word, 24) << 2) + odd;
}

static uint32_t a32_branch_bits(uint32_t distance)
{
	return (distance & 2) << 23 | (distance >> 2 & 0x00ffffff);
}

static uint32_t a32_move_value(uint32_t word)
{
	return (word >> 4 & 0xf000) | (word & 0xfff);
}

static uint32_t a32_move_bits(uint32_t value)
{
	return (value & 0xf000) << 4 | (value & 0xfff);
}

/* Entries of the procedure linkage table: ADD ip, pc, #a << 20; ADD ip, ip, #b << 12; LDR pc, [ip, #c]!: what each one adds. */
static bool a32_link_part(uint32_t word, unsigned part, uint32_t *ret)
{
	static const uint32_t opcodes[3] = { 0xe28fc600, 0xe28cca00, 0xe5bcf000 };
	static const uint32_t masks[3] = { 0xff, 0xff, 0xfff };
	static const unsigned shifts[3] = { 20, 12, 0 };
	*ret = (word & masks[part]) << shifts[part];
	return (word & ~masks[part]) == opcodes[part];
}

static uint32_t a32_link_bits(uint32_t old, uint32_t distance)
{
	return old >> 24 == 0xe5                  ? distance & 0xfff
	       : (old & 0x000f0000) == 0x000f0000 ? distance >> 20 & 0xff
						  : distance >> 12 & 0xff;
}

/* ---- fields ---- */

static uint32_t arm_mask(enum dcd_ref_field field, uint32_t old)
{
	switch (field) {
	case DCD_FIELD_T32_CALL:
		return 0x2fff07ff;
	case DCD_FIELD_T32_BRANCH:
		return 0x2fff043f;
	case DCD_FIELD_T32_MOVE:
		return 0x70ff040f;
	case DCD_FIELD_A32_BRANCH:
		return old >> 28 == 15 ? 0x01ffffff : 0x00ffffff;
	case DCD_FIELD_A32_MOVE:
		return 0x000f0fff;
	case DCD_FIELD_A32_LINK:
		return old >> 24 == 0xe5 ? 0xfff : 0xff;
	default:
		return 0x7fffffff; /* DCD_FIELD_PREL31 */
	}
}

static uint32_t arm_bits(const struct dcd_ref_found *found, uint32_t old, uint64_t va, uint64_t target)
{
	switch (found->field) {
	case DCD_FIELD_T32_CALL:
		return t32_call_bits((uint32_t)(target - t32_call_base(old, va)));
	case DCD_FIELD_T32_BRANCH:
		return t32_branch_bits((uint32_t)(target - (va + 4)));
	case DCD_FIELD_T32_MOVE:
		return t32_move_bits((old & 0x80) != 0 ? (uint32_t)target >> 16 : (uint32_t)target);
	case DCD_FIELD_A32_BRANCH:
		return a32_branch_bits((uint32_t)(target - (va + 8)));
	case DCD_FIELD_A32_MOVE:
		return a32_move_bits((old & 0x00400000) != 0 ? (uint32_t)target >> 16 : (uint32_t)target);
	case DCD_FIELD_A32_LINK:
		return a32_link_bits(old, (uint32_t)(target - (va + found->skip)));
	default:
		return (uint32_t)(target - va) & 0x7fffffff;
	}
}

static bool arm_target(const struct dcd_ref_found *found, uint32_t value, uint32_t changed, uint64_t va, uint64_t *ret)
{
	if ((changed & ~arm_mask(found->field, value)) != 0) {
		return false;
	}
	switch (found->field) {
	case DCD_FIELD_T32_CALL:
		*ret = t32_call_base(value, va) + t32_call_distance(value);
		return true;
	case DCD_FIELD_T32_BRANCH:
		*ret = va + 4 + t32_branch_distance(value);
		return true;
	case DCD_FIELD_T32_MOVE: /* a MOVW is half an address: its MOVT teaches */
		*ret = t32_move_value(value) << 16 | (uint32_t)found->new_base;
		return (value & 0x80) != 0;
	case DCD_FIELD_A32_BRANCH:
		*ret = va + 8 + a32_branch_distance(value);
		return true;
	case DCD_FIELD_A32_MOVE:
		*ret = a32_move_value(value) << 16 | (uint32_t)found->new_base;
		return (value & 0x00400000) != 0;
	case DCD_FIELD_PREL31:
		*ret = va + dcd_ref_sign(value, 31);
		return true;
	default: /* DCD_FIELD_A32_LINK: a third of an address */
		return false;
	}
}

struct dcd_ref_spelling dcd_ref_arm_spelling(void)
{
	return (struct dcd_ref_spelling){ arm_mask, arm_bits, arm_target };
}

/* ---- scanning ---- */

static int take_inside(struct arm_scan *s, const struct dcd_ref_found *found)
{
	return dcd_ref_inside(s->piece, found->target) ? dcd_ref_take(s->piece, found) : 0;
}

/* Where the word is in the piece, if all of it is: what an earlier copy named may lie in this one. */
static bool literal_inside(const struct dcd_ref_piece *piece, const struct dcd_ref_literal *literal, size_t *ret)
{
	uint32_t pos = literal->va - (uint32_t)piece->old_va;
	*ret = pos;
	return literal->owner == piece->region->module + 1 && pos < piece->len && piece->len - pos >= 4;
}

/* The first literal from `from` on. */
static void literal_next(struct arm_scan *s, size_t from)
{
	const struct dcd_ref_literal *literals = s->piece->refs->literals;
	s->next = SIZE_MAX;
	for (size_t i = 0; i < DCD_REF_LITERALS; i++) {
		size_t pos;
		if (literal_inside(s->piece, &literals[i], &pos) && pos >= from && pos < s->next) {
			s->next = pos;
		}
	}
}

/* A word of a pool, `offset` bytes from the piece's begin; its distance counts from `anchor` there. */
static void literal_note(struct arm_scan *s, size_t offset, size_t anchor)
{
	struct dcd_refs *refs = s->piece->refs;
	struct dcd_ref_literal *literal = &refs->literals[refs->literal_turn++ % DCD_REF_LITERALS];
	size_t pos;
	*literal = (struct dcd_ref_literal){ .owner = s->piece->region->module + 1,
					     .va = (uint32_t)(s->piece->old_va + offset),
					     .old_anchor = (uint32_t)(s->piece->old_va + anchor),
					     .new_anchor = (uint32_t)(s->piece->new_va + anchor) };
	if (literal_inside(s->piece, literal, &pos) && pos < s->next) {
		s->next = pos;
	}
}

/* The literal at s->next. When several instructions load the word, the last to say so counts. */
static int literal_take(struct arm_scan *s)
{
	struct dcd_ref_piece *piece = s->piece;
	struct dcd_ref_found found = { .pos = s->next, .field = DCD_FIELD_LITERAL, .gate = DCD_GATE_DATA };
	uint32_t value = dcd_le32_get(piece->bytes + found.pos);
	for (size_t i = 0; i < DCD_REF_LITERALS; i++) {
		struct dcd_ref_literal *literal = &piece->refs->literals[i];
		size_t pos;
		if (literal_inside(piece, literal, &pos) && pos == found.pos) {
			found.target = literal->old_anchor + value;
			found.new_base = literal->new_anchor;
			literal->owner = 0;
		}
	}
	literal_next(s, found.pos + 4);
	return take_inside(s, &found);
}

/* Takes the literal at `pos`, if one is there. */
static bool literal_at(struct arm_scan *s, size_t pos, int *ret_err)
{
	if (s->next < pos) { /* an instruction lay over it */
		literal_next(s, pos);
	}
	bool there = s->next == pos;
	*ret_err = there ? literal_take(s) : 0;
	return there;
}

/* Half an address, `value`: the lower one of found->target, or, when `top`, the upper one of what the register's MOVW began. */
static int scan_half(struct arm_scan *s, const struct dcd_ref_found *half, unsigned reg, bool top, uint32_t value)
{
	struct half_register *low = &s->registers[reg];
	struct dcd_ref_found found = *half;
	found.gate = DCD_GATE_LOW;
	if (!top) {
		low->set = false;
		if (!dcd_ref_inside(s->piece, found.target)) {
			return 0;
		}
		int err = dcd_ref_take(s->piece, &found);
		uint32_t settled = dcd_le32_get(s->piece->bytes + found.pos);
		uint32_t new_low = found.field == DCD_FIELD_T32_MOVE ? t32_move_value(settled) : a32_move_value(settled);
		*low = (struct half_register){ value, new_low, found.pos, true };
		return err;
	}
	if (!low->set || found.pos - low->at > PAIR_DISTANCE) {
		return 0;
	}
	low->set = false;
	found.target = (uint64_t)value << 16 | low->old_low;
	found.new_base = low->new_low;
	return take_inside(s, &found);
}

/* The upper half that goes with the MOVW of T32 at `pos`; false when there is none. */
static bool t32_top(const struct dcd_ref_piece *piece, size_t pos, uint32_t reg, uint32_t *ret)
{
	size_t at = pos + 4;
	for (unsigned i = 0; i < PAIR_LOOK && piece->len - at >= 4; i++) {
		uint32_t word = dcd_le32_get(piece->bytes + at);
		if (t32_is_move(word) && (word & 0x80) != 0 && (word >> 24 & 15) == reg) {
			*ret = t32_move_value(word);
			return true;
		}
		at += t32_is_wide(word & 0xffff) ? 4 : 2;
		if (at > piece->len) {
			break;
		}
	}
	return false;
}

static int t32_move(struct arm_scan *s, size_t pos, uint32_t word)
{
	uint32_t reg = word >> 24 & 15, value = t32_move_value(word), high = 0;
	bool top = (word & 0x80) != 0;
	if (!top && !t32_top(s->piece, pos, reg, &high)) {
		return 0;
	}
	const struct dcd_ref_found found = { .pos = pos, .field = DCD_FIELD_T32_MOVE, .target = (uint64_t)high << 16 | value };
	return scan_half(s, &found, reg, top, value);
}

/* A load from the pool is a reference when its register has PC added to it. */
static void t32_load(struct arm_scan *s, size_t pos, uint32_t word)
{
	struct dcd_ref_piece *piece = s->piece;
	bool wide = t32_is_wide(word & 0xffff);
	uint32_t reg = wide ? word >> 28 : word >> 8 & 7, offset = wide ? word >> 16 & 0xfff : (word & 0xff) << 2;
	uint32_t add = 0x4478 | (reg & 7) | (reg & 8) << 4;
	size_t at = pos + (wide ? 4 : 2);
	for (unsigned i = 0; i < LITERAL_LOOK && at <= piece->len && piece->len - at >= 2; i++) {
		uint32_t half = dcd_le16_get(piece->bytes + at);
		if (half == add) {
			uint64_t pc = (piece->old_va + pos + 4) & ~(uint64_t)3;
			literal_note(s, (size_t)(pc + offset - piece->old_va), at + 4);
			return;
		}
		at += t32_is_wide(half) ? 4 : 2;
	}
}

static int t32_wide(struct arm_scan *s, size_t pos, uint32_t word)
{
	uint64_t va = s->piece->old_va + pos;
	struct dcd_ref_found found = { .pos = pos };
	if (t32_is_call(word)) {
		found.field = DCD_FIELD_T32_CALL;
		found.gate = DCD_GATE_CALL;
		found.target = t32_call_base(word, va) + t32_call_distance(word);
		return take_inside(s, &found);
	}
	if (t32_is_branch(word)) {
		found.field = DCD_FIELD_T32_BRANCH;
		found.gate = DCD_GATE_BRANCH;
		found.target = va + 4 + t32_branch_distance(word);
		return take_inside(s, &found);
	}
	if (t32_is_move(word)) {
		return t32_move(s, pos, word);
	}
	if ((word & 0xffff) == 0xf8df) {
		t32_load(s, pos, word);
	}
	return 0;
}

static int t32_narrow(struct arm_scan *s, size_t pos, uint32_t half)
{
	if ((half & 0xf800) == 0x4800) {
		t32_load(s, pos, half);
	}
	return 0;
}

/* The instruction at `pos`: two bytes, or four when they are there and no literal begins in its second half. */
static size_t t32_length(const struct arm_scan *s, size_t pos)
{
	return t32_is_wide(dcd_le16_get(s->piece->bytes + pos)) && s->piece->len - pos >= 4 && s->next - pos >= 4 ? 4 : 2;
}

int dcd_ref_scan_t32(struct dcd_ref_piece *piece)
{
	struct arm_scan s = { .piece = piece };
	size_t length = 0;
	literal_next(&s, 0);
	for (size_t pos = (size_t)(0U - piece->old_va) & 1; pos <= piece->len && piece->len - pos >= 2; pos += length) {
		int err;
		if (literal_at(&s, pos, &err)) {
			length = 4;
		} else {
			length = t32_length(&s, pos);
			err = length == 4 ? t32_wide(&s, pos, dcd_le32_get(piece->bytes + pos))
					  : t32_narrow(&s, pos, dcd_le16_get(piece->bytes + pos));
		}
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

static void a32_load(struct arm_scan *s, size_t pos, uint32_t word)
{
	struct dcd_ref_piece *piece = s->piece;
	uint32_t reg = word >> 12 & 15;
	for (size_t i = 1; i <= LITERAL_LOOK && piece->len - pos >= 4 * i + 4; i++) {
		uint32_t other = dcd_le32_get(piece->bytes + pos + 4 * i);
		/* ADD Rd, PC, Rm */
		if ((other & 0x0fff0fff) == (0x008f0000 | reg)) {
			literal_note(s, pos + 8 + (word & 0xfff), pos + 4 * i + 8);
			return;
		}
	}
}

static int a32_move(struct arm_scan *s, size_t pos, uint32_t word)
{
	struct dcd_ref_piece *piece = s->piece;
	uint32_t reg = word >> 12 & 15, value = a32_move_value(word), high = 0;
	bool top = (word & 0x00400000) != 0, paired = top;
	for (size_t i = 1; !paired && i <= PAIR_LOOK && piece->len - pos >= 4 * i + 4; i++) {
		uint32_t other = dcd_le32_get(piece->bytes + pos + 4 * i);
		paired = a32_is_move(other) && (other & 0x00400000) != 0 && (other >> 12 & 15) == reg;
		high = a32_move_value(other);
	}
	const struct dcd_ref_found found = { .pos = pos, .field = DCD_FIELD_A32_MOVE, .target = (uint64_t)high << 16 | value };
	return paired ? scan_half(s, &found, reg, top, value) : 0;
}

/* The three instructions of an entry of the procedure linkage table. True when there is one at `pos`. */
static bool a32_link(struct arm_scan *s, size_t pos, int *ret_err)
{
	struct dcd_ref_piece *piece = s->piece;
	uint32_t parts[3];
	if (piece->len - pos < 12) {
		return false;
	}
	for (unsigned i = 0; i < 3; i++) {
		if (!a32_link_part(dcd_le32_get(piece->bytes + pos + 4 * (size_t)i), i, &parts[i])) {
			return false;
		}
	}
	struct dcd_ref_found found = { .field = DCD_FIELD_A32_LINK, .gate = DCD_GATE_TABLE };
	found.target = piece->old_va + pos + 8 + (parts[0] + parts[1] + parts[2]);
	*ret_err = 0;
	for (size_t i = 0; *ret_err == 0 && i < 3; i++) {
		found.pos = pos + 4 * i;
		found.skip = 8 - 4 * i;
		*ret_err = take_inside(s, &found);
	}
	return true;
}

static int a32_word(struct arm_scan *s, size_t pos, uint32_t word)
{
	if (a32_is_branch(word)) {
		const struct dcd_ref_found found = { .pos = pos,
						     .field = DCD_FIELD_A32_BRANCH,
						     .gate = word >> 28 >= 14 ? DCD_GATE_CALL : DCD_GATE_BRANCH,
						     .target = s->piece->old_va + pos + 8 + a32_branch_distance(word) };
		return take_inside(s, &found);
	}
	if (a32_is_move(word)) {
		return a32_move(s, pos, word);
	}
	if ((word & 0x0fff0000) == 0x059f0000) { /* LDR Rt, [PC, #imm] */
		a32_load(s, pos, word);
	}
	return 0;
}

int dcd_ref_scan_a32(struct dcd_ref_piece *piece)
{
	struct arm_scan s = { .piece = piece };
	size_t length = 0;
	literal_next(&s, 0);
	for (size_t pos = (size_t)(0U - piece->old_va) & 3; pos <= piece->len && piece->len - pos >= 4; pos += length) {
		int err;
		length = 4;
		if (literal_at(&s, pos, &err)) {
			/* taken */
		} else if (a32_link(&s, pos, &err)) {
			length = 12;
		} else {
			err = a32_word(&s, pos, dcd_le32_get(piece->bytes + pos));
		}
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

int dcd_ref_scan_exidx(struct dcd_ref_piece *piece)
{
	size_t pos = (size_t)(0U - piece->old_va) & 3;
	for (; pos <= piece->len && piece->len - pos >= 4; pos += 4) {
		uint32_t word = dcd_le32_get(piece->bytes + pos);
		const struct dcd_ref_found found = { .pos = pos,
						     .field = DCD_FIELD_PREL31,
						     .gate = DCD_GATE_TABLE,
						     .target = piece->old_va + pos + dcd_ref_sign(word, 31) };
		/* 1 is "can't unwind"; with the top bit set, the word is the unwinding itself. */
		int err = word > 1 && word >> 31 == 0 && dcd_ref_inside(piece, found.target) ? dcd_ref_take(piece, &found) : 0;
		if (err != 0) {
			return err;
		}
	}
	return 0;
}
