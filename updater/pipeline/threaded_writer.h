/* A segment writer with a thread of its own: while one segment is decoded, the last one is written, flushed and read back. */
#ifndef DCD_UPDATER_PIPELINE_THREADED_WRITER_H
#define DCD_UPDATER_PIPELINE_THREADED_WRITER_H

#include "updater/engine/segment_writer.h"

/* A dcd_segment_writer_factory. Memory: two segments. `bad` is called from its thread. */
DCD_NODISCARD int dcd_threaded_writer_new(const struct dcd_segment_writer_options *options, struct dcd_segment_writer **ret,
					  struct dcd_diag *diag);

#endif
