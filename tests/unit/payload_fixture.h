/* What tests and fuzz targets of the delta engine share: seeded bytes, payloads in memory, a device that applies them. */
#ifndef DCD_TESTS_UNIT_PAYLOAD_FIXTURE_H
#define DCD_TESTS_UNIT_PAYLOAD_FIXTURE_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "bsdiff/apply/frame.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/codec/zstd_decode.h"
#include "bsdiff/diff/encode.h"
#include "manifest/crypto/sha256.h"

/* xorshift64*: the same sequence everywhere. */
static inline uint64_t fixture_random(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * UINT64_C(2685821657736338717);
}

static inline void fixture_fill(uint64_t *seed, uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		data[i] = (uint8_t)(fixture_random(seed) >> 56);
	}
}

struct fixture_payload {
	uint8_t *data;
	size_t len;
	struct dcd_encode_result result;
};

/* Encodes in memory; 0 or the encoder's error. The caller frees data. */
static inline int fixture_encode(const uint8_t *base, size_t base_len, const uint8_t *image, size_t image_len,
				 const struct dcd_encode_options *options, struct fixture_payload *ret)
{
	struct dcd_bytes old = { base, base_len }, new = { image, image_len };
	int fd = memfd_create("payload", MFD_CLOEXEC);
	if (fd < 0) {
		return DCD_ERR_HOST;
	}
	int err = dcd_encode_payload(base == NULL ? NULL : &old, &new, fd, options, &ret->result, NULL);
	if (err == 0) {
		ret->len = (size_t)ret->result.payload_length;
		ret->data = malloc(ret->len);
		if (ret->data == NULL || pread(fd, ret->data, ret->len, 0) != (ssize_t)ret->len) {
			err = DCD_ERR_IO;
		}
	}
	close(fd);
	return err;
}

struct fixture_base {
	const uint8_t *data;
	struct dcd_reader reader;
};

static inline int fixture_base_read(void *context, uint64_t offset, void *buf, size_t len)
{
	const struct fixture_base *base = context;
	if (!dcd_range_inside(offset, len, base->reader.size)) {
		abort(); /* the decoder must have checked */
	}
	memcpy(buf, base->data + offset, len);
	return 0;
}

static inline void fixture_base_open(struct fixture_base *base, const uint8_t *data, size_t len)
{
	base->data = data;
	base->reader = (struct dcd_reader){ fixture_base_read, base, len };
}

/* Makes every segment; `out` has room for the image. Stops at the first error. */
static inline int fixture_apply(const struct fixture_payload *p, struct dcd_reader *base, uint8_t *out)
{
	struct dcd_payload payload;
	uint64_t table_length;
	int err = dcd_payload_table_length(p->data, p->len, &table_length);
	err = err != 0 ? err : dcd_payload_open(p->data, (size_t)table_length, &dcd_sha256, &payload);
	if (err != 0) {
		return err;
	}
	struct dcd_decoder zstd = dcd_zstd_decoder();
	struct dcd_packer packer = dcd_block_packer();
	size_t memory = dcd_frame_memory_size(&payload, &zstd);
	struct dcd_frame_tools tools = { .alg = &dcd_sha256, .zstd = &zstd, .base = base, .packer = &packer };
	size_t at = (size_t)table_length;
	for (uint32_t i = 0; err == 0 && i < payload.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&payload, i, &entry);
		/* Tight copies, so that a sanitizer sees a byte too many. */
		uint8_t *frame = malloc(entry.frame_length + (size_t)1);
		uint8_t *segment = malloc(entry.segment_length);
		memcpy(frame, p->data + at, entry.frame_length);
		tools.workspace_size = memory - (entry.frame_length + (size_t)15) / 16 * 16;
		tools.workspace = malloc(tools.workspace_size);
		err = dcd_frame_make_segment(&entry, frame, entry.frame_length, &tools, segment);
		if (err == 0) {
			memcpy(out + entry.segment_offset, segment, entry.segment_length);
		}
		at += entry.frame_length;
		free(segment);
		free(frame);
		free(tools.workspace);
	}
	return err;
}

#endif
