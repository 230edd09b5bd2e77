/* Header and table from outside: any bytes, with the hash in the manifest forged. */
#include <stdlib.h>

#include "bsdiff/apply/payload.h"
#include "manifest/crypto/sha256.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t length;
	struct dcd_payload payload;
	if (dcd_payload_table_length(data, size, &length) != 0 || dcd_payload_open(data, size, &dcd_sha256, &payload) != 0) {
		return 0;
	}
	for (uint32_t i = 0; i < payload.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&payload, i, &entry);
		if (entry.segment_length == 0 || entry.segment_length > payload.segment_size ||
		    entry.segment_length > payload.image_size - entry.segment_offset || entry.frame_length > payload.max_frame) {
			abort();
		}
	}
	return 0;
}
