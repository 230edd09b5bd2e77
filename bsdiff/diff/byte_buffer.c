#include "bsdiff/diff/byte_buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/varint.h"

int dcd_byte_buffer_reserve(struct dcd_byte_buffer *buffer, size_t more)
{
	if (more <= buffer->capacity - buffer->len) {
		return 0;
	}
	size_t capacity = buffer->capacity < 256 ? 256 : buffer->capacity;
	while (capacity - buffer->len < more) {
		if (capacity > SIZE_MAX / 2) {
			return DCD_ERR_NO_MEMORY;
		}
		capacity *= 2;
	}
	uint8_t *grown = realloc(buffer->data, capacity);
	if (grown == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	buffer->data = grown;
	buffer->capacity = capacity;
	return 0;
}

int dcd_byte_buffer_append(struct dcd_byte_buffer *buffer, const void *data, size_t len)
{
	int err = dcd_byte_buffer_reserve(buffer, len);
	if (err == 0 && len > 0) {
		memcpy(buffer->data + buffer->len, data, len);
		buffer->len += len;
	}
	return err;
}

int dcd_byte_buffer_append_varint(struct dcd_byte_buffer *buffer, uint64_t value)
{
	int err = dcd_byte_buffer_reserve(buffer, DCD_VARINT_MAX);
	if (err == 0) {
		buffer->len += dcd_varint_put(buffer->data + buffer->len, value);
	}
	return err;
}

void dcd_byte_buffer_free(struct dcd_byte_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct dcd_byte_buffer){ 0 };
}
