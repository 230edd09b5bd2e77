/*
 * Predicting BTF, the kernel's types (DCD_REGION_BTF). Types are numbered in order, and strings are named by their place, so
 * every type that comes or goes changes most words behind it; a parallel build even shuffles them. Where copied types and
 * strings have gone is known from the copies themselves, and a string that is named for the first time lies behind the one
 * before. Freestanding; private to bsdiff/apply.
 */
#ifndef DCD_BSDIFF_APPLY_REFS_BTF_H
#define DCD_BSDIFF_APPLY_REFS_BTF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/reader.h"
#include "bsdiff/apply/btf_walk.h"

/* Numbers of what begins where: a bit for each place, and how many begin before each block of bits. */
struct dcd_ref_starts {
	uint32_t *bits;
	uint32_t *ranks;
	uint32_t places;
};

struct dcd_ref_btf {
	/* From the MAP stream. */
	bool present;
	uint64_t base;        /* of the types, offset in the base */
	uint32_t types_len;   /* bytes; the strings follow */
	uint32_t strings_len; /* bytes */
	uint32_t types;       /* how many the base has; ids are from 1 on */
	uint32_t strings;     /* how many, the empty one included */
	uint32_t first;       /* in the segment: where the first new type begins */
	uint32_t end;         /* in the segment: behind its last new type */
	uint32_t id;          /* of the first new type, and then of the current one */
	uint32_t next;        /* where the next string that has not been named yet will lie */
	/* The old types and strings, and where they went; 0: not known yet. */
	struct dcd_ref_starts type_starts;   /* places: words */
	struct dcd_ref_starts string_starts; /* places: bytes */
	uint32_t *new_ids;
	uint32_t *new_strings;
	/* The walk over the new types. */
	struct dcd_btf_walk walk;
	uint32_t at;        /* in the segment: the next word */
	uint8_t partial[4]; /* its first bytes, when it began in other bytes than it ends in */
	uint8_t partial_len;
	uint32_t old_id;   /* of the current type, when it was copied; else 0 */
	uint32_t old_next; /* behind the string that was last named for the first time: where it was, and where it is */
	uint32_t new_next;
};

/* Workspace bytes, from an address aligned to 4. */
uint64_t dcd_ref_btf_memory(const struct dcd_ref_btf *btf);

/*
 * Reads the old types and strings through `base`, in small pieces, and forgets what was learned. `memory` has
 * dcd_ref_btf_memory() bytes. DCD_ERR_WRONG_BASE when the base has no such bytes; otherwise what reading fails with.
 */
DCD_NODISCARD int dcd_ref_btf_open(struct dcd_ref_btf *btf, struct dcd_reader *base, void *memory);

/* Walks over the segment's bytes [at, at + len), which are settled; those that it has passed already don't matter. */
void dcd_ref_btf_pass(struct dcd_ref_btf *btf, size_t at, const uint8_t *bytes, size_t len);

#endif
