/*
 * A frame whose hash was forged: byte 0 is its kind, bytes 1 and 2 the segment's length, byte 3 the segment's number, the rest
 * the frame. The base is 8 KiB of a fixed pattern.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/apply/frame.h"
#include "bsdiff/codec/zstd_decode.h"
#include "manifest/crypto/sha256.h"

#define BASE_SIZE 8192U
#define SEGMENT_SIZE 4096U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int base_read(void *context, uint64_t offset, void *buf, size_t len)
{
	(void)context;
	if (!dcd_range_inside(offset, len, BASE_SIZE)) {
		abort();
	}
	for (size_t i = 0; i < len; i++) {
		((uint8_t *)buf)[i] = (uint8_t)((offset + i) * 31);
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4) {
		return 0;
	}
	struct dcd_payload_entry entry = { .kind = (enum dcd_frame_kind)(data[0] & 3) };
	entry.segment_length = 1 + dcd_le16_get(data + 1) % SEGMENT_SIZE;
	entry.segment_offset = (uint64_t)data[3] * SEGMENT_SIZE;
	entry.frame_length = (uint32_t)(size - 4);
	struct dcd_decoder zstd = dcd_zstd_decoder();
	struct dcd_reader base = { base_read, NULL, BASE_SIZE };
	size_t workspace_size = ((zstd.memory_size + 15) & ~(size_t)15) + DCD_SCRATCH_MAX(SEGMENT_SIZE);
	void *workspace = malloc(workspace_size);
	uint8_t *out = malloc(entry.segment_length);
	if (workspace == NULL || out == NULL) {
		abort();
	}
	const struct dcd_frame_tools tools = { &dcd_sha256, &zstd, &base, workspace, workspace_size };
	(void)!dcd_frame_decode(&entry, data + 4, size - 4, &tools, out);
	free(out);
	free(workspace);
	return 0;
}
