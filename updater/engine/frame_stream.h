/*
 * Frames of one payload in the order that the installer needs them. The plain stream asks the source for each frame when it is read; a program
 * may give the engine one that fetches ahead (updater/pipeline).
 */
#ifndef DCD_UPDATER_ENGINE_FRAME_STREAM_H
#define DCD_UPDATER_ENGINE_FRAME_STREAM_H

#include <stddef.h>

#include "base/source.h"

struct dcd_frame_stream;

struct dcd_frame_stream_ops {
	/* Begins with ranges[0..count), which stay the caller's and alive until `stop`. */
	int (*start)(struct dcd_frame_stream *stream, const char *path, uint64_t object_size, const struct dcd_range *ranges, size_t count,
		     struct dcd_diag *diag);
	/* The next `len` bytes of the ranges, one after the other; a read never crosses the end of a range. */
	int (*read)(struct dcd_frame_stream *stream, void *buf, size_t len, struct dcd_diag *diag);
	/* Ends it, also early. Allowed when nothing was started. */
	void (*stop)(struct dcd_frame_stream *stream);
};

/* Implementations embed this as their first member. */
struct dcd_frame_stream {
	const struct dcd_frame_stream_ops *ops;
};

/* One request a read, straight from the source. */
struct dcd_plain_stream {
	struct dcd_frame_stream stream;
	struct dcd_source *source;
	const char *path;
	uint64_t object_size;
	const struct dcd_range *ranges;
	size_t count;
	size_t index;
	uint64_t offset; /* within ranges[index] */
};

void dcd_plain_stream_init(struct dcd_plain_stream *plain, struct dcd_source *source);

#endif
