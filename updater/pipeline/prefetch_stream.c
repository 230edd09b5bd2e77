#include "updater/pipeline/prefetch_stream.h"

#include <stdlib.h>

#include "updater/pipeline/prefetch.h"

struct prefetch_stream {
	struct dcd_frame_stream stream;
	struct dcd_prefetch *prefetch;
};

static int stream_start(struct dcd_frame_stream *stream, const char *path, uint64_t object_size, const struct dcd_range *ranges,
			size_t count, struct dcd_diag *diag)
{
	return dcd_prefetch_start(((struct prefetch_stream *)stream)->prefetch, path, object_size, ranges, count, diag);
}

static int stream_read(struct dcd_frame_stream *stream, void *buf, size_t len, struct dcd_diag *diag)
{
	return dcd_prefetch_read(((struct prefetch_stream *)stream)->prefetch, buf, len, diag);
}

static void stream_stop(struct dcd_frame_stream *stream)
{
	dcd_prefetch_stop(((struct prefetch_stream *)stream)->prefetch);
}

static const struct dcd_frame_stream_ops prefetch_ops = { stream_start, stream_read, stream_stop };

int dcd_prefetch_stream_new(struct dcd_source *source, size_t budget, struct dcd_frame_stream **ret, struct dcd_diag *diag)
{
	struct prefetch_stream *wrapped = calloc(1, sizeof *wrapped);
	if (wrapped == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to read ahead");
	}
	wrapped->stream.ops = &prefetch_ops;
	int err = dcd_prefetch_open(source, budget, &wrapped->prefetch, diag);
	if (err != 0) {
		free(wrapped);
		return err;
	}
	*ret = &wrapped->stream;
	return 0;
}

void dcd_prefetch_stream_free(struct dcd_frame_stream *stream)
{
	struct prefetch_stream *wrapped = (struct prefetch_stream *)stream;
	if (wrapped != NULL) {
		dcd_prefetch_close(wrapped->prefetch);
		free(wrapped);
	}
}
