/*
 * Making payloads (host). Threads encode segments in parallel; the same inputs and parameters give the same bytes whatever their
 * number.
 */
#ifndef DCD_BSDIFF_DIFF_ENCODE_H
#define DCD_BSDIFF_DIFF_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/hash.h"
#include "bsdiff/format.h"

/* Bytes in the caller's memory, a mapped file as a rule. */
struct dcd_bytes {
	const uint8_t *data;
	uint64_t len;
};

/*
 * Grows whenever the same inputs would give other bytes. Together with zstd's version, which has a say in them too, it tells
 * whether payloads that were made elsewhere, or earlier, are those that this encoder would make.
 */
#define DCD_ENCODER_VERSION 6
/* "2-zstd1.5.4"; letters, digits, '.' and '-'. */
#define DCD_ENCODER_NAME_SIZE 48
void dcd_encoder_name(char ret[DCD_ENCODER_NAME_SIZE]);

struct dcd_encode_options {
	uint32_t segment_size; /* bytes; 0: DCD_SEGMENT_SIZE_DEFAULT */
	int effort;            /* 1..9; 0: 6 */
	int threads;           /* 0: one a core */
	const struct dcd_hash_alg *alg;
	bool keep_packed; /* take compressed blocks as they are, so that any version-1 reader applies the payload */
	/*
	 * Bytes that a frame may need in which blocks are packed: itself, its streams, the blocks, the compressor. 0: as many as
	 * leave a device with segments of up to 1 MiB at 4 MiB in all (4 segments of any size above), and what zstd or xz want
	 * beyond deflate.
	 */
	uint32_t pack_memory;
	/*
	 * May be null. A phase has gone through `done` of `total` bytes, as a rule of the new image, but some go through the
	 * base, which may be longer; "indexing" counts segments. Called from one thread at a time.
	 */
	void (*progress)(void *context, const char *phase, uint64_t done, uint64_t total);
	void *context;
	/*
	 * What need not be found out again for every base of one image. Each may be empty (data null), and is the caller's, who
	 * has checked that it is what it says. `full`: the image's full payload, a whole file, of the same segment size and
	 * effort; its frames serve where a delta isn't smaller, and its table for the image's hashes. `base_table`: header and
	 * table of the base's full payload, of the same segment size, for the base's hashes.
	 */
	struct dcd_bytes full;
	struct dcd_bytes base_table;
};

struct dcd_encode_result {
	struct dcd_hash image_id;
	struct dcd_hash base_id;    /* zero: full payload */
	struct dcd_hash table_hash; /* SHA-256 of header and table: the payload's name */
	uint64_t table_length;      /* bytes of header and table */
	uint64_t payload_length;    /* bytes of the whole file */
	uint32_t frames[4];         /* how many of each enum dcd_frame_kind */
};

/*
 * Writes the payload that makes `image` from `base` (null: a full payload) to the empty, seekable file `fd`. The caller makes it
 * durable and gives it its name. DCD_ERR_NO_MEMORY, DCD_ERR_IO, DCD_ERR_NO_SPACE, DCD_ERR_USAGE (options out of bounds, image too
 * large, a full payload or table that isn't of these bytes).
 */
DCD_NODISCARD int dcd_encode_payload(const struct dcd_bytes *base, const struct dcd_bytes *image, int fd,
				     const struct dcd_encode_options *options, struct dcd_encode_result *ret,
				     struct dcd_diag *diag);

/* The image id of bytes in memory, on all cores. */
DCD_NODISCARD int dcd_encode_image_id(const struct dcd_bytes *image, const struct dcd_encode_options *options,
				      struct dcd_hash *ret, struct dcd_diag *diag);

#endif
