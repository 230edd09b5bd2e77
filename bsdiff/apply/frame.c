#include "bsdiff/apply/frame.h"

#include "base/checked.h"
#include "bsdiff/apply/delta.h"
#include "bsdiff/apply/image_id.h"

#define ALIGNMENT 16U

size_t dcd_frame_memory_size(const struct dcd_payload *payload, const struct dcd_decoder *zstd)
{
	size_t sum = dcd_delta_decoder_memory(zstd) + payload->max_frame + payload->max_scratch + payload->pack_memory;
	return (sum + 2 * ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void dcd_frame_share_memory(struct dcd_frame_tools *tools, void *memory, size_t size, size_t frame_len)
{
	size_t taken = (frame_len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	taken = taken < size ? taken : size;
	tools->workspace = (uint8_t *)memory + taken;
	tools->workspace_size = size - taken;
}

static int full_decode(const struct dcd_payload_entry *entry, const uint8_t *frame, size_t frame_len,
		       const struct dcd_frame_tools *tools, uint8_t *out)
{
	if (frame_len == 0) {
		return DCD_ERR_MALFORMED;
	}
	const uint8_t *coded = frame + 1;
	size_t coded_len = frame_len - 1;
	switch (frame[0]) {
	case DCD_CODEC_STORED:
		if (coded_len != entry->segment_length) {
			return DCD_ERR_MALFORMED;
		}
		memcpy(out, coded, coded_len);
		return 0;
	case DCD_CODEC_ZSTD:
		if (tools->zstd->memory_size > tools->workspace_size) {
			return DCD_ERR_NO_MEMORY;
		}
		return tools->zstd->decode(out, entry->segment_length, coded, coded_len, tools->workspace,
					   tools->zstd->memory_size);
	default:
		return DCD_ERR_UNSUPPORTED;
	}
}

int dcd_frame_decode(const struct dcd_payload_entry *entry, const uint8_t *frame, size_t frame_len,
		     const struct dcd_frame_tools *tools, uint8_t *out)
{
	if (entry->filter != DCD_FILTER_NONE && (entry->filter >= DCD_FILTER_END || entry->kind != DCD_FRAME_DELTA)) {
		return DCD_ERR_UNSUPPORTED;
	}
	bool has_data = entry->kind == DCD_FRAME_DELTA || entry->kind == DCD_FRAME_FULL;
	if (!has_data && frame_len != 0) {
		return DCD_ERR_MALFORMED;
	}
	bool needs_base = entry->kind == DCD_FRAME_DELTA || entry->kind == DCD_FRAME_SAME;
	if (needs_base && tools->base == NULL) {
		return DCD_ERR_UNSUPPORTED;
	}
	switch (entry->kind) {
	case DCD_FRAME_ZERO:
		memset(out, 0, entry->segment_length);
		return 0;
	case DCD_FRAME_SAME:
		return dcd_delta_read_base(tools->base, entry->segment_offset, out, entry->segment_length);
	case DCD_FRAME_DELTA:
		return dcd_delta_decode(entry, frame, frame_len, tools, out);
	case DCD_FRAME_FULL:
		return full_decode(entry, frame, frame_len, tools, out);
	}
	return DCD_ERR_UNSUPPORTED;
}

int dcd_frame_make_segment(const struct dcd_payload_entry *entry, const uint8_t *frame, size_t frame_len,
			   const struct dcd_frame_tools *tools, uint8_t *out)
{
	if (frame_len != entry->frame_length) {
		return DCD_ERR_HASH;
	}
	struct dcd_hash hash;
	if (frame_len > 0) {
		dcd_hash_once(tools->alg, frame, frame_len, &hash);
		if (!dcd_hash_equal(&hash, &entry->frame_hash)) {
			return DCD_ERR_HASH;
		}
	}
	int err = dcd_frame_decode(entry, frame, frame_len, tools, out);
	if (err != 0) {
		return err;
	}
	dcd_segment_hash(tools->alg, out, entry->segment_length, &hash);
	if (dcd_hash_equal(&hash, &entry->segment_hash)) {
		return 0;
	}
	/* The frame is the one that was meant, so a wrong outcome is the base's fault; without a base it is the encoder's. */
	return entry->kind == DCD_FRAME_SAME || entry->kind == DCD_FRAME_DELTA ? DCD_ERR_WRONG_BASE : DCD_ERR_MALFORMED;
}
