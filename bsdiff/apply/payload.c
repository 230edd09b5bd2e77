#include "bsdiff/apply/payload.h"

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/apply/image_id.h"

static bool all_zero(const uint8_t *data, size_t len)
{
	uint8_t bits = 0;
	for (size_t i = 0; i < len; i++) {
		bits |= data[i];
	}
	return bits == 0;
}

int dcd_payload_table_length(const uint8_t *header, size_t len, uint64_t *ret_len)
{
	if (len < DCD_FORMAT_HEADER_SIZE) {
		return DCD_ERR_MALFORMED;
	}
	if (memcmp(header + DCD_HEADER_MAGIC, DCD_FORMAT_MAGIC, 8) != 0 ||
	    dcd_le16_get(header + DCD_HEADER_VERSION) != DCD_FORMAT_VERSION ||
	    dcd_le16_get(header + DCD_HEADER_ENTRY_SIZE) != DCD_FORMAT_ENTRY_SIZE ||
	    (dcd_le32_get(header + DCD_HEADER_FEATURES) & ~DCD_FEATURES_KNOWN) != 0) {
		return DCD_ERR_UNSUPPORTED;
	}
	uint32_t count = dcd_le32_get(header + DCD_HEADER_SEGMENT_COUNT);
	if (count > DCD_SEGMENT_COUNT_MAX) {
		return DCD_ERR_MALFORMED;
	}
	*ret_len = DCD_FORMAT_HEADER_SIZE + (uint64_t)count * DCD_FORMAT_ENTRY_SIZE;
	return 0;
}

static void header_read(const uint8_t *header, struct dcd_payload *ret)
{
	ret->table = header + DCD_FORMAT_HEADER_SIZE;
	ret->segment_size = dcd_le32_get(header + DCD_HEADER_SEGMENT_SIZE);
	ret->segment_count = dcd_le32_get(header + DCD_HEADER_SEGMENT_COUNT);
	ret->image_size = dcd_le64_get(header + DCD_HEADER_IMAGE_SIZE);
	ret->base_size = dcd_le64_get(header + DCD_HEADER_BASE_SIZE);
	memcpy(ret->image_id.bytes, header + DCD_HEADER_IMAGE_ID, DCD_HASH_SIZE);
	memcpy(ret->base_id.bytes, header + DCD_HEADER_BASE_ID, DCD_HASH_SIZE);
	ret->frames_length = dcd_le64_get(header + DCD_HEADER_FRAMES_LENGTH);
	ret->max_frame = dcd_le32_get(header + DCD_HEADER_MAX_FRAME);
	ret->max_scratch = dcd_le32_get(header + DCD_HEADER_MAX_SCRATCH);
	ret->features = dcd_le32_get(header + DCD_HEADER_FEATURES);
	ret->pack_memory = dcd_le32_get(header + DCD_HEADER_PACK_MEMORY);
	ret->pack_mark = dcd_le32_get(header + DCD_HEADER_PACK_MARK);
}

static bool header_consistent(const struct dcd_payload *payload)
{
	uint32_t size = payload->segment_size;
	unsigned shift =
		size == 0 ? 0 : (unsigned)__builtin_ctz(size); /* a 64-bit division would be an import on small processors */
	return size >= DCD_SEGMENT_SIZE_MIN && size <= DCD_SEGMENT_SIZE_MAX && (size & (size - 1)) == 0 &&
	       (payload->image_size >> shift) + ((payload->image_size & (size - 1)) != 0) == payload->segment_count &&
	       payload->max_scratch <= DCD_SCRATCH_MAX(size) &&
	       (payload->base_size == 0) == dcd_hash_is_zero(&payload->base_id) &&
	       (payload->features != 0) == (payload->pack_memory != 0) && payload->pack_memory <= DCD_PACK_MEMORY_MAX &&
	       ((payload->features & ~DCD_FEATURES_EXACT) != 0 || payload->pack_mark == 0);
}

/* What the table as a whole must agree on with the header. */
struct table_sums {
	uint64_t frames_length;
	uint32_t max_frame;
	bool has_delta;
	bool has_repacked;
};

static int entry_check(const struct dcd_payload *payload, uint32_t index, struct table_sums *sums, struct dcd_hash *ret_leaf)
{
	const uint8_t *raw = payload->table + (size_t)index * DCD_FORMAT_ENTRY_SIZE;
	bool filtered = raw[DCD_ENTRY_FILTER] != DCD_FILTER_NONE;
	if (raw[DCD_ENTRY_KIND] > DCD_FRAME_FULL || raw[DCD_ENTRY_FILTER] >= DCD_FILTER_END ||
	    (filtered && raw[DCD_ENTRY_KIND] != DCD_FRAME_DELTA)) {
		return DCD_ERR_UNSUPPORTED;
	}
	struct dcd_payload_entry entry;
	dcd_payload_entry(payload, index, &entry);
	bool has_frame = entry.kind == DCD_FRAME_DELTA || entry.kind == DCD_FRAME_FULL;
	bool needs_base = entry.kind == DCD_FRAME_SAME || entry.kind == DCD_FRAME_DELTA;
	if (!all_zero(raw + DCD_ENTRY_RESERVED, 2) || has_frame != (entry.frame_length != 0) ||
	    has_frame == dcd_hash_is_zero(&entry.frame_hash) || (needs_base && payload->base_size == 0) ||
	    entry.frame_length > DCD_FRAME_LENGTH_MAX(entry.segment_length)) {
		return DCD_ERR_MALFORMED;
	}
	if (entry.kind == DCD_FRAME_SAME && !dcd_range_inside(entry.segment_offset, entry.segment_length, payload->base_size)) {
		return DCD_ERR_MALFORMED;
	}
	/* No overflow: at most DCD_SEGMENT_COUNT_MAX lengths of 32 bits. */
	sums->frames_length += entry.frame_length;
	sums->max_frame = entry.frame_length > sums->max_frame ? entry.frame_length : sums->max_frame;
	sums->has_delta |= entry.kind == DCD_FRAME_DELTA;
	sums->has_repacked |= (entry.filter & DCD_FILTER_REPACKED) != 0;
	*ret_leaf = entry.segment_hash;
	return 0;
}

int dcd_payload_open(const uint8_t *data, size_t len, const struct dcd_hash_alg *alg, struct dcd_payload *ret)
{
	uint64_t table_length;
	int err = dcd_payload_table_length(data, len, &table_length);
	if (err != 0) {
		return err;
	}
	struct dcd_payload payload;
	header_read(data, &payload);
	if (table_length != len || !header_consistent(&payload)) {
		return DCD_ERR_MALFORMED;
	}
	struct table_sums sums = { 0, 0, false, false };
	struct dcd_image_tree tree;
	dcd_image_tree_begin(&tree, alg);
	for (uint32_t i = 0; i < payload.segment_count; i++) {
		struct dcd_hash leaf;
		err = entry_check(&payload, i, &sums, &leaf);
		if (err != 0) {
			return err;
		}
		dcd_image_tree_add(&tree, &leaf);
	}
	if (sums.frames_length != payload.frames_length || sums.max_frame != payload.max_frame ||
	    (!sums.has_delta && payload.max_scratch != 0) || sums.has_repacked != (payload.features != 0)) {
		return DCD_ERR_MALFORMED;
	}
	struct dcd_hash id;
	dcd_image_tree_id(&tree, payload.image_size, payload.segment_size, &id);
	if (!dcd_hash_equal(&id, &payload.image_id)) {
		return DCD_ERR_HASH;
	}
	*ret = payload;
	return 0;
}

void dcd_payload_entry(const struct dcd_payload *payload, uint32_t index, struct dcd_payload_entry *ret)
{
	const uint8_t *raw = payload->table + (size_t)index * DCD_FORMAT_ENTRY_SIZE;
	ret->kind = (enum dcd_frame_kind)raw[DCD_ENTRY_KIND];
	ret->filter = (enum dcd_filter)raw[DCD_ENTRY_FILTER];
	ret->frame_length = dcd_le32_get(raw + DCD_ENTRY_FRAME_LENGTH);
	ret->segment_offset = (uint64_t)index * payload->segment_size;
	ret->segment_length = (uint32_t)dcd_min_u64(payload->segment_size, payload->image_size - ret->segment_offset);
	memcpy(ret->segment_hash.bytes, raw + DCD_ENTRY_SEGMENT_HASH, DCD_HASH_SIZE);
	memcpy(ret->frame_hash.bytes, raw + DCD_ENTRY_FRAME_HASH, DCD_HASH_SIZE);
}
