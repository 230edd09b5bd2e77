/*
 * Matching is done on a view of both images in which each reference is replaced by a number for what it refers to, in terms of
 * the new image. Code that differs only in where it and its targets lie is then equal, byte for byte.
 */
#ifndef DCD_BSDIFF_DIFF_REF_VIEW_H
#define DCD_BSDIFF_DIFF_REF_VIEW_H

#include "bsdiff/diff/base_coverage.h"
#include "bsdiff/diff/ref_model.h"
#include "bsdiff/diff/step_map.h"

/* Zero-initialised is empty. The memory is the view's: as much as both images, less what is zeros in them. */
struct dcd_ref_view {
	struct dcd_bytes base;
	struct dcd_bytes image;
};

/*
 * Makes both views; that of the image only where pieces of `granule` bytes have regions in them (0: all of it), and zeros
 * elsewhere. `samples` (by old module, in any order; sorted here) say where old targets went. 0 or DCD_ERR_NO_MEMORY.
 */
DCD_NODISCARD int dcd_ref_view_new(const struct dcd_ref_context *context, const struct dcd_bytes *image,
				   const struct dcd_base_ranges *seen, struct dcd_ref_sample *samples, size_t count,
				   struct dcd_ref_view *ret);
void dcd_ref_view_free(struct dcd_ref_view *view);

#endif
