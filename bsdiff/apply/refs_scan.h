/* What the scanners of refs_*.c share with refs.c: a piece of a copy that lies in one region. Private to bsdiff/apply. */
#ifndef DCD_BSDIFF_APPLY_REFS_SCAN_H
#define DCD_BSDIFF_APPLY_REFS_SCAN_H

#include "bsdiff/apply/refs.h"

/* How a field spells its target. */
enum dcd_ref_field {
	DCD_FIELD_ABS64,   /* the address */
	DCD_FIELD_ABS32,   /* the address, zero-extended */
	DCD_FIELD_PC32,    /* 32 bits from an address `skip` bytes behind the field's first */
	DCD_FIELD_BACK32,  /* 32 bits from the target to the field */
	DCD_FIELD_INDEX,   /* 32 bits in units of the region's scale from its origin */
	DCD_FIELD_INDEX24, /* likewise, 24 bits, the highest byte first */
	DCD_FIELD_INFO32,  /* likewise, the upper 24 bits of a word */
	DCD_FIELD_LITERAL, /* 32 bits from an anchor that lies elsewhere */
	DCD_FIELD_A64_B,   /* from here on, refs_aarch64.c knows how they are spelled: imm26 words */
	DCD_FIELD_A64_CB,  /* imm19 words */
	DCD_FIELD_A64_PAGE,
	DCD_FIELD_A64_ADD, /* imm12 bytes */
	DCD_FIELD_A64_MEM, /* imm12 units of the access size */
	DCD_FIELD_PREL31,  /* from here on, refs_arm.c: 31 bits from the field */
	DCD_FIELD_T32_CALL,
	DCD_FIELD_T32_BRANCH,
	DCD_FIELD_T32_MOVE,
	DCD_FIELD_A32_BRANCH,
	DCD_FIELD_A32_MOVE,
	DCD_FIELD_A32_LINK, /* a part of what is added to an address `skip` bytes behind the field's first */
	DCD_FIELD_RV_JUMP,  /* from here on, refs_riscv.c */
	DCD_FIELD_RV_BRANCH,
	DCD_FIELD_RV_UPPER,
	DCD_FIELD_RV_LOW,
};

struct dcd_ref_piece {
	struct dcd_refs *refs;
	const struct dcd_ref_region *region;
	uint8_t *bytes; /* [0..done) are new, the rest still old */
	size_t len;
	size_t done;
	size_t at;       /* of bytes[0] in the segment */
	uint64_t old_va; /* of bytes[0] */
	uint64_t new_va;
};

/* A reference that a scanner has recognised. */
struct dcd_ref_found {
	size_t pos; /* of the field, at least piece->done; it lies inside the piece */
	enum dcd_ref_field field;
	enum dcd_gate gate;
	uint64_t skip;     /* DCD_FIELD_PC32, _A32_LINK */
	uint64_t target;   /* old address */
	uint64_t new_base; /* what the new code adds the field to, where that isn't the field's own place: a page, a register's
			      lower half, a literal's anchor */
};

/* True for an address of the piece's module. */
static inline bool dcd_ref_inside(const struct dcd_ref_piece *piece, uint64_t va)
{
	const struct dcd_ref_module *module = &piece->refs->map.modules[piece->region->module];
	return va - module->low < module->span;
}

/* Predicts and settles everything up to the field's end, and learns. */
DCD_NODISCARD int dcd_ref_take(struct dcd_ref_piece *piece, const struct dcd_ref_found *found);

/* Settles everything up to `end` of the piece that isn't yet. */
DCD_NODISCARD int dcd_ref_settle_to(struct dcd_ref_piece *piece, size_t end);

/* Settles everything up to the site's end, with what is predicted at the site unless its gate is closed. */
DCD_NODISCARD int dcd_ref_settle(struct dcd_ref_piece *piece, const struct dcd_ref_site *site);

/* The scanners: find every reference of the piece in order. What lies behind the last one is settled by their caller. */
DCD_NODISCARD int dcd_ref_scan_pointers(struct dcd_ref_piece *piece);
DCD_NODISCARD int dcd_ref_scan_pointers32(struct dcd_ref_piece *piece);
DCD_NODISCARD int dcd_ref_scan_records(struct dcd_ref_piece *piece);
DCD_NODISCARD int dcd_ref_scan_sequence(struct dcd_ref_piece *piece);
DCD_NODISCARD int dcd_ref_scan_btf(struct dcd_ref_piece *piece);
DCD_NODISCARD int dcd_ref_scan_unwind(struct dcd_ref_piece *piece);
DCD_NODISCARD int dcd_ref_scan_x86_64(struct dcd_ref_piece *piece);
DCD_NODISCARD int dcd_ref_scan_aarch64(struct dcd_ref_piece *piece);
DCD_NODISCARD int dcd_ref_scan_a32(struct dcd_ref_piece *piece);
DCD_NODISCARD int dcd_ref_scan_t32(struct dcd_ref_piece *piece);
DCD_NODISCARD int dcd_ref_scan_exidx(struct dcd_ref_piece *piece);
DCD_NODISCARD int dcd_ref_scan_riscv(struct dcd_ref_piece *piece);

/* How the fields of one machine's code are spelled, in a word at address `va`. */
struct dcd_ref_spelling {
	/* The bits that hold the reference. */
	uint32_t (*mask)(enum dcd_ref_field field, uint32_t old);
	/* What `target`, a new address, asks for in them; the other bits don't count. */
	uint32_t (*bits)(const struct dcd_ref_found *found, uint32_t old, uint64_t va, uint64_t target);
	/* Where `value` leads. False when the field alone doesn't say, or `changed` (from the old word) that it is none any more.
	 */
	bool (*target)(const struct dcd_ref_found *found, uint32_t value, uint32_t changed, uint64_t va, uint64_t *ret);
};

/* Made when asked for: a table of functions would be data that a loader has to relocate, where there may be no loader. */
struct dcd_ref_spelling dcd_ref_a64_spelling(void);
struct dcd_ref_spelling dcd_ref_arm_spelling(void);
struct dcd_ref_spelling dcd_ref_riscv_spelling(void);

/*
 * value / divisor, which isn't 0; *ret_rest is the remainder. Bit by bit where 64-bit division would be an import: small
 * processors have none.
 */
static inline uint64_t dcd_ref_divide(uint64_t value, uint32_t divisor, uint32_t *ret_rest)
{
#if UINTPTR_MAX > UINT32_MAX
	*ret_rest = (uint32_t)(value % divisor);
	return value / divisor;
#else
	uint64_t quotient = 0, rest = 0;
	for (unsigned bit = 64; bit-- > 0;) {
		rest = rest << 1 | (value >> bit & 1);
		quotient <<= 1;
		if (rest >= divisor) {
			rest -= divisor;
			quotient |= 1;
		}
	}
	*ret_rest = (uint32_t)rest;
	return quotient;
#endif
}

/* Three bytes, the highest first. */
static inline uint32_t dcd_ref_be24_get(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

/* Sign-extends the low `bits` bits. */
static inline uint64_t dcd_ref_sign(uint64_t value, unsigned bits)
{
	uint64_t sign = (uint64_t)1 << (bits - 1);
	return ((value & (2 * sign - 1)) ^ sign) - sign;
}

#endif
