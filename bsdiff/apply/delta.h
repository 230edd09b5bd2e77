/*
 * The delta frame (bsdiff/format.h), seen from the decoder. Private to bsdiff/apply; installers use frame.h. Freestanding.
 */
#ifndef DCD_BSDIFF_APPLY_DELTA_H
#define DCD_BSDIFF_APPLY_DELTA_H

#include <stddef.h>
#include <stdint.h>

#include "base/reader.h"
#include "bsdiff/apply/frame.h"

/*
 * Makes out[0..entry->segment_length) from a delta frame. Streams that are compressed are decoded into the workspace, behind the
 * decompressor's own memory; stored ones are used where they lie. Errors as dcd_frame_decode().
 */
DCD_NODISCARD int dcd_delta_decode(const struct dcd_payload_entry *entry, const uint8_t *frame, size_t frame_len,
				   const struct dcd_frame_tools *tools, uint8_t *out);

/* Reads `len` bytes of the base in modest pieces; DCD_ERR_WRONG_BASE when it has no such bytes. */
DCD_NODISCARD int dcd_delta_read_base(struct dcd_reader *base, uint64_t offset, uint8_t *out, size_t len);

/* The decompressor's share of the workspace; the rest begins at this multiple of 16. */
static inline size_t dcd_delta_decoder_memory(const struct dcd_decoder *decoder)
{
	return (decoder->memory_size + 15) & ~(size_t)15;
}

#endif
