/*
 * References in copied machine code (DCD_FILTER_REFERENCES). When code moves, each pointer, call and branch to it changes by an
 * amount that follows from where old addresses went. The frame's MAP stream says that; this recognises references in the
 * *old* bytes of a copy, writes what they ought to be in the new image, and lets the caller correct the result. Each correction
 * also teaches: the next reference to the same old address goes where the last one went.
 *
 * Freestanding. Encoder and decoder run this same code, so a prediction may be wrong, never different. Nothing here can
 * leave the bytes it is given: addresses are only numbers, compared modulo 2^64.
 */
#ifndef DCD_BSDIFF_APPLY_REFS_H
#define DCD_BSDIFF_APPLY_REFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bsdiff/apply/refs_btf.h"
#include "bsdiff/format.h"

/* A run of the base whose bytes have addresses. Regions are in ascending order and don't overlap. */
struct dcd_ref_region {
	uint64_t base;   /* offset in the base, bytes */
	uint64_t len;    /* bytes, over 0 */
	uint64_t va;     /* old address of the first byte */
	uint64_t adjust; /* a copied byte's new address: its old one + (new offset - old offset) + adjust */
	/* DCD_REGION_RECORDS: a field stands for the address origin + scale * field. */
	uint64_t origin;       /* old address */
	uint64_t origin_shift; /* the new one - the old one */
	uint32_t stride;       /* bytes of a record, a multiple of 4; the first begins with the region */
	uint32_t fields; /* bit i: the word at 4 * i of each record is a field; DCD_REGION_RECORDS32: and as format.h says */
	int32_t scale;   /* not 0; below it, addresses fall as fields grow */
	uint32_t module;
	enum dcd_region_kind kind;
};

/* From address `start` on, up to the next step: old addresses have moved by `shift`. */
struct dcd_ref_step {
	uint64_t start;
	uint64_t shift;
};

/* One linked file, which has an address space of its own. */
struct dcd_ref_module {
	uint64_t low;   /* first old address */
	uint64_t span;  /* bytes; a value outside is no reference; may go on at 0 behind 2^64 */
	uint32_t plain; /* x86-64 code may hold the addresses of this many bytes from `low` on in 32 bits */
	uint32_t steps_first;
	uint32_t steps_count;
};

/* Where an old address was last seen to have gone. */
struct dcd_ref_lesson {
	uint32_t key;
	int32_t shift;
};

/* A word of 32-bit ARM's literal pools that code before it has named: what it says is a distance. */
struct dcd_ref_literal {
	uint32_t owner;      /* the module's number + 1; 0: empty */
	uint32_t va;         /* old address of the word */
	uint32_t old_anchor; /* where the distance counts from */
	uint32_t new_anchor;
};
#define DCD_REF_LITERALS 128 /* more than that, and the oldest are forgotten */

struct dcd_ref_map {
	struct dcd_ref_region *regions;
	struct dcd_ref_step *steps;
	struct dcd_ref_module *modules;
	size_t region_count;
	size_t step_count;
	size_t module_count;
};

/* One reference, as the encoder sees it when it watches. */
struct dcd_ref_site {
	size_t at;     /* in the segment */
	uint8_t width; /* bytes of the field */
	enum dcd_gate gate;
	uint32_t region; /* index */
	bool local;      /* the target lies in the piece of the copy that the reference is in */
	bool known;      /* `actual` is */
	uint32_t mask;   /* width 4: the bits of the field that hold the reference */
	uint64_t target; /* old address referred to */
	uint64_t actual; /* where the corrected field leads */
	uint8_t old[8];
	uint8_t predicted[8];
};

struct dcd_refs {
	struct dcd_reader *base; /* for DCD_REGION_BTF; the caller's, set before dcd_refs_open() */
	struct dcd_ref_map map;
	struct dcd_ref_btf btf;
	struct dcd_ref_lesson *lessons;
	unsigned lesson_bits;
	struct dcd_ref_literal literals[DCD_REF_LITERALS]; /* those to come */
	uint32_t literal_turn;                             /* the next one's place */
	const uint8_t *gates;                              /* null: everything is predicted */
	size_t gate_count;
	/* Makes the next `len` bytes of the segment, predicted in place, what they are in the new image. 0 or the error to end
	 * with. */
	int (*settle)(void *context, uint8_t *bytes, size_t len);
	/* For the encoder, null on a device: called after each reference has been settled. */
	void (*watch)(void *context, const struct dcd_ref_site *site, const uint8_t *settled);
	void *context;
};

/* Workspace bytes for the map and what is learned, from an address aligned to 16; dcd_ref_btf_memory() comes on top. */
uint64_t dcd_refs_memory(uint64_t modules, uint64_t regions, uint64_t steps, uint32_t segment_len);

/*
 * Reads a MAP stream into `memory` and forgets all lessons. DCD_ERR_MALFORMED (also when memory_size is too small, which the
 * header's max_scratch promised not to be); DCD_ERR_UNSUPPORTED for a kind of region from later; with DCD_REGION_BTF also what
 * reading the base fails with.
 */
DCD_NODISCARD int dcd_refs_open(struct dcd_refs *refs, const uint8_t *stream, size_t len, uint32_t segment_len, void *memory,
				size_t memory_size);

/* By how much the map says that an address of the module has moved. */
uint64_t dcd_ref_map_shift(const struct dcd_ref_map *map, const struct dcd_ref_module *module, uint64_t address);

/* Forgets all lessons and literals. */
void dcd_refs_forget(struct dcd_refs *refs);

/*
 * Predicts and settles one copy: bytes[0..len), read from the base at `base`, at `at` of the segment, itself at segment_offset.
 * Everything of the segment before `at` was a copy as well, or given to dcd_refs_extra().
 */
DCD_NODISCARD int dcd_refs_copy(struct dcd_refs *refs, uint64_t segment_offset, size_t at, uint64_t base, uint8_t *bytes,
				size_t len);

/* Tells of bytes of the segment that no copy gave: at `at`, `len` of them. */
void dcd_refs_extra(struct dcd_refs *refs, size_t at, const uint8_t *bytes, size_t len);

#endif
