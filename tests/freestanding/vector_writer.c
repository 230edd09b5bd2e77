#include "tests/freestanding/vector_writer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/le.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/codec/zstd_decode.h"
#include "tests/freestanding/vector_format.h"

static FILE *file;
static uint32_t cases;

static void bytes_write(const void *data, size_t len)
{
	if (len > 0 && fwrite(data, 1, len, file) != len) {
		perror("make_vectors");
		exit(1);
	}
}

static size_t padding(size_t len)
{
	return (0U - len) & 15;
}

static void padded_write(const void *data, size_t len)
{
	static const uint8_t zeros[16];
	bytes_write(data, len);
	bytes_write(zeros, padding(len));
}

/* `body` bytes follow, padding included. */
static void head_write(enum vector_record record, size_t body, size_t length)
{
	uint8_t head[VECTOR_HEAD_SIZE] = { 0 };
	dcd_le32_put(head + VECTOR_HEAD_RECORD, record);
	dcd_le32_put(head + VECTOR_HEAD_BODY, (uint32_t)body);
	dcd_le32_put(head + VECTOR_HEAD_LENGTH, (uint32_t)length);
	bytes_write(head, sizeof head);
}

static size_t padded(size_t len)
{
	return len + padding(len);
}

void vector_writer_open(const char *path)
{
	file = fopen(path, "wb");
	if (file == NULL) {
		perror(path);
		exit(1);
	}
}

void vector_writer_close(void)
{
	head_write(VECTOR_END, 0, 0);
	if (fclose(file) != 0) {
		perror("make_vectors");
		exit(1);
	}
}

static void answer_write(enum vector_operation operation, uint32_t method, uint32_t params, const uint8_t *src, size_t src_len,
			 int err, const uint8_t *dst, size_t dst_len)
{
	uint8_t answer[ANSWER_SIZE] = { 0 };
	dst_len = err == 0 ? dst_len : 0;
	dcd_le32_put(answer + ANSWER_OPERATION, operation);
	dcd_le32_put(answer + ANSWER_METHOD, method);
	dcd_le32_put(answer + ANSWER_PARAMS, params);
	dcd_le32_put(answer + ANSWER_SOURCE_LENGTH, (uint32_t)src_len);
	dcd_le32_put(answer + ANSWER_SOURCE_CHECK, vector_check_sum(src, src_len));
	dcd_le32_put(answer + ANSWER_ERROR, (uint32_t)err);
	dcd_le32_put(answer + ANSWER_LENGTH, (uint32_t)dst_len);
	head_write(VECTOR_ANSWER, ANSWER_SIZE + padded(dst_len), cases);
	bytes_write(answer, sizeof answer);
	padded_write(dst, dst_len);
}

static int heard_decode(uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len, void *memory, size_t memory_size)
{
	int err = dcd_zstd_decoder().decode(dst, dst_len, src, src_len, memory, memory_size);
	answer_write(VECTOR_DECODE, 0, (uint32_t)dst_len, src, src_len, err, dst, dst_len);
	return err;
}

static int heard_unpack(enum dcd_pack_method method, uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len,
			void *memory, size_t memory_size)
{
	int err = dcd_block_packer().unpack(method, dst, dst_len, src, src_len, memory, memory_size);
	answer_write(VECTOR_UNPACK, method, (uint32_t)dst_len, src, src_len, err, dst, dst_len);
	return err;
}

static int heard_pack(enum dcd_pack_method method, uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src,
		      size_t src_len, void *memory, size_t memory_size, size_t *ret_len)
{
	int err = dcd_block_packer().pack(method, params, dst, capacity, src, src_len, memory, memory_size, ret_len);
	if (method != DCD_PACK_DEFLATE) {
		answer_write(VECTOR_PACK, method, params, src, src_len, err, dst, err == 0 ? *ret_len : 0);
	}
	return err;
}

struct dcd_decoder vector_decoder(void)
{
	return (struct dcd_decoder){ heard_decode, dcd_zstd_decoder().memory_size };
}

struct dcd_packer vector_packer(void)
{
	struct dcd_packer packer = dcd_block_packer();
	packer.unpack = heard_unpack;
	packer.pack = heard_pack;
	return packer;
}

void vector_write_base(const uint8_t *base, size_t len)
{
	head_write(VECTOR_BASE, padded(len), len);
	padded_write(base, len);
}

void vector_write_payload(const uint8_t *payload, size_t len, size_t table_len, const uint8_t *image, size_t image_len,
			  size_t decoder_memory)
{
	uint8_t body[PAYLOAD_SIZE];
	dcd_le32_put(body + PAYLOAD_LENGTH, (uint32_t)len);
	dcd_le32_put(body + PAYLOAD_TABLE_LENGTH, (uint32_t)table_len);
	dcd_le32_put(body + PAYLOAD_IMAGE_LENGTH, (uint32_t)image_len);
	dcd_le32_put(body + PAYLOAD_DECODER_MEMORY, (uint32_t)decoder_memory);
	head_write(VECTOR_PAYLOAD, sizeof body + padded(len) + padded(image_len), ++cases);
	bytes_write(body, sizeof body);
	padded_write(payload, len);
	padded_write(image, image_len);
}

void vector_write_frame(const struct dcd_payload_entry *entry, const uint8_t *frame, uint32_t workspace_size,
			uint32_t decoder_memory, int err, const uint8_t *segment)
{
	uint8_t body[FRAME_SIZE];
	size_t out_len = err == 0 ? entry->segment_length : 0;
	dcd_le32_put(body + FRAME_KIND, entry->kind);
	dcd_le32_put(body + FRAME_FILTER, entry->filter);
	dcd_le32_put(body + FRAME_SEGMENT_LENGTH, entry->segment_length);
	dcd_le32_put(body + FRAME_SEGMENT_OFFSET, (uint32_t)entry->segment_offset);
	dcd_le32_put(body + FRAME_LENGTH, entry->frame_length);
	dcd_le32_put(body + FRAME_WORKSPACE, workspace_size);
	dcd_le32_put(body + FRAME_DECODER_MEMORY, decoder_memory);
	dcd_le32_put(body + FRAME_ERROR, (uint32_t)err);
	head_write(VECTOR_FRAME, sizeof body + padded(entry->frame_length) + padded(out_len), ++cases);
	bytes_write(body, sizeof body);
	padded_write(frame, entry->frame_length);
	padded_write(segment, out_len);
}
