/*
 * The encoder's half of DCD_FILTER_REFERENCES: chooses, for one segment and its copies, which regions of the base and which steps
 * of the address map the frame carries, and runs the decoder's own predictor to see what remains to be corrected.
 */
#ifndef DCD_BSDIFF_DIFF_REF_MODEL_H
#define DCD_BSDIFF_DIFF_REF_MODEL_H

#include <stdbool.h>

#include "base/checked.h"
#include "bsdiff/diff/byte_buffer.h"
#include "bsdiff/diff/copy_list.h"
#include "bsdiff/diff/elf_modules.h"
#include "bsdiff/diff/ref_samples.h"

/* What is known of both images; read by all workers. */
struct dcd_ref_context {
	struct dcd_bytes base; /* as deltas are taken from it, whatever view the matcher has; of this ... */
	struct dcd_bytes
		plain; /* ... the first bytes, which may not be in memory there any more: dcd_ref_base_at(); may be empty */
	struct dcd_bytes image; /* likewise; only its BTF is looked at */
	struct dcd_elf_modules old_modules;
	struct dcd_elf_modules new_modules;
	const struct dcd_encode_options *options; /* whom to tell of progress; may be null */
};

/* base[offset..offset + len). */
static inline const uint8_t *dcd_ref_base_at(const struct dcd_ref_context *context, uint64_t offset, uint64_t len)
{
	bool plain = dcd_range_inside(offset, len, context->plain.len);
	return (plain ? context->plain.data : context->base.data) + offset;
}

struct dcd_ref_prediction {
	const uint8_t *predicted;   /* the segment's length; right where copies are: what differences are taken against */
	struct dcd_byte_buffer map; /* the streams; `gates` may be empty */
	struct dcd_byte_buffer gates;
	uint64_t memory; /* workspace bytes that the decoder needs for it */
	uint64_t saved;  /* bytes that are right because of it */
};

/* One a thread. */
struct dcd_ref_model;

DCD_NODISCARD int dcd_ref_model_new(struct dcd_ref_model **ret);
void dcd_ref_model_free(struct dcd_ref_model *model);

/*
 * Predicts the references in the copies. *ret is null when there is nothing worth predicting; otherwise the model's own, until
 * its next use.
 */
DCD_NODISCARD int dcd_ref_model_predict(struct dcd_ref_model *model, const struct dcd_ref_context *context,
					const struct dcd_copy_list *copies, const struct dcd_segment *segment,
					const struct dcd_ref_prediction **ret);

/*
 * Notes where the references in these copies lead, for dcd_ref_view_new(): added to *samples, by old module of the context. The
 * list is the caller's and grows.
 */
DCD_NODISCARD int dcd_ref_model_survey(struct dcd_ref_model *model, const struct dcd_ref_context *context,
				       const struct dcd_copy_list *copies, const struct dcd_segment *segment,
				       struct dcd_ref_samples *samples);

#endif
