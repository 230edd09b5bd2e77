/*
 * References in RISC-V code: jumps, branches, and AUIPC with the instruction that adds or goes through its low 12 bits.
 * Encodings: The RISC-V Instruction Set Manual, volume I, 2.3 and 2.5. Compressed branches stay in their function and are left
 * alone.
 */
#include "base/le.h"
#include "bsdiff/apply/refs_scan.h"

#define PAIR_DISTANCE 64 /* bytes from an AUIPC within which its register still counts as its */
#define PAIR_LOOK 12     /* instructions behind an AUIPC that are searched for its low bits */

enum {
	OPCODE_LOAD = 0x03,
	OPCODE_LOAD_FP = 0x07,
	OPCODE_ADDI = 0x13,
	OPCODE_AUIPC = 0x17,
	OPCODE_STORE = 0x23,
	OPCODE_STORE_FP = 0x27,
	OPCODE_BRANCH = 0x63,
	OPCODE_JALR = 0x67,
	OPCODE_JAL = 0x6f,
};

/* A register that an AUIPC has set: what it holds, in the old and in the new image. */
struct upper_register {
	uint64_t old_value;
	uint64_t new_value;
	size_t at; /* of the AUIPC in the piece */
	bool set;
};

struct riscv_scan {
	struct dcd_ref_piece *piece;
	struct upper_register registers[32];
};

static unsigned opcode(uint32_t word)
{
	return word & 0x7f;
}

static bool is_store(uint32_t word)
{
	return opcode(word) == OPCODE_STORE || opcode(word) == OPCODE_STORE_FP;
}

/* Adds 12 bits to its first operand: ADDI, loads, stores, JALR. */
static bool is_low(uint32_t word)
{
	bool plain = (word >> 12 & 7) == 0;
	return is_store(word) || opcode(word) == OPCODE_LOAD || opcode(word) == OPCODE_LOAD_FP ||
	       (plain && (opcode(word) == OPCODE_ADDI || opcode(word) == OPCODE_JALR));
}

static uint64_t low_value(uint32_t word)
{
	return dcd_ref_sign(is_store(word) ? (word >> 25) << 5 | (word >> 7 & 31) : word >> 20, 12);
}

static uint64_t upper_value(uint32_t word)
{
	return dcd_ref_sign(word & 0xfffff000, 32);
}

static uint64_t jump_distance(uint32_t word)
{
	return dcd_ref_sign((word >> 31) << 20 | (word >> 12 & 0xff) << 12 | (word >> 20 & 1) << 11 | (word >> 21 & 0x3ff) << 1,
			    21);
}

static uint32_t jump_bits(uint32_t distance)
{
	return (distance >> 20 & 1) << 31 | (distance >> 1 & 0x3ff) << 21 | (distance >> 11 & 1) << 20 |
	       (distance >> 12 & 0xff) << 12;
}

static uint64_t branch_distance(uint32_t word)
{
	return dcd_ref_sign((word >> 31) << 12 | (word >> 7 & 1) << 11 | (word >> 25 & 0x3f) << 5 | (word >> 8 & 15) << 1, 13);
}

static uint32_t branch_bits(uint32_t distance)
{
	return (distance >> 12 & 1) << 31 | (distance >> 5 & 0x3f) << 25 | (distance >> 1 & 15) << 8 | (distance >> 11 & 1) << 7;
}

static uint32_t riscv_mask(enum dcd_ref_field field, uint32_t old)
{
	switch (field) {
	case DCD_FIELD_RV_BRANCH:
		return 0xfe000f80;
	case DCD_FIELD_RV_LOW:
		return is_store(old) ? 0xfe000f80 : 0xfff00000;
	default: /* DCD_FIELD_RV_JUMP, _UPPER */
		return 0xfffff000;
	}
}

static uint32_t riscv_bits(const struct dcd_ref_found *found, uint32_t old, uint64_t va, uint64_t target)
{
	uint32_t distance = (uint32_t)(target - va);
	switch (found->field) {
	case DCD_FIELD_RV_JUMP:
		return jump_bits(distance);
	case DCD_FIELD_RV_BRANCH:
		return branch_bits(distance);
	case DCD_FIELD_RV_UPPER: /* the low 12 bits are signed */
		return distance + 0x800;
	default: {
		uint32_t low = (uint32_t)(target - found->new_base);
		return is_store(old) ? (low >> 5 & 0x7f) << 25 | (low & 31) << 7 : low << 20;
	}
	}
}

static bool riscv_target(const struct dcd_ref_found *found, uint32_t value, uint32_t changed, uint64_t va, uint64_t *ret)
{
	if ((changed & ~riscv_mask(found->field, value)) != 0) {
		return false;
	}
	switch (found->field) {
	case DCD_FIELD_RV_JUMP:
		*ret = va + jump_distance(value);
		return true;
	case DCD_FIELD_RV_BRANCH:
		*ret = va + branch_distance(value);
		return true;
	case DCD_FIELD_RV_LOW:
		*ret = found->new_base + low_value(value);
		return true;
	default: /* DCD_FIELD_RV_UPPER is half an address: what adds to it teaches */
		return false;
	}
}

struct dcd_ref_spelling dcd_ref_riscv_spelling(void)
{
	return (struct dcd_ref_spelling){ riscv_mask, riscv_bits, riscv_target };
}

static size_t length_at(const uint8_t *code)
{
	return (code[0] & 3) == 3 ? 4 : 2;
}

static int take_inside(struct dcd_ref_piece *piece, const struct dcd_ref_found *found)
{
	return dcd_ref_inside(piece, found->target) ? dcd_ref_take(piece, found) : 0;
}

/* The other half of what the AUIPC at `pos` begins stands in one of the next instructions, which are still old bytes. */
static uint64_t upper_target(const struct dcd_ref_piece *piece, size_t pos, uint32_t word)
{
	uint64_t value = piece->old_va + pos + upper_value(word);
	size_t at = pos + 4;
	for (unsigned i = 0; i < PAIR_LOOK && at <= piece->len && piece->len - at >= 4; i++) {
		uint32_t other = dcd_le32_get(piece->bytes + at);
		if ((other >> 15 & 31) == (word >> 7 & 31) && is_low(other)) {
			return value + low_value(other);
		}
		at += length_at(piece->bytes + at);
	}
	return value;
}

static int scan_upper(struct riscv_scan *s, size_t pos, uint32_t word)
{
	struct dcd_ref_piece *piece = s->piece;
	struct upper_register *reg = &s->registers[word >> 7 & 31];
	const struct dcd_ref_found found = {
		.pos = pos, .field = DCD_FIELD_RV_UPPER, .gate = DCD_GATE_DATA, .target = upper_target(piece, pos, word)
	};
	reg->set = false;
	if (!dcd_ref_inside(piece, found.target)) {
		return 0;
	}
	int err = dcd_ref_take(piece, &found);
	uint32_t settled = dcd_le32_get(piece->bytes + pos);
	if (err == 0 && ((settled ^ word) & 0xfff) == 0) {
		*reg = (struct upper_register){ piece->old_va + pos + upper_value(word),
						piece->new_va + pos + upper_value(settled), pos, true };
	}
	return err;
}

static int scan_low(struct riscv_scan *s, size_t pos, uint32_t word)
{
	struct upper_register *base = &s->registers[word >> 15 & 31];
	if (!base->set || pos - base->at > PAIR_DISTANCE) {
		return 0;
	}
	const struct dcd_ref_found found = { .pos = pos,
					     .field = DCD_FIELD_RV_LOW,
					     .gate = DCD_GATE_LOW,
					     .target = base->old_value + low_value(word),
					     .new_base = base->new_value };
	/* Written over by itself: the upper part is gone. */
	if (!is_store(word) && (word >> 7 & 31) == (word >> 15 & 31)) {
		base->set = false;
	}
	return take_inside(s->piece, &found);
}

static int scan_word(struct riscv_scan *s, size_t pos, uint32_t word)
{
	uint64_t va = s->piece->old_va + pos;
	struct dcd_ref_found found = { .pos = pos };
	switch (opcode(word)) {
	case OPCODE_JAL:
		found.field = DCD_FIELD_RV_JUMP;
		found.gate = DCD_GATE_CALL;
		found.target = va + jump_distance(word);
		return take_inside(s->piece, &found);
	case OPCODE_BRANCH:
		found.field = DCD_FIELD_RV_BRANCH;
		found.gate = DCD_GATE_BRANCH;
		found.target = va + branch_distance(word);
		return take_inside(s->piece, &found);
	case OPCODE_AUIPC:
		return scan_upper(s, pos, word);
	default:
		return is_low(word) ? scan_low(s, pos, word) : 0;
	}
}

int dcd_ref_scan_riscv(struct dcd_ref_piece *piece)
{
	struct riscv_scan s = { .piece = piece };
	size_t pos = (size_t)(0U - piece->old_va) & 1;
	while (pos <= piece->len && piece->len - pos >= 4) {
		size_t length = length_at(piece->bytes + pos);
		int err = length == 4 ? scan_word(&s, pos, dcd_le32_get(piece->bytes + pos)) : 0;
		if (err != 0) {
			return err;
		}
		pos += length;
	}
	return 0;
}
