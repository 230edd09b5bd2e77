/*
 * Matching is done on a view of both images in which each reference is replaced by a number for what it refers to, in terms of
 * the new image. Code that differs only in where it and its targets lie is then equal, byte for byte.
 */
#ifndef DCD_BSDIFF_DIFF_REF_VIEW_H
#define DCD_BSDIFF_DIFF_REF_VIEW_H

#include "bsdiff/diff/byte_buffer.h"
#include "bsdiff/diff/ref_model.h"
#include "bsdiff/diff/step_map.h"

/* What the addresses of each module of an image are shown as. */
struct dcd_view_map {
	struct dcd_step_map steps;
	struct dcd_ref_module *modules;
};

/* Zero-initialised is empty. The memory is the view's: as much as the base, less what is zeros in it. */
struct dcd_ref_view {
	struct dcd_bytes base;
	bool explains;           /* the base's steps predict next to all samples: matching the view would teach nothing more */
	struct dcd_view_map map; /* of the image, whose view is made a segment at a time ... */
	uint8_t **btf;           /* ... but for BTF: the view of each region of the image that is BTF, else null */
	size_t btf_count;
};

/*
 * Makes the base's view. `samples` (by old module, in any order; sorted here) say where old targets went. 0 or
 * DCD_ERR_NO_MEMORY.
 */
DCD_NODISCARD int dcd_ref_view_new(const struct dcd_ref_context *context, struct dcd_ref_sample *samples, size_t count,
				   struct dcd_ref_view *ret);

/*
 * The view of one segment of the context's image into `ret`, whose content goes. May be called from many threads. 0 or
 * DCD_ERR_NO_MEMORY.
 */
DCD_NODISCARD int dcd_ref_view_segment(const struct dcd_ref_view *view, const struct dcd_ref_context *context,
				       const struct dcd_segment *segment, struct dcd_byte_buffer *ret);
void dcd_ref_view_free(struct dcd_ref_view *view);

#endif
