/* Segments out of a payload file and a base file, one at a time, in memory of its own. One for each thread. */
#ifndef DCD_TOOLS_DELTA_SEGMENT_MAKER_H
#define DCD_TOOLS_DELTA_SEGMENT_MAKER_H

#include <stdbool.h>

#include "bsdiff/codec/packer.h"
#include "bsdiff/codec/zstd_decode.h"
#include "tools/delta/base_cache.h"
#include "tools/delta/payload_file.h"

struct dcd_segment_maker {
	const struct dcd_payload_file *payload; /* the caller's, shared by all makers */
	int base_fd;                            /* the caller's; -1 when the payload has no base */
	struct dcd_decoder zstd;
	struct dcd_packer packer;
	struct dcd_reader base_file;
	struct dcd_base_cache cache;
	struct dcd_reader base; /* through the cache */
	uint8_t *segment;       /* what dcd_segment_maker_make() made */
	uint8_t *memory;        /* a frame, and its workspace behind it */
	size_t memory_size;
	uint32_t next;         /* a segment whose frame's place is known: */
	uint64_t frame_offset; /* in the payload */
	bool zero_known;
	struct dcd_hash zero_leaf; /* of a whole zero segment, once one has been made and checked */
};

/* Bytes that a maker takes. */
uint64_t dcd_segment_maker_need(const struct dcd_payload *payload);

/*
 * With `cache`, DCD_BASE_CACHE_SIZE bytes more make it faster; where the machine has none, it does without. The maker may not be
 * moved afterwards. DCD_ERR_NO_MEMORY; dcd_segment_maker_free() is right in either case.
 */
DCD_NODISCARD int dcd_segment_maker_begin(struct dcd_segment_maker *maker, const struct dcd_payload_file *payload, int base_fd,
					  bool cache);
void dcd_segment_maker_free(struct dcd_segment_maker *maker);

/*
 * Makes segment `index`, which is not below the one before, into maker->segment, checked against the table's hash. Of a zero
 * segment that has been made before nothing is done: *ret_entry tells its kind. Errors of dcd_frame_make_segment(), and
 * DCD_ERR_IO when payload or base can't be read; *ret_entry is then untouched.
 */
DCD_NODISCARD int dcd_segment_maker_make(struct dcd_segment_maker *maker, uint32_t index, struct dcd_payload_entry *ret_entry);

#endif
