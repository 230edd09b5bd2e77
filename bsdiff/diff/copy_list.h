/*
 * Copies: where bytes of a segment come from in the base. A seed is a copy without differences; dcd_copy_list_extend() grows
 * seeds over regions that are nearly alike, as bsdiff does.
 */
#ifndef DCD_BSDIFF_DIFF_COPY_LIST_H
#define DCD_BSDIFF_DIFF_COPY_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "bsdiff/diff/encode.h"

struct dcd_copy {
	uint32_t at;   /* in the segment */
	uint32_t len;  /* bytes */
	uint64_t base; /* in the base */
};

/* In ascending order of `at`, without overlap. Zero-initialised is empty. */
struct dcd_copy_list {
	struct dcd_copy *items;
	size_t count;
	size_t capacity;
};

/* One segment of the new image. */
struct dcd_segment {
	const uint8_t *data;
	uint32_t len;    /* bytes */
	uint32_t index;  /* number of the segment */
	uint64_t offset; /* in the image */
};

DCD_NODISCARD int dcd_copy_list_add(struct dcd_copy_list *list, struct dcd_copy copy);
/* The same copies; what was in `to` goes. Its capacity is above zero afterwards, also for none. */
DCD_NODISCARD int dcd_copy_list_copy(const struct dcd_copy_list *from, struct dcd_copy_list *to);
void dcd_copy_list_free(struct dcd_copy_list *list);

/*
 * Replaces ret's content by `seeds` grown forwards and backwards while more than half of the bytes agree, neighbours on one
 * diagonal joined. Linear in the segment's length.
 */
DCD_NODISCARD int dcd_copy_list_extend(const struct dcd_copy_list *seeds, const struct dcd_bytes *base,
				       const struct dcd_segment *segment, struct dcd_copy_list *ret);

#endif
