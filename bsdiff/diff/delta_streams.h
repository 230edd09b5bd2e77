/* Copies into the four streams of a delta frame (bsdiff/format.h), before entropy coding. */
#ifndef DCD_BSDIFF_DIFF_DELTA_STREAMS_H
#define DCD_BSDIFF_DIFF_DELTA_STREAMS_H

#include "bsdiff/diff/byte_buffer.h"
#include "bsdiff/diff/copy_list.h"

/* Indexed by enum dcd_stream. Zero-initialised is empty; buffers keep their memory between uses. */
struct dcd_delta_streams {
	struct dcd_byte_buffer streams[DCD_STREAM_COUNT];
};

/* Replaces the streams' content by what makes `segment` from `base` with these copies. */
DCD_NODISCARD int dcd_delta_streams_write(struct dcd_delta_streams *streams, const struct dcd_copy_list *copies,
					  const struct dcd_bytes *base, const struct dcd_segment *segment);
void dcd_delta_streams_free(struct dcd_delta_streams *streams);

#endif
