/* Copies into the streams of a delta frame (bsdiff/format.h), before entropy coding. */
#ifndef DCD_BSDIFF_DIFF_DELTA_STREAMS_H
#define DCD_BSDIFF_DIFF_DELTA_STREAMS_H

#include "bsdiff/diff/byte_buffer.h"
#include "bsdiff/diff/copy_list.h"
#include "bsdiff/diff/ref_model.h"

/* Indexed by enum dcd_stream. Zero-initialised is empty; buffers keep their memory between uses. */
struct dcd_delta_streams {
	struct dcd_byte_buffer streams[DCD_STREAM_COUNT];
	struct dcd_byte_buffer columns[5]; /* of CONTROL and RUNS in the making */
};

/*
 * Replaces the streams' content by what makes `segment` from the context's base with these copies; with a prediction (may be
 * null), differences are taken against that, and its own streams are added.
 */
DCD_NODISCARD int dcd_delta_streams_write(struct dcd_delta_streams *streams, const struct dcd_copy_list *copies,
					  const struct dcd_ref_context *context, const struct dcd_segment *segment,
					  const struct dcd_ref_prediction *prediction);
void dcd_delta_streams_free(struct dcd_delta_streams *streams);

#endif
