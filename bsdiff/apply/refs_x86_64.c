/*
 * References in x86-64 code. Instructions have no alignment and a copy begins anywhere, so nothing is disassembled: a byte that
 * looks like an opcode, with a 32-bit field behind it that leads into the module, is taken for one.
 */
#include "base/le.h"
#include "bsdiff/apply/refs_scan.h"

/* One-byte opcodes with a ModRM operand that compilers use with rip-relative addresses, as bits. */
static const uint32_t modrm_opcodes[8] = {
	0x0a0a0a0a, /* 00-1f: 01 03 09 0b 11 13 19 1b */
	0x0a0a0a0a, /* 20-3f: 21 23 29 2b 31 33 39 3b */
	0x00000000, /* 40-5f */
	0x00000a08, /* 60-7f: 63 69 6b */
	0x00002ffb, /* 80-9f: 80 81 83-8b 8d */
	0x00000000, /* a0-bf */
	0x000a00c3, /* c0-df: c0 c1 c6 c7 d1 d3 */
	0xc0c00000, /* e0-ff: f6 f7 fe ff */
};

static bool takes_modrm(uint8_t opcode)
{
	return (modrm_opcodes[opcode >> 5] >> (opcode & 31) & 1) != 0;
}

/* Bytes of immediate behind the displacement: the address is relative to the instruction's end. */
static unsigned immediate_length(uint8_t opcode, uint8_t modrm)
{
	switch (opcode) {
	case 0x80:
	case 0x83:
	case 0xc6:
	case 0x6b:
	case 0xc0:
	case 0xc1:
		return 1;
	case 0x81:
	case 0xc7:
	case 0x69:
		return 4;
	case 0xf6:
		return (modrm >> 3 & 7) < 2 ? 1 : 0;
	case 0xf7:
		return (modrm >> 3 & 7) < 2 ? 4 : 0;
	default:
		return 0;
	}
}

static bool rip_relative(uint8_t modrm)
{
	return (modrm & 0xc7) == 0x05;
}

/* Where the field of an instruction at `code` would be, 0 for none; `code` has 7 bytes. */
static size_t field_at(const uint8_t *code, enum dcd_gate *gate, uint64_t *skip)
{
	*skip = 4;
	if (code[0] == 0xe8 || code[0] == 0xe9) {
		*gate = DCD_GATE_CALL;
		return 1;
	}
	if (code[0] == 0x0f && (code[1] & 0xf0) == 0x80) {
		*gate = DCD_GATE_BRANCH;
		return 2;
	}
	*gate = DCD_GATE_DATA;
	if (rip_relative(code[1]) && takes_modrm(code[0])) {
		*skip = 4 + immediate_length(code[0], code[1]);
		return 2;
	}
	return code[0] == 0x0f && rip_relative(code[2]) ? 3 : 0;
}

/*
 * Programs linked to a fixed address below 4 GiB have plain 32-bit addresses in their code, and so have kernels in the last 2
 * GiB: theirs are sign-extended.
 */
static uint64_t plain_address(uint32_t value, const struct dcd_ref_module *module)
{
	return module->low >> 63 != 0 ? dcd_ref_sign(value, 32) : value;
}

/* Is there a reference at or just behind `pos`? */
static bool reference_at(const struct dcd_ref_piece *piece, size_t pos, const struct dcd_ref_module *module,
			 struct dcd_ref_found *ret)
{
	size_t at = field_at(piece->bytes + pos, &ret->gate, &ret->skip);
	if (at != 0) {
		ret->field = DCD_FIELD_PC32;
		ret->pos = pos + at;
		ret->target = piece->old_va + ret->pos + ret->skip + dcd_ref_sign(dcd_le32_get(piece->bytes + ret->pos), 32);
		if (dcd_ref_inside(piece, ret->target)) {
			return true;
		}
	}
	uint64_t target = plain_address(dcd_le32_get(piece->bytes + pos), module);
	if (target - module->low >= module->plain) {
		return false;
	}
	*ret = (struct dcd_ref_found){ .pos = pos, .field = DCD_FIELD_ABS32, .gate = DCD_GATE_LOW, .target = target };
	return true;
}

int dcd_ref_scan_x86_64(struct dcd_ref_piece *piece)
{
	const struct dcd_ref_module *module = &piece->refs->map.modules[piece->region->module];
	size_t pos = 0;
	while (piece->len - pos >= 7) {
		struct dcd_ref_found found;
		if (!reference_at(piece, pos, module, &found)) {
			pos++;
			continue;
		}
		int err = dcd_ref_take(piece, &found);
		if (err != 0) {
			return err;
		}
		pos = found.pos + 4;
	}
	return 0;
}
