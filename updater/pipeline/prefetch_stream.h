/* A frame stream that reads ahead: the network and the flash work at the same time, in a bounded amount of memory. */
#ifndef DCD_UPDATER_PIPELINE_PREFETCH_STREAM_H
#define DCD_UPDATER_PIPELINE_PREFETCH_STREAM_H

#include "updater/engine/frame_stream.h"

/*
 * `budget` bytes are read ahead at most. The stream uses `source` from its own thread between start and stop; nobody else may use it then.
 * Freed with dcd_prefetch_stream_free().
 */
DCD_NODISCARD int dcd_prefetch_stream_new(struct dcd_source *source, size_t budget, struct dcd_frame_stream **ret,
					  struct dcd_diag *diag);
void dcd_prefetch_stream_free(struct dcd_frame_stream *stream); /* null is fine */

#endif
