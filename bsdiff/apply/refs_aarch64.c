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
	return is_add(word) ? imm : imm << dcd_ref_a64_scale(word);
}

static uint64_t page_of(uint32_t word, uint64_t va)
{
	uint64_t imm = dcd_ref_sign((uint64_t)(word >> 5 & 0x7ffff) << 2 | (word >> 29 & 3), 21);
	return (va & ~(uint64_t)0xfff) + (imm << 12);
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
				       .new_page = base->new_page };
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
