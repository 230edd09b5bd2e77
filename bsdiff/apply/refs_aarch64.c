/* References in AArch64 code: branches, pc-relative loads, and ADRP with the instruction that adds the low 12 bits. */
#include "base/le.h"
#include "bsdiff/apply/refs_scan.h"

#define PAIR_DISTANCE 64 /* bytes from an ADRP within which its register still counts as its */
#define PAIR_LOOK 8      /* instructions behind an ADRP that are searched for its low bits */

/* A register that an ADRP has set. */
struct page_register {
	uint64_t old_page;
	uint64_t new_page;
	size_t at; /* of the ADRP in the piece */
	bool set;
};

struct a64_scan {
	struct dcd_ref_piece *piece;
	struct page_register registers[32];
};

/* log2 of the access size of an AArch64 load or store with unsigned offset. */
static unsigned access_scale(uint32_t word)
{
	return (word & 0x04800000) == 0x04800000 && word >> 30 == 0 ? 4 : word >> 30;
}

static bool is_add(uint32_t word)
{
	return (word & 0xffc00000) == 0x91000000;
}

/* A load or store with an unsigned scaled offset. */
static bool is_access(uint32_t word)
{
	return (word & 0x3b000000) == 0x39000000;
}

static uint64_t low_bits(uint32_t word)
{
	uint64_t imm = word >> 10 & 0xfff;
	return is_add(word) ? imm : imm << access_scale(word);
}

static uint64_t page_of(uint32_t word, uint64_t va)
{
	uint64_t imm = dcd_ref_sign((uint64_t)(word >> 5 & 0x7ffff) << 2 | (word >> 29 & 3), 21);
	return (va & ~(uint64_t)0xfff) + (imm << 12);
}

static uint32_t a64_mask(enum dcd_ref_field field, uint32_t old)
{
	(void)old;
	switch (field) {
	case DCD_FIELD_A64_B:
		return 0x03ffffff;
	case DCD_FIELD_A64_CB:
		return 0x00ffffe0;
	case DCD_FIELD_A64_PAGE:
		return 0x60ffffe0;
	default: /* DCD_FIELD_A64_ADD, _MEM */
		return 0x003ffc00;
	}
}

static uint32_t a64_bits(const struct dcd_ref_found *found, uint32_t old, uint64_t va, uint64_t target)
{
	uint32_t pages = (uint32_t)((target >> 12) - (va >> 12));
	switch (found->field) {
	case DCD_FIELD_A64_B:
		return (uint32_t)((target - va) >> 2);
	case DCD_FIELD_A64_CB:
		return (uint32_t)((target - va) >> 2) << 5;
	case DCD_FIELD_A64_PAGE:
		return (pages & 3) << 29 | (pages >> 2) << 5;
	case DCD_FIELD_A64_ADD:
		return (uint32_t)target << 10;
	default: /* DCD_FIELD_A64_MEM */
		return (((uint32_t)target & 0xfff) >> access_scale(old)) << 10;
	}
}

/* Another register is no other instruction. */
static bool a64_target(const struct dcd_ref_found *found, uint32_t value, uint32_t changed, uint64_t va, uint64_t *ret)
{
	switch (found->field) {
	case DCD_FIELD_A64_B:
		*ret = va + (dcd_ref_sign(value, 26) << 2);
		return (changed & 0xfc000000) == 0;
	case DCD_FIELD_A64_CB:
		*ret = va + (dcd_ref_sign(value >> 5, 19) << 2);
		return (changed & 0xff000000) == 0;
	case DCD_FIELD_A64_ADD:
		*ret = found->new_base + (value >> 10 & 0xfff);
		return (changed & 0xffc00000) == 0;
	case DCD_FIELD_A64_MEM:
		*ret = found->new_base + ((uint64_t)(value >> 10 & 0xfff) << access_scale(value));
		return (changed & 0xffc00000) == 0;
	default: /* DCD_FIELD_A64_PAGE is half an address: its ADD or LDR teaches */
		return false;
	}
}

struct dcd_ref_spelling dcd_ref_a64_spelling(void)
{
	return (struct dcd_ref_spelling){ a64_mask, a64_bits, a64_target };
}

static int scan_branch(struct a64_scan *s, size_t pos, uint32_t word)
{
	bool far = (word & 0x7c000000) == 0x14000000;
	uint64_t distance = far ? dcd_ref_sign(word, 26) : dcd_ref_sign(word >> 5, 19);
	struct dcd_ref_found found = { .pos = pos,
				       .field = far ? DCD_FIELD_A64_B : DCD_FIELD_A64_CB,
				       .gate = far ? DCD_GATE_CALL : DCD_GATE_BRANCH,
				       .target = s->piece->old_va + pos + (distance << 2) };
	return dcd_ref_inside(s->piece, found.target) ? dcd_ref_take(s->piece, &found) : 0;
}

/* An ADRP's page is half an address; the other half stands in one of the next instructions, which are still old bytes. */
static int scan_page(struct a64_scan *s, size_t pos, uint32_t word)
{
	struct dcd_ref_piece *piece = s->piece;
	uint64_t page = page_of(word, piece->old_va + pos), target = page;
	uint32_t reg = word & 31;
	for (size_t next = pos + 4; next <= pos + 4 * PAIR_LOOK && piece->len - next >= 4; next += 4) {
		uint32_t other = dcd_le32_get(piece->bytes + next);
		if ((other >> 5 & 31) == reg && (is_add(other) || is_access(other))) {
			target = page + low_bits(other);
			break;
		}
	}
	s->registers[reg].set = false;
	if (!dcd_ref_inside(piece, target)) {
		return 0;
	}
	struct dcd_ref_found found = { .pos = pos, .field = DCD_FIELD_A64_PAGE, .gate = DCD_GATE_DATA, .target = target };
	int err = dcd_ref_take(piece, &found);
	uint32_t settled = dcd_le32_get(piece->bytes + pos);
	if (err == 0 && (settled & 0x9f00001f) == (word & 0x9f00001f)) {
		s->registers[reg] = (struct page_register){ page, page_of(settled, piece->new_va + pos), pos, true };
	}
	return err;
}

static int scan_low(struct a64_scan *s, size_t pos, uint32_t word)
{
	struct page_register *base = &s->registers[word >> 5 & 31];
	if (!base->set || pos - base->at > PAIR_DISTANCE) {
		return 0;
	}
	struct dcd_ref_found found = { .pos = pos,
				       .field = is_add(word) ? DCD_FIELD_A64_ADD : DCD_FIELD_A64_MEM,
				       .gate = DCD_GATE_LOW,
				       .target = base->old_page + low_bits(word),
				       .new_base = base->new_page };
	/* Written over by itself: the page is gone. */
	if ((word & 31) == (word >> 5 & 31)) {
		base->set = false;
	}
	return dcd_ref_inside(s->piece, found.target) ? dcd_ref_take(s->piece, &found) : 0;
}

static int scan_word(struct a64_scan *s, size_t pos, uint32_t word)
{
	if ((word & 0x7c000000) == 0x14000000 || (word & 0xff000010) == 0x54000000 || (word & 0x7e000000) == 0x34000000 ||
	    ((word & 0x3b000000) == 0x18000000 && word >> 30 != 3)) {
		return scan_branch(s, pos, word);
	}
	if ((word & 0x9f000000) == 0x90000000) {
		return scan_page(s, pos, word);
	}
	return is_add(word) || is_access(word) ? scan_low(s, pos, word) : 0;
}

int dcd_ref_scan_aarch64(struct dcd_ref_piece *piece)
{
	struct a64_scan s = { .piece = piece };
	size_t pos = (size_t)(0U - piece->old_va) & 3;
	for (; pos <= piece->len && piece->len - pos >= 4; pos += 4) {
		int err = scan_word(&s, pos, dcd_le32_get(piece->bytes + pos));
		if (err != 0) {
			return err;
		}
	}
	return 0;
}
