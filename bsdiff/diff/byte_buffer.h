/* Bytes that grow at the end. */
#ifndef DCD_BSDIFF_DIFF_BYTE_BUFFER_H
#define DCD_BSDIFF_DIFF_BYTE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Zero-initialised is empty. */
struct dcd_byte_buffer {
	uint8_t *data;
	size_t len;
	size_t capacity;
};

/* Makes room for `more` bytes behind the last. 0 or DCD_ERR_NO_MEMORY, with the buffer as it was. */
DCD_NODISCARD int dcd_byte_buffer_reserve(struct dcd_byte_buffer *buffer, size_t more);
DCD_NODISCARD int dcd_byte_buffer_append(struct dcd_byte_buffer *buffer, const void *data, size_t len);
DCD_NODISCARD int dcd_byte_buffer_append_varint(struct dcd_byte_buffer *buffer, uint64_t value);
void dcd_byte_buffer_free(struct dcd_byte_buffer *buffer);

#endif
