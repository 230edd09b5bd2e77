/*
 * A frame whose hash was forged: byte 0 is its kind and filter, bytes 1 and 2 the segment's length, byte 3 the segment's number,
 * the rest the frame. The base is fuzz_base.h's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/apply/frame.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/codec/zstd_decode.h"
#include "manifest/crypto/sha256.h"
#include "tests/fuzz/fuzz_base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int base_read(void *context, uint64_t offset, void *buf, size_t len)
{
	(void)context;
	if (!dcd_range_inside(offset, len, FUZZ_BASE_SIZE)) {
		abort();
	}
	static uint8_t packed[FUZZ_BASE_SIZE - FUZZ_PACKED_AT];
	static bool made;
	if (!made) {
		size_t lengths[2];
		fuzz_base_packed(packed, lengths);
		made = true;
	}
	uint8_t *out = buf;
	for (size_t i = 0; i < len; i++) {
		if (offset + i >= FUZZ_PACKED_AT) {
			out[i] = packed[offset + i - FUZZ_PACKED_AT];
		} else {
			fuzz_base_fill(offset + i, &out[i], 1);
		}
	}
	return 0;
}

/* What the header of a payload may promise for packing. */
#define PACK_MEMORY (2U << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4) {
		return 0;
	}
	struct dcd_payload_entry entry = { .kind = (enum dcd_frame_kind)(data[0] & 3),
					   .filter = (enum dcd_filter)(data[0] >> 2 & 3) };
	entry.segment_length = 1 + dcd_le16_get(data + 1) % FUZZ_SEGMENT_SIZE;
	entry.segment_offset = (uint64_t)data[3] * FUZZ_SEGMENT_SIZE;
	entry.frame_length = (uint32_t)(size - 4);
	struct dcd_decoder zstd = dcd_zstd_decoder();
	struct dcd_packer packer = dcd_block_packer();
	struct dcd_reader base = { base_read, NULL, FUZZ_BASE_SIZE };
	size_t workspace_size = ((zstd.memory_size + 15) & ~(size_t)15) + DCD_SCRATCH_MAX(FUZZ_SEGMENT_SIZE) + PACK_MEMORY;
	void *workspace = malloc(workspace_size);
	uint8_t *out = malloc(entry.segment_length);
	if (workspace == NULL || out == NULL) {
		abort();
	}
	const struct dcd_frame_tools tools = { &dcd_sha256, &zstd, &base, workspace, workspace_size, &packer };
	(void)!dcd_frame_decode(&entry, data + 4, size - 4, &tools, out);
	free(out);
	free(workspace);
	return 0;
}
