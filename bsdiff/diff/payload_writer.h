/* A payload file, written front to back: frames as they come, header and table at the end. */
#ifndef DCD_BSDIFF_DIFF_PAYLOAD_WRITER_H
#define DCD_BSDIFF_DIFF_PAYLOAD_WRITER_H

#include "bsdiff/apply/image_id.h"
#include "bsdiff/diff/encode.h"
#include "bsdiff/diff/segment_encoder.h"

struct dcd_payload_writer {
	int fd;
	const struct dcd_hash_alg *alg;
	uint32_t segment_size;
	uint32_t segment_count;
	uint64_t image_size;
	uint64_t base_size;
	struct dcd_hash base_id;
	uint8_t *table; /* header and table */
	size_t table_length;
	uint32_t segments; /* added so far */
	uint64_t frames_length;
	uint32_t max_frame;
	uint32_t max_scratch;
	uint32_t features;        /* the caller's, for payloads with repacked frames */
	uint32_t pack_mark;       /* likewise */
	uint64_t repacked_memory; /* the most that a repacked frame needs, itself included; 0: none so far */
	uint32_t frames[4];       /* by kind */
	struct dcd_image_tree tree;
};

/* The caller has set fd to base_id; takes memory for the table, which dcd_payload_writer_free() gives back. */
DCD_NODISCARD int dcd_payload_writer_begin(struct dcd_payload_writer *writer);

/* Adds the next segment. DCD_ERR_IO or DCD_ERR_NO_SPACE. */
DCD_NODISCARD int dcd_payload_writer_add(struct dcd_payload_writer *writer, const struct dcd_encoded_segment *segment,
					 const struct dcd_hash *leaf);

/* Writes header and table once every segment has been added. */
DCD_NODISCARD int dcd_payload_writer_finish(struct dcd_payload_writer *writer, struct dcd_encode_result *ret);

void dcd_payload_writer_free(struct dcd_payload_writer *writer);

#endif
