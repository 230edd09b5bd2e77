/* From what references were seen to do, the cheapest step function "old address -> shift" that explains them. */
#ifndef DCD_BSDIFF_DIFF_STEP_MAP_H
#define DCD_BSDIFF_DIFF_STEP_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "bsdiff/apply/refs.h"
#include "bsdiff/diff/ref_samples.h"

/* Zero-initialised is empty. */
struct dcd_step_map {
	struct dcd_ref_step *steps; /* starts are offsets from the module's low address */
	size_t count;
	size_t capacity;
};

/*
 * Appends the steps for samples[0..count), all of one module and sorted by dcd_ref_samples_sort(). Minimises steps and
 * mispredicted targets together. 0 or DCD_ERR_NO_MEMORY.
 */
DCD_NODISCARD int dcd_step_map_fit(struct dcd_step_map *map, const struct dcd_ref_sample *samples, size_t count, uint64_t low);
void dcd_step_map_free(struct dcd_step_map *map);

#endif
