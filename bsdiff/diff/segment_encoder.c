#include "bsdiff/diff/segment_encoder.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bsdiff/apply/frame.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/codec/zstd_decode.h"
#include "bsdiff/codec/zstd_encode.h"
#include "bsdiff/diff/delta_streams.h"

/* A delta this many times smaller than a hasty full frame needs no careful one to compare with. */
#define CLEARLY_SMALLER 4
#define HASTY_LEVEL 1

/* A prediction that sets this many times more bytes right than its map has (before both are compressed) is better than none. */
#define CLEARLY_PAYS 4

/* A whole delta frame. */
struct delta_candidate {
	struct dcd_byte_buffer frame;
	enum dcd_filter filter; /* bits */
	uint32_t scratch;
	uint32_t pack_memory;
	bool fits; /* keeps the format's bounds, and the device's */
};

struct dcd_segment_encoder {
	struct dcd_effort effort;
	struct dcd_zstd_encoder *zstd;
	struct dcd_copy_list anchors;
	struct dcd_copy_list seeds;
	struct dcd_copy_list copies;
	struct dcd_delta_streams streams;
	struct dcd_byte_buffer coded; /* one stream, or a hasty full frame */
	uint8_t *proof;               /* a device's memory: segment and workspace */
	size_t proof_size;
	struct dcd_ref_model *model;
	struct delta_candidate delta;     /* the better delta frame */
	struct delta_candidate candidate; /* the one in the making */
};

int dcd_segment_encoder_new(const struct dcd_effort *effort, struct dcd_segment_encoder **ret)
{
	struct dcd_segment_encoder *encoder = calloc(1, sizeof *encoder);
	if (encoder == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	encoder->effort = *effort;
	int err = dcd_zstd_encoder_new(&encoder->zstd);
	err = err != 0 ? err : dcd_ref_model_new(&encoder->model);
	if (err != 0) {
		dcd_segment_encoder_free(encoder);
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
	free(encoder->proof);
	dcd_byte_buffer_free(&encoder->delta.frame);
	dcd_byte_buffer_free(&encoder->candidate.frame);
	dcd_ref_model_free(encoder->model);
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

/* The streams, coded, as one frame in encoder->candidate. `memory` is what prediction needs beside them. */
static int delta_pack(struct dcd_segment_encoder *encoder, uint64_t memory, uint32_t segment_len)
{
	struct dcd_byte_buffer *frame = &encoder->candidate.frame;
	uint8_t count = 0;
	uint64_t raw = 0, scratch = memory;
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
		encoder->candidate.scratch = (uint32_t)scratch;
		encoder->candidate.fits = raw <= DCD_SCRATCH_MAX(segment_len) && scratch <= DCD_SCRATCH_MAX(segment_len) &&
					  frame->len <= segment_len;
	}
	return err;
}

/* Writes the recipe; streams and prediction will take no more than twice their length beside it, once as they are, once coded. */
static int recipe_append(struct dcd_segment_encoder *encoder, const struct dcd_segment_sources *sources, uint64_t memory,
			 struct dcd_flat_memory *ret)
{
	uint64_t raw = 0;
	for (unsigned id = 0; id < DCD_STREAM_COUNT; id++) {
		raw += encoder->streams.streams[id].len;
	}
	return dcd_flat_recipe_write(sources->flat, sources->flat_segment, &encoder->copies, memory + 2 * raw,
				     &encoder->streams.streams[DCD_STREAM_RECIPE], ret);
}

/*
 * Makes the delta frame of encoder->copies for `source`, and keeps it in encoder->delta when it is better than what is there.
 * `segment_len` is that of the segment that comes out; `flat` is null when its blocks stay packed.
 */
static int delta_try(struct dcd_segment_encoder *encoder, const struct dcd_segment_sources *flat,
		     const struct dcd_ref_context *references, const struct dcd_segment *source, uint32_t segment_len,
		     const struct dcd_ref_prediction *prediction)
{
	uint64_t memory = prediction != NULL ? prediction->memory : 0;
	struct dcd_flat_memory packing = { 0, UINT64_MAX };
	int err = dcd_delta_streams_write(&encoder->streams, &encoder->copies, references, source, prediction);
	err = err != 0 || flat == NULL ? err : recipe_append(encoder, flat, memory, &packing);
	err = err != 0 ? err : delta_pack(encoder, memory, segment_len);
	if (err != 0) {
		return err;
	}
	struct delta_candidate *made = &encoder->candidate;
	made->fits = made->fits && packing.need + made->scratch + made->frame.len <= packing.max;
	if (made->fits && (!encoder->delta.fits || made->frame.len < encoder->delta.frame.len)) {
		struct delta_candidate worse = encoder->delta;
		encoder->delta = *made;
		encoder->delta.filter = (enum dcd_filter)((prediction != NULL ? DCD_FILTER_REFERENCES : 0) |
							  (flat != NULL ? DCD_FILTER_REPACKED : 0));
		encoder->delta.pack_memory = (uint32_t)packing.need;
		*made = worse;
	}
	return 0;
}

static int copies_find(struct dcd_segment_encoder *encoder, const struct dcd_seed_finder *finder, const struct dcd_segment *view)
{
	int err = dcd_seed_finder_blocks(finder, view, &encoder->anchors);
	err = err != 0 ? err : dcd_seed_finder_fill(finder, view, &encoder->anchors, &encoder->seeds);
	return err != 0 ? err : dcd_copy_list_extend(&encoder->seeds, &finder->base, view, &encoder->copies);
}

int dcd_segment_encoder_survey(struct dcd_segment_encoder *encoder, const struct dcd_seed_finder *finder,
			       const struct dcd_ref_context *context, const struct dcd_segment *segment,
			       const struct dcd_segment *view, struct dcd_ref_samples *samples)
{
	int err = copies_find(encoder, finder, view);
	return err != 0 ? err : dcd_ref_model_survey(encoder->model, context, &encoder->copies, segment, samples);
}

/* Cuts the copies of a flat segment as the decoder will. */
static int copies_cut(struct dcd_segment_encoder *encoder, const struct dcd_segment_sources *sources)
{
	int err = dcd_flat_copies_cut(sources->flat, sources->flat_segment, &encoder->copies, &encoder->seeds);
	if (err != 0) {
		return err;
	}
	struct dcd_copy_list cut = encoder->seeds;
	encoder->seeds = encoder->copies;
	encoder->copies = cut;
	return 0;
}

/* True when a delta with this prediction was made, and one without it need not be tried. */
static bool prediction_pays(const struct dcd_segment_encoder *encoder, const struct dcd_ref_prediction *prediction)
{
	return prediction != NULL && encoder->delta.fits && prediction->saved / CLEARLY_PAYS > prediction->map.len;
}

/* Makes the best delta frame in encoder->delta, if any fits. */
static int delta_frame(struct dcd_segment_encoder *encoder, const struct dcd_segment_sources *sources,
		       const struct dcd_segment *segment)
{
	const struct dcd_ref_context *references = sources->references;
	const struct dcd_segment *source = sources->flat != NULL ? &sources->flat_segment->segment : segment;
	const struct dcd_segment_sources *flat = sources->flat != NULL ? sources : NULL;
	int err = copies_find(encoder, sources->finder, sources->view);
	if (err != 0 || encoder->copies.count == 0) {
		return err;
	}
	err = flat != NULL ? copies_cut(encoder, sources) : 0;
	const struct dcd_ref_prediction *prediction = NULL;
	err = err != 0 ? err : dcd_ref_model_predict(encoder->model, references, &encoder->copies, source, &prediction);
	if (err == 0 && prediction != NULL) {
		err = delta_try(encoder, flat, references, source, segment->len, prediction);
	}
	if (err != 0 || prediction_pays(encoder, prediction)) {
		return err;
	}
	return delta_try(encoder, flat, references, source, segment->len, NULL);
}

static int proof_read(void *context, uint64_t offset, void *buf, size_t len)
{
	const struct dcd_bytes *base = context;
	memcpy(buf, base->data + offset, len);
	return 0;
}

static int proof_memory(struct dcd_segment_encoder *encoder, size_t need)
{
	if (encoder->proof_size < need) {
		free(encoder->proof);
		encoder->proof = aligned_alloc(16, (need + 15) & ~(size_t)15);
		encoder->proof_size = encoder->proof != NULL ? need : 0;
	}
	return encoder->proof != NULL ? 0 : DCD_ERR_NO_MEMORY;
}

/* Applies the frame in encoder->delta as a device would; what doesn't give the segment is given up. */
static int delta_prove(struct dcd_segment_encoder *encoder, const struct dcd_segment_sources *sources,
		       const struct dcd_segment *segment)
{
	struct dcd_decoder zstd = dcd_zstd_decoder();
	struct dcd_packer packer = dcd_block_packer();
	struct dcd_bytes bytes = sources->references->plain;
	struct dcd_reader base = { proof_read, &bytes, bytes.len };
	const struct dcd_payload_entry entry = { .kind = DCD_FRAME_DELTA,
						 .filter = encoder->delta.filter,
						 .frame_length = (uint32_t)encoder->delta.frame.len,
						 .segment_length = segment->len,
						 .segment_offset = segment->offset };
	size_t workspace_size = ((zstd.memory_size + 15) & ~(size_t)15) + encoder->delta.scratch + encoder->delta.pack_memory;
	size_t out = (segment->len + (size_t)15) & ~(size_t)15;
	int err = proof_memory(encoder, out + workspace_size);
	if (err != 0) {
		return err;
	}
	const struct dcd_frame_tools tools = { .zstd = &zstd,
					       .base = &base,
					       .workspace = encoder->proof + out,
					       .workspace_size = workspace_size,
					       .packer = &packer };
	err = dcd_frame_decode(&entry, encoder->delta.frame.data, encoder->delta.frame.len, &tools, encoder->proof);
	encoder->delta.fits = err == 0 && memcmp(encoder->proof, segment->data, segment->len) == 0;
	return 0;
}

/* A delta of the segment as it is, its blocks packed, from encoder->copies, when laying them open leads beyond a bound. */
static int packed_delta_frame(struct dcd_segment_encoder *encoder, const struct dcd_segment_sources *sources,
			      const struct dcd_segment *segment)
{
	int err = dcd_flat_copies_pack(sources->flat, sources->flat_segment, &encoder->copies, &encoder->seeds);
	struct dcd_copy_list packed = encoder->seeds;
	encoder->seeds = encoder->copies;
	encoder->copies = packed;
	return err != 0 || packed.count == 0 ? err : delta_try(encoder, NULL, sources->references, segment, segment->len, NULL);
}

/* True when the delta frame is so small that only a hasty full frame need be compared with it. */
static int clearly_smaller(struct dcd_segment_encoder *encoder, const struct dcd_segment *segment, bool *ret)
{
	int err = full_frame(encoder, HASTY_LEVEL, segment, &encoder->coded);
	if (err == 0) {
		*ret = encoder->delta.frame.len < encoder->coded.len / CLEARLY_SMALLER;
	}
	return err;
}

static void take_delta(struct dcd_segment_encoder *encoder, struct dcd_encoded_segment *ret)
{
	struct dcd_byte_buffer previous = ret->frame;
	ret->kind = DCD_FRAME_DELTA;
	ret->filter = encoder->delta.filter;
	ret->scratch = encoder->delta.scratch;
	ret->pack_memory = encoder->delta.pack_memory;
	ret->frame = encoder->delta.frame;
	encoder->delta.frame = previous;
}

/* The full frame, made or known, in ret->frame. */
static int take_full(struct dcd_segment_encoder *encoder, const struct dcd_segment *segment, const struct dcd_bytes *full,
		     struct dcd_encoded_segment *ret)
{
	ret->kind = DCD_FRAME_FULL;
	ret->filter = DCD_FILTER_NONE;
	ret->scratch = 0;
	ret->pack_memory = 0;
	if (full == NULL) {
		return full_frame(encoder, encoder->effort.full_level, segment, &ret->frame);
	}
	ret->frame.len = 0;
	return dcd_byte_buffer_append(&ret->frame, full->data, (size_t)full->len);
}

int dcd_segment_encoder_encode(struct dcd_segment_encoder *encoder, const struct dcd_segment_sources *sources,
			       const struct dcd_segment *segment, struct dcd_encoded_segment *ret)
{
	bool clear = false;
	int err = 0;
	encoder->delta.fits = false;
	if (sources->finder != NULL) {
		err = delta_frame(encoder, sources, segment);
	}
	if (err == 0 && encoder->delta.fits && encoder->delta.pack_memory > 0) {
		err = delta_prove(encoder, sources, segment);
	}
	if (err == 0 && !encoder->delta.fits && sources->flat != NULL) {
		err = packed_delta_frame(encoder, sources, segment);
	}
	if (err == 0 && encoder->delta.fits && sources->full == NULL) {
		err = clearly_smaller(encoder, segment, &clear);
	}
	if (err == 0 && !clear) {
		err = take_full(encoder, segment, sources->full, ret);
	}
	if (err == 0 && encoder->delta.fits && (clear || encoder->delta.frame.len < ret->frame.len)) {
		take_delta(encoder, ret);
	}
	return err;
}
