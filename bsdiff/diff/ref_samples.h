/* Where references lead: lists of samples, which are what the steps of an address map are fitted to. */
#ifndef DCD_BSDIFF_DIFF_REF_SAMPLES_H
#define DCD_BSDIFF_DIFF_REF_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* In the new image a reference to `target` of the base leads to target + shift. */
struct dcd_ref_sample {
	uint32_t module;
	uint64_t target;
	uint64_t shift;
};

/* Zero-initialised is empty. */
struct dcd_ref_samples {
	struct dcd_ref_sample *items;
	size_t count;
	size_t capacity;
};

/*
 * Adds; of samples that are alike two are enough (bsdiff/diff/step_map.h), and others are dropped when the list would grow. 0 or
 * DCD_ERR_NO_MEMORY.
 */
DCD_NODISCARD int dcd_ref_samples_add(struct dcd_ref_samples *samples, const struct dcd_ref_sample *items, size_t count);
void dcd_ref_samples_free(struct dcd_ref_samples *samples);

/*
 * Sorts by module, target (signed: a kernel's addresses are negative, but its per-processor data begin at 0) and shift
 * (unsigned). With as much memory again in linear time, unless a target has many shifts.
 */
void dcd_ref_samples_sort(struct dcd_ref_sample *items, size_t count);

#endif
