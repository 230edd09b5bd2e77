/*
 * BTF, the kernel's description of its own types, word by word (include/uapi/linux/btf.h of Linux): which words are type ids and
 * which are names. Encoder and decoder walk it alike; whatever the words say, a walk goes on. Freestanding.
 */
#ifndef DCD_BSDIFF_APPLY_BTF_WALK_H
#define DCD_BSDIFF_APPLY_BTF_WALK_H

#include <stdbool.h>
#include <stdint.h>

enum dcd_btf_role {
	DCD_BTF_PLAIN,
	DCD_BTF_NAME, /* offset of a string, 0: none */
	DCD_BTF_TYPE, /* id of a type, 0: void */
};

/* Where in a type the next word is. Zero-initialised: at the begin of one. */
struct dcd_btf_walk {
	uint32_t word; /* of the type: 0 name, 1 info, 2 size or type, then what the kind asks for */
	uint32_t info;
};

/* What follows a type's three words: `fixed` words, or `repeat` words for each of its elements; roles of two bits each. */
struct dcd_btf_tail {
	uint8_t fixed;
	uint8_t repeat;
	uint8_t roles;
	bool refers; /* the third word is a type */
};

#define DCD_BTF_ROLES(a, b, c) (uint8_t)((a) | (b) << 2 | (c) << 4)

static inline struct dcd_btf_tail dcd_btf_tail(uint32_t info)
{
	enum { P = DCD_BTF_PLAIN, N = DCD_BTF_NAME, T = DCD_BTF_TYPE };
	switch (info >> 24 & 0x1f) {
	case 1: /* integer */
		return (struct dcd_btf_tail){ 1, 0, P, false };
	case 3: /* array */
		return (struct dcd_btf_tail){ 3, 0, DCD_BTF_ROLES(T, T, P), false };
	case 4: /* struct */
	case 5: /* union */
		return (struct dcd_btf_tail){ 0, 3, DCD_BTF_ROLES(N, T, P), false };
	case 6: /* enum */
		return (struct dcd_btf_tail){ 0, 2, DCD_BTF_ROLES(N, P, P), false };
	case 13: /* function prototype */
		return (struct dcd_btf_tail){ 0, 2, DCD_BTF_ROLES(N, T, P), true };
	case 14: /* variable */
	case 17: /* tag of a declaration */
		return (struct dcd_btf_tail){ 1, 0, P, true };
	case 15: /* section */
		return (struct dcd_btf_tail){ 0, 3, DCD_BTF_ROLES(T, P, P), false };
	case 19: /* enum of 64 bits */
		return (struct dcd_btf_tail){ 0, 3, DCD_BTF_ROLES(N, P, P), false };
	case 2:  /* pointer */
	case 8:  /* typedef */
	case 9:  /* volatile */
	case 10: /* const */
	case 11: /* restrict */
	case 12: /* function */
	case 18: /* tag of a type */
		return (struct dcd_btf_tail){ 0, 0, P, true };
	default:
		return (struct dcd_btf_tail){ 0, 0, P, false };
	}
}

/* What the next word is. */
static inline enum dcd_btf_role dcd_btf_role(const struct dcd_btf_walk *walk)
{
	if (walk->word < 2) {
		return walk->word == 0 ? DCD_BTF_NAME : DCD_BTF_PLAIN;
	}
	struct dcd_btf_tail tail = dcd_btf_tail(walk->info);
	if (walk->word == 2) {
		return tail.refers ? DCD_BTF_TYPE : DCD_BTF_PLAIN;
	}
	uint32_t place = walk->word - 3;
	place = tail.repeat == 2 ? place & 1 : tail.repeat == 3 ? place % 3 : place;
	return (enum dcd_btf_role)(tail.roles >> 2 * place & 3);
}

/* Takes the next word. True when it was a type's last. */
static inline bool dcd_btf_step(struct dcd_btf_walk *walk, uint32_t value)
{
	if (walk->word == 1) {
		walk->info = value;
	}
	walk->word++;
	if (walk->word < 3) {
		return false;
	}
	struct dcd_btf_tail tail = dcd_btf_tail(walk->info);
	uint32_t words = 3 + (uint32_t)tail.fixed + tail.repeat * (walk->info & 0xffff);
	if (walk->word < words) {
		return false;
	}
	walk->word = 0;
	return true;
}

#endif
