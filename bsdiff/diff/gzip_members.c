/* Gzip members (RFC 1952) wherever they lie: found by their magic number, believed once they unpack and their trailer agrees. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/le.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/diff/packed_blocks.h"

#define HEAD_SIZE 10
#define TRAILER_SIZE 8
#define CODED_MAX (8U << 20)

enum { FLAG_HCRC = 2, FLAG_EXTRA = 4, FLAG_NAME = 8, FLAG_COMMENT = 16, FLAGS_RESERVED = 0xe0 };

/* Behind the zero byte that ends a string at *at; false when it doesn't end. */
static bool string_skip(const uint8_t *data, size_t len, size_t *at)
{
	const uint8_t *end = memchr(data + *at, 0, len - *at);
	if (end == NULL) {
		return false;
	}
	*at = (size_t)(end - data) + 1;
	return true;
}

/* Length of the head of the member that begins at data, 0 for none. */
static size_t head_length(const uint8_t *data, size_t len)
{
	if (len < HEAD_SIZE + TRAILER_SIZE || data[2] != 8 || (data[3] & FLAGS_RESERVED) != 0) {
		return 0;
	}
	size_t at = HEAD_SIZE;
	if ((data[3] & FLAG_EXTRA) != 0) {
		at += 2 + (size_t)dcd_le16_get(data + at);
	}
	if (at > len || ((data[3] & FLAG_NAME) != 0 && !string_skip(data, len, &at)) ||
	    ((data[3] & FLAG_COMMENT) != 0 && !string_skip(data, len, &at))) {
		return 0;
	}
	at += (data[3] & FLAG_HCRC) != 0 ? 2 : 0;
	return at <= len ? at : 0;
}

bool dcd_gzip_member_at(const uint8_t *data, size_t len, uint8_t *content, uint32_t len_max, struct dcd_packed_block *ret)
{
	size_t head = head_length(data, len), content_len, coded;
	if (head == 0 ||
	    dcd_packer_measure(DCD_PACK_DEFLATE, content, len_max, data + head, len - head, &content_len, &coded) != 0) {
		return false;
	}
	if (content_len == 0 || len - head - coded < TRAILER_SIZE || dcd_le32_get(data + head + coded + 4) != content_len) {
		return false;
	}
	*ret = (struct dcd_packed_block){
		.offset = head, .coded = (uint32_t)coded, .len = (uint32_t)content_len, .method = DCD_PACK_DEFLATE
	};
	return true;
}

int dcd_gzip_members_find(const struct dcd_bytes *image, uint64_t from, uint64_t to, uint32_t len_max,
			  struct dcd_packed_blocks *ret)
{
	if (to - from < HEAD_SIZE + TRAILER_SIZE) {
		return 0;
	}
	uint8_t *content = malloc(len_max);
	int err = content == NULL ? DCD_ERR_NO_MEMORY : 0;
	while (err == 0 && from < to) {
		const uint8_t *found = memchr(image->data + from, 0x1f, (size_t)(to - from));
		if (found == NULL) {
			break;
		}
		from = (uint64_t)(found - image->data);
		struct dcd_packed_block block;
		size_t len = (size_t)dcd_min_u64(to - from, CODED_MAX);
		if (len < HEAD_SIZE + TRAILER_SIZE || found[1] != 0x8b ||
		    !dcd_gzip_member_at(found, len, content, len_max, &block)) {
			from++;
			continue;
		}
		block.offset += from;
		err = dcd_packed_blocks_add(ret, block);
		from = block.offset + block.coded;
	}
	free(content);
	return err;
}
