#include "updater/engine/frame_stream.h"

static int plain_start(struct dcd_frame_stream *stream, const char *path, uint64_t object_size, const struct dcd_range *ranges,
		       size_t count, struct dcd_diag *diag)
{
	(void)diag;
	struct dcd_plain_stream *plain = (struct dcd_plain_stream *)stream;
	plain->path = path;
	plain->object_size = object_size;
	plain->ranges = ranges;
	plain->count = count;
	plain->index = 0;
	plain->offset = 0;
	return 0;
}

static int plain_read(struct dcd_frame_stream *stream, void *buf, size_t len, struct dcd_diag *diag)
{
	struct dcd_plain_stream *plain = (struct dcd_plain_stream *)stream;
	if (plain->index < plain->count && plain->offset == plain->ranges[plain->index].length) {
		plain->index++;
		plain->offset = 0;
	}
	if (plain->index >= plain->count || len > plain->ranges[plain->index].length - plain->offset) {
		return dcd_diag_set(diag, DCD_ERR_BUG, "%s: read past the ranges that were asked for", plain->path);
	}
	uint64_t offset = plain->ranges[plain->index].offset + plain->offset;
	int err = dcd_source_load_range(plain->source, plain->path, plain->object_size, offset, buf, len, diag);
	if (err == 0) {
		plain->offset += len;
	}
	return err;
}

static void plain_stop(struct dcd_frame_stream *stream)
{
	struct dcd_plain_stream *plain = (struct dcd_plain_stream *)stream;
	plain->count = 0;
}

static const struct dcd_frame_stream_ops plain_ops = { plain_start, plain_read, plain_stop };

void dcd_plain_stream_init(struct dcd_plain_stream *plain, struct dcd_source *source)
{
	*plain = (struct dcd_plain_stream){ .stream = { &plain_ops }, .source = source };
}
