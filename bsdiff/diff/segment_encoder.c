#include "bsdiff/diff/segment_encoder.h"

#include <stdbool.h>
#include <stdlib.h>

#include "bsdiff/codec/zstd_encode.h"
#include "bsdiff/diff/delta_streams.h"

/* A delta this many times smaller than a hasty full frame needs no careful one to compare with. */
#define CLEARLY_SMALLER 8
#define HASTY_LEVEL 1

struct dcd_segment_encoder {
	struct dcd_effort effort;
	struct dcd_zstd_encoder *zstd;
	struct dcd_copy_list anchors;
	struct dcd_copy_list seeds;
	struct dcd_copy_list copies;
	struct dcd_delta_streams streams;
	struct dcd_byte_buffer coded; /* one stream, or a hasty full frame */
	struct dcd_byte_buffer delta; /* a whole delta frame */
};

int dcd_segment_encoder_new(const struct dcd_effort *effort, struct dcd_segment_encoder **ret)
{
	struct dcd_segment_encoder *encoder = calloc(1, sizeof *encoder);
	if (encoder == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	encoder->effort = *effort;
	int err = dcd_zstd_encoder_new(&encoder->zstd);
	if (err != 0) {
		free(encoder);
		return err;
	}
	*ret = encoder;
	return 0;
}

void dcd_segment_encoder_free(struct dcd_segment_encoder *encoder)
{
	if (encoder == NULL) {
		return;
	}
	dcd_zstd_encoder_free(encoder->zstd);
	dcd_copy_list_free(&encoder->anchors);
	dcd_copy_list_free(&encoder->seeds);
	dcd_copy_list_free(&encoder->copies);
	dcd_delta_streams_free(&encoder->streams);
	dcd_byte_buffer_free(&encoder->coded);
	dcd_byte_buffer_free(&encoder->delta);
	free(encoder);
}

/* Appends `data` to `out` in the smaller of its codings and says which. */
static int code_append(struct dcd_segment_encoder *encoder, int level, const uint8_t *data, size_t len,
		       struct dcd_byte_buffer *out, uint8_t *ret_codec)
{
	int err = dcd_byte_buffer_reserve(out, len);
	if (err != 0 || len == 0) {
		return err;
	}
	/* One byte less than stored, or it isn't worth decoding. */
	size_t coded;
	err = dcd_zstd_encode(encoder->zstd, level, out->data + out->len, len - 1, data, len, &coded);
	if (err == 0) {
		*ret_codec = DCD_CODEC_ZSTD;
		out->len += coded;
		return 0;
	}
	if (err != DCD_ERR_SIZE) {
		return err;
	}
	*ret_codec = DCD_CODEC_STORED;
	return dcd_byte_buffer_append(out, data, len);
}

static int full_frame(struct dcd_segment_encoder *encoder, int level, const struct dcd_segment *segment,
		      struct dcd_byte_buffer *frame)
{
	const uint8_t placeholder = 0;
	uint8_t codec = DCD_CODEC_STORED;
	frame->len = 0;
	int err = dcd_byte_buffer_append(frame, &placeholder, 1);
	err = err != 0 ? err : code_append(encoder, level, segment->data, segment->len, frame, &codec);
	if (err == 0) {
		frame->data[0] = codec;
	}
	return err;
}

static int stream_head_append(struct dcd_byte_buffer *frame, uint8_t id, uint8_t codec, size_t raw, size_t coded)
{
	const uint8_t head[2] = { id, codec };
	int err = dcd_byte_buffer_append(frame, head, sizeof head);
	err = err != 0 ? err : dcd_byte_buffer_append_varint(frame, raw);
	return err != 0 ? err : dcd_byte_buffer_append_varint(frame, coded);
}

/* The streams, coded, as one frame in encoder->delta. */
static int delta_pack(struct dcd_segment_encoder *encoder, uint64_t *ret_raw, uint32_t *ret_scratch)
{
	struct dcd_byte_buffer *frame = &encoder->delta;
	uint8_t count = 0;
	uint64_t raw = 0, scratch = 0;
	frame->len = 0;
	encoder->coded.len = 0;
	int err = dcd_byte_buffer_append(frame, &count, 1);
	for (uint8_t id = 0; err == 0 && id < DCD_STREAM_COUNT; id++) {
		const struct dcd_byte_buffer *stream = &encoder->streams.streams[id];
		if (stream->len == 0) {
			continue;
		}
		size_t before = encoder->coded.len;
		uint8_t codec = DCD_CODEC_STORED;
		err = code_append(encoder, encoder->effort.delta_level, stream->data, stream->len, &encoder->coded, &codec);
		err = err != 0 ? err : stream_head_append(frame, id, codec, stream->len, encoder->coded.len - before);
		count++;
		raw += stream->len;
		scratch += codec == DCD_CODEC_STORED ? 0 : stream->len;
	}
	err = err != 0 ? err : dcd_byte_buffer_append(frame, encoder->coded.data, encoder->coded.len);
	if (err == 0) {
		frame->data[0] = count;
		*ret_raw = raw;
		*ret_scratch = (uint32_t)scratch;
	}
	return err;
}

/* Makes a delta frame in encoder->delta; *ret_fits is false when it would break a bound of the format. */
static int delta_frame(struct dcd_segment_encoder *encoder, const struct dcd_seed_finder *finder,
		       const struct dcd_segment *segment, bool *ret_fits, uint32_t *ret_scratch)
{
	int err = dcd_seed_finder_blocks(finder, segment, &encoder->anchors);
	err = err != 0 ? err : dcd_seed_finder_fill(finder, segment, &encoder->anchors, &encoder->seeds);
	err = err != 0 ? err : dcd_copy_list_extend(&encoder->seeds, &finder->base, segment, &encoder->copies);
	if (err != 0) {
		return err;
	}
	*ret_fits = false;
	if (encoder->copies.count == 0) {
		return 0;
	}
	uint64_t raw;
	err = dcd_delta_streams_write(&encoder->streams, &encoder->copies, &finder->base, segment);
	err = err != 0 ? err : delta_pack(encoder, &raw, ret_scratch);
	if (err == 0) {
		*ret_fits = raw <= DCD_SCRATCH_MAX(segment->len) && encoder->delta.len <= segment->len;
	}
	return err;
}

/* True when the delta frame is so small that only a hasty full frame need be compared with it. */
static int clearly_smaller(struct dcd_segment_encoder *encoder, const struct dcd_segment *segment, bool *ret)
{
	int err = full_frame(encoder, HASTY_LEVEL, segment, &encoder->coded);
	if (err == 0) {
		*ret = encoder->delta.len < encoder->coded.len / CLEARLY_SMALLER;
	}
	return err;
}

static void take_delta(struct dcd_segment_encoder *encoder, uint32_t scratch, struct dcd_encoded_segment *ret)
{
	struct dcd_byte_buffer previous = ret->frame;
	ret->kind = DCD_FRAME_DELTA;
	ret->scratch = scratch;
	ret->frame = encoder->delta;
	encoder->delta = previous;
}

int dcd_segment_encoder_encode(struct dcd_segment_encoder *encoder, const struct dcd_seed_finder *finder,
			       const struct dcd_segment *segment, struct dcd_encoded_segment *ret)
{
	bool fits = false, clear = false;
	uint32_t scratch = 0;
	if (finder != NULL) {
		int err = delta_frame(encoder, finder, segment, &fits, &scratch);
		err = err != 0 || !fits ? err : clearly_smaller(encoder, segment, &clear);
		if (err != 0) {
			return err;
		}
		if (clear) {
			take_delta(encoder, scratch, ret);
			return 0;
		}
	}
	int err = full_frame(encoder, encoder->effort.full_level, segment, &ret->frame);
	if (err != 0) {
		return err;
	}
	if (fits && encoder->delta.len < ret->frame.len) {
		take_delta(encoder, scratch, ret);
		return 0;
	}
	ret->kind = DCD_FRAME_FULL;
	ret->scratch = 0;
	return 0;
}
