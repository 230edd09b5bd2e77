/* Writes a file of vectors, with what the codecs answered since the base (vector_format.h). One file a process; dies of errors.
 */
#ifndef DCD_TESTS_FREESTANDING_VECTOR_WRITER_H
#define DCD_TESTS_FREESTANDING_VECTOR_WRITER_H

#include "bsdiff/apply/frame.h"

void vector_writer_open(const char *path);
void vector_writer_close(void);

/* zstd and the packers; what they are asked and answer goes into the file. */
struct dcd_decoder vector_decoder(void);
struct dcd_packer vector_packer(void);

/* Base, answers, vectors that need them: in this order. */
void vector_write_base(const uint8_t *base, size_t len);
void vector_write_payload(const uint8_t *payload, size_t len, size_t table_len, const uint8_t *image, size_t image_len,
			  size_t decoder_memory);
void vector_write_frame(const struct dcd_payload_entry *entry, const uint8_t *frame, uint32_t workspace_size,
			uint32_t decoder_memory, int err, const uint8_t *segment);

#endif
