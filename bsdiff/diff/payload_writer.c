#include "bsdiff/diff/payload_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/le.h"

static int write_at(int fd, uint64_t offset, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) ? DCD_ERR_NO_SPACE : DCD_ERR_IO;
		}
		data += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int dcd_payload_writer_begin(struct dcd_payload_writer *writer)
{
	writer->table_length = DCD_FORMAT_HEADER_SIZE + (size_t)writer->segment_count * DCD_FORMAT_ENTRY_SIZE;
	writer->table = calloc(1, writer->table_length);
	if (writer->table == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	dcd_image_tree_begin(&writer->tree, writer->alg);
	return 0;
}

int dcd_payload_writer_add(struct dcd_payload_writer *writer, const struct dcd_encoded_segment *segment,
			   const struct dcd_hash *leaf)
{
	uint8_t *entry = writer->table + DCD_FORMAT_HEADER_SIZE + (size_t)writer->segments * DCD_FORMAT_ENTRY_SIZE;
	uint32_t length = (uint32_t)segment->frame.len;
	entry[DCD_ENTRY_KIND] = (uint8_t)segment->kind;
	entry[DCD_ENTRY_FILTER] = (uint8_t)segment->filter;
	memcpy(entry + DCD_ENTRY_SEGMENT_HASH, leaf->bytes, DCD_HASH_SIZE);
	if (segment->kind == DCD_FRAME_DELTA || segment->kind == DCD_FRAME_FULL) {
		struct dcd_hash hash;
		dcd_hash_once(writer->alg, segment->frame.data, length, &hash);
		dcd_le32_put(entry + DCD_ENTRY_FRAME_LENGTH, length);
		memcpy(entry + DCD_ENTRY_FRAME_HASH, hash.bytes, DCD_HASH_SIZE);
		int err = write_at(writer->fd, writer->table_length + writer->frames_length, segment->frame.data, length);
		if (err != 0) {
			return err;
		}
		writer->frames_length += length;
		writer->max_frame = length > writer->max_frame ? length : writer->max_frame;
		writer->max_scratch = segment->scratch > writer->max_scratch ? segment->scratch : writer->max_scratch;
		if (segment->pack_memory > 0) {
			uint64_t need = (uint64_t)length + segment->scratch + segment->pack_memory;
			writer->repacked_memory = need > writer->repacked_memory ? need : writer->repacked_memory;
		}
	}
	dcd_image_tree_add(&writer->tree, leaf);
	writer->frames[segment->kind]++;
	writer->segments++;
	return 0;
}

int dcd_payload_writer_finish(struct dcd_payload_writer *writer, struct dcd_encode_result *ret)
{
	struct dcd_encode_result result = { .table_length = writer->table_length,
					    .payload_length = writer->table_length + writer->frames_length,
					    .base_id = writer->base_id };
	memcpy(result.frames, writer->frames, sizeof result.frames);
	dcd_image_tree_id(&writer->tree, writer->image_size, writer->segment_size, &result.image_id);
	uint8_t *header = writer->table;
	memcpy(header + DCD_HEADER_MAGIC, DCD_FORMAT_MAGIC, 8);
	dcd_le16_put(header + DCD_HEADER_VERSION, DCD_FORMAT_VERSION);
	dcd_le16_put(header + DCD_HEADER_ENTRY_SIZE, DCD_FORMAT_ENTRY_SIZE);
	dcd_le32_put(header + DCD_HEADER_SEGMENT_SIZE, writer->segment_size);
	dcd_le32_put(header + DCD_HEADER_SEGMENT_COUNT, writer->segment_count);
	dcd_le64_put(header + DCD_HEADER_IMAGE_SIZE, writer->image_size);
	dcd_le64_put(header + DCD_HEADER_BASE_SIZE, writer->base_size);
	memcpy(header + DCD_HEADER_IMAGE_ID, result.image_id.bytes, DCD_HASH_SIZE);
	memcpy(header + DCD_HEADER_BASE_ID, writer->base_id.bytes, DCD_HASH_SIZE);
	dcd_le64_put(header + DCD_HEADER_FRAMES_LENGTH, writer->frames_length);
	dcd_le32_put(header + DCD_HEADER_MAX_FRAME, writer->max_frame);
	dcd_le32_put(header + DCD_HEADER_MAX_SCRATCH, writer->max_scratch);
	if (writer->repacked_memory > 0) {
		uint64_t others = (uint64_t)writer->max_frame + writer->max_scratch;
		uint64_t more = writer->repacked_memory > others ? writer->repacked_memory - others : 1;
		dcd_le32_put(header + DCD_HEADER_FEATURES, writer->features);
		dcd_le32_put(header + DCD_HEADER_PACK_MEMORY, (uint32_t)more);
		dcd_le32_put(header + DCD_HEADER_PACK_MARK, writer->pack_mark);
	}
	dcd_hash_once(writer->alg, writer->table, writer->table_length, &result.table_hash);
	int err = write_at(writer->fd, 0, writer->table, writer->table_length);
	if (err == 0) {
		*ret = result;
	}
	return err;
}

void dcd_payload_writer_free(struct dcd_payload_writer *writer)
{
	free(writer->table);
	writer->table = NULL;
}
