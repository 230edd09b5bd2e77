/*
 * Making one segment from its frame. Freestanding: no allocation, no OS; imports only memcpy, memset, memcmp, memmove.
 */
#ifndef DCD_BSDIFF_APPLY_FRAME_H
#define DCD_BSDIFF_APPLY_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/reader.h"
#include "bsdiff/apply/payload.h"

/* A decompressor, as an interface: bsdiff/codec has zstd's. */
struct dcd_decoder {
	/*
	 * Decodes src into exactly `dst_len` bytes, in `memory` (aligned to 16). 0, or DCD_ERR_MALFORMED when it decodes to
	 * another length or not at all. Writes nowhere but dst[0..dst_len) and memory[0..memory_size).
	 */
	int (*decode)(uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len, void *memory, size_t memory_size);
	size_t memory_size; /* bytes that `decode` needs */
};

/* Compressors and decompressors of the blocks of DCD_FILTER_REPACKED frames, as an interface: bsdiff/codec has them. */
struct dcd_packer {
	/* As dcd_decoder.decode(). */
	int (*unpack)(enum dcd_pack_method method, uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len, void *memory,
		      size_t memory_size);
	/*
	 * Packs src, whose last DCD_PACK_CARRIED() bytes aren't the block's, into at most `capacity` bytes; the same ones for the
	 * same `params` as on the host. 0; DCD_ERR_UNSUPPORTED for
	 * parameters that it doesn't know, DCD_ERR_SIZE, DCD_ERR_NO_MEMORY. Writes nowhere but dst and memory.
	 */
	int (*pack)(enum dcd_pack_method method, uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src,
		    size_t src_len, void *memory, size_t memory_size, size_t *ret_len);
	/* What its compressors make of a fixed text, as a number, for those of `features` that are not DCD_FEATURES_EXACT; 0 for
	 * none. */
	uint32_t (*mark)(uint32_t features);
	uint32_t features; /* DCD_FEATURE_PACK() of each method that it has */
};

/* Everything a segment is made with. All pointers are the caller's. */
struct dcd_frame_tools {
	const struct dcd_hash_alg *alg;
	const struct dcd_decoder *zstd;
	struct dcd_reader *base; /* null: no base; SAME and DELTA are then DCD_ERR_UNSUPPORTED */
	void *workspace;         /* aligned to 16: dcd_frame_share_memory() */
	size_t workspace_size;
	const struct dcd_packer *packer; /* null: DCD_FILTER_REPACKED is DCD_ERR_UNSUPPORTED */
};

/*
 * Bytes for any frame of this payload and its workspace together, which share them: the longest frame is seldom the one that
 * needs the largest workspace. The segment that comes out (segment_size) is not in it.
 */
size_t dcd_frame_memory_size(const struct dcd_payload *payload, const struct dcd_decoder *zstd);

/*
 * Makes all of memory[0..size) the workspace, but for the first `frame_len` bytes, where the frame lies. `memory` is aligned to
 * 16, `size` is dcd_frame_memory_size(), `frame_len` at most the payload's max_frame.
 */
void dcd_frame_share_memory(struct dcd_frame_tools *tools, void *memory, size_t size, size_t frame_len);

/*
 * Makes the segment of `entry` in out[0..entry->segment_length): checks the frame's hash, decodes, checks the segment's hash.
 * Nothing of the frame is looked at before its hash matched. `out` is undefined on failure.
 *
 *	DCD_ERR_HASH         the frame is not the one that the table names
 *	DCD_ERR_WRONG_BASE   the frame is authentic but the segment came out wrong: the base is not what it should be, or (for
 *	                     DCD_FILTER_REPACKED) the compressors are not the host's
 *	DCD_ERR_MALFORMED    the frame is authentic but breaks the format: the encoder's fault
 *	DCD_ERR_UNSUPPORTED  the frame needs a newer reader
 *	DCD_ERR_IO           the base could not be read
 */
DCD_NODISCARD int dcd_frame_make_segment(const struct dcd_payload_entry *entry, const uint8_t *frame, size_t frame_len,
					 const struct dcd_frame_tools *tools, uint8_t *out);

/*
 * The decoding alone, with no hash looked at: what the fuzzer drives, to show that even a frame whose hash was forged reads and
 * writes nothing out of bounds. Installers call dcd_frame_make_segment().
 */
DCD_NODISCARD int dcd_frame_decode(const struct dcd_payload_entry *entry, const uint8_t *frame, size_t frame_len,
				   const struct dcd_frame_tools *tools, uint8_t *out);

/*
 * Where the bytes of a delta frame go: the coded length of each enum dcd_stream, and in ret_lengths[DCD_STREAM_COUNT] the head.
 * For reports; the frame is not decoded. Errors as dcd_frame_decode().
 */
DCD_NODISCARD int dcd_frame_stream_lengths(const uint8_t *frame, size_t frame_len, uint32_t segment_length,
					   size_t ret_lengths[DCD_STREAM_COUNT + 1]);

#endif
