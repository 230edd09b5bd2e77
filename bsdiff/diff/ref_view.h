/*
 * Matching is done on a view of base and image in which each reference is replaced by a number for what it refers to, in terms of
 * the new image. Code that differs only in where it and its targets lie is then equal, byte for byte.
 */
#ifndef DCD_BSDIFF_DIFF_REF_VIEW_H
#define DCD_BSDIFF_DIFF_REF_VIEW_H

#include "bsdiff/diff/ref_model.h"
#include "bsdiff/diff/step_map.h"

/* Zero-initialised is empty. The memory is the view's: as much as what isn't zero in the base. */
struct dcd_ref_view {
	struct dcd_bytes base;
	struct dcd_ref_module *new_modules; /* the context's, as the predictor wants them */
};

/*
 * Makes the base's view. `samples` (by old module, in any order; sorted here) say where old targets went. 0 or DCD_ERR_NO_MEMORY.
 */
DCD_NODISCARD int dcd_ref_view_new(const struct dcd_ref_context *context, struct dcd_ref_sample *samples, size_t count,
				   struct dcd_ref_view *ret);
void dcd_ref_view_free(struct dcd_ref_view *view);

/*
 * The view of one segment of the new image, made in `room` (segment->len bytes) whenever it is needed: all of them at once would
 * take as much memory as the image. A reference that the segment's end cuts stays as it is. DCD_ERR_NO_MEMORY.
 */
DCD_NODISCARD int dcd_ref_view_segment(const struct dcd_ref_view *view, const struct dcd_ref_context *context,
				       const struct dcd_segment *segment, uint8_t *room, struct dcd_segment *ret);

#endif
