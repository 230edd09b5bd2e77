#include "tools/delta/segment_maker.h"

#include <stdlib.h>

#include "bsdiff/apply/image_id.h"
#include "manifest/crypto/sha256.h"

static int base_read(void *context, uint64_t offset, void *buf, size_t len)
{
	const struct dcd_segment_maker *maker = context;
	return dcd_file_read(maker->base_fd, offset, buf, len);
}

uint64_t dcd_segment_maker_need(const struct dcd_payload *payload)
{
	struct dcd_decoder zstd = dcd_zstd_decoder();
	return (uint64_t)payload->segment_size + dcd_frame_memory_size(payload, &zstd);
}

int dcd_segment_maker_begin(struct dcd_segment_maker *maker, const struct dcd_payload_file *payload, int base_fd, bool cache)
{
	*maker = (struct dcd_segment_maker){ .payload = payload,
					     .base_fd = base_fd,
					     .zstd = dcd_zstd_decoder(),
					     .packer = dcd_block_packer(),
					     .frame_offset = dcd_payload_frames_offset(&payload->payload) };
	maker->base_file = (struct dcd_reader){ base_read, maker, payload->payload.base_size };
	maker->cache.file = &maker->base_file;
	maker->base = dcd_base_cache_reader(&maker->cache);
	maker->memory_size = dcd_frame_memory_size(&payload->payload, &maker->zstd);
	maker->memory = aligned_alloc(16, maker->memory_size);
	maker->segment = malloc(payload->payload.segment_size);
	if (cache && payload->payload.base_size > 0) {
		maker->cache.pages = malloc(DCD_BASE_CACHE_SIZE);
	}
	return maker->segment == NULL || maker->memory == NULL ? DCD_ERR_NO_MEMORY : 0;
}

void dcd_segment_maker_free(struct dcd_segment_maker *maker)
{
	free(maker->cache.pages);
	free(maker->segment);
	free(maker->memory);
	*maker = (struct dcd_segment_maker){ 0 };
}

int dcd_segment_maker_make(struct dcd_segment_maker *maker, uint32_t index, struct dcd_payload_entry *ret_entry)
{
	const struct dcd_payload *payload = &maker->payload->payload;
	struct dcd_payload_entry entry;
	for (; maker->next < index; maker->next++) {
		dcd_payload_entry(payload, maker->next, &entry);
		maker->frame_offset += entry.frame_length;
	}
	dcd_payload_entry(payload, index, &entry);
	bool whole_zero = entry.kind == DCD_FRAME_ZERO && entry.segment_length == payload->segment_size;
	if (whole_zero && maker->zero_known && dcd_hash_equal(&entry.segment_hash, &maker->zero_leaf)) {
		*ret_entry = entry;
		return 0; /* hashing the same zeros again would be most of the work for a sparse image */
	}
	if (dcd_file_read(maker->payload->fd, maker->frame_offset, maker->memory, entry.frame_length) != 0) {
		return DCD_ERR_IO;
	}
	struct dcd_frame_tools tools = {
		.alg = &dcd_sha256, .zstd = &maker->zstd, .base = &maker->base, .packer = &maker->packer
	};
	dcd_frame_share_memory(&tools, maker->memory, maker->memory_size, entry.frame_length);
	int err = dcd_frame_make_segment(&entry, maker->memory, entry.frame_length, &tools, maker->segment);
	if (err != 0) {
		return err;
	}
	if (whole_zero) {
		maker->zero_known = true;
		maker->zero_leaf = entry.segment_hash;
	}
	*ret_entry = entry;
	return 0;
}
