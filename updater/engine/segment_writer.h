/*
 * The way of a finished segment into the slot: written, flushed, read back from the medium, compared. A segment counts only after the
 * last of these. The plain writer does it in the caller's thread; updater/pipeline has one that does it beside the decoding.
 */
#ifndef DCD_UPDATER_ENGINE_SEGMENT_WRITER_H
#define DCD_UPDATER_ENGINE_SEGMENT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blockdev.h"
#include "base/diag.h"
#include "base/hash.h"

/* Segments are flushed and read back in groups of this many bytes: a flush a segment would wear a flash controller for nothing. */
#define DCD_WRITER_GROUP_BYTES (8U << 20)

struct dcd_written_segment {
	uint32_t index;
	uint32_t length;      /* bytes */
	uint64_t offset;      /* bytes */
	bool zero;            /* nothing but zeros: compared as such, which is much faster than hashing them */
	struct dcd_hash hash; /* leaf hash that must come back */
};

struct dcd_segment_writer;

struct dcd_segment_writer_ops {
	/* Memory for the next segment (the largest one); blocks until some is free. Stays the writer's. */
	int (*buffer)(struct dcd_segment_writer *writer, uint8_t **ret, struct dcd_diag *diag);
	/* Takes back what the last `buffer` gave, now filled. An error of an earlier segment may come out here. */
	int (*put)(struct dcd_segment_writer *writer, const struct dcd_written_segment *segment, const uint8_t *data,
		   struct dcd_diag *diag);
	/*
	 * All segments are on the medium and were compared when it returns 0. Segments that did not come back right were handed to `bad`
	 * (given at creation); that is no error here.
	 */
	int (*finish)(struct dcd_segment_writer *writer, struct dcd_diag *diag);
	void (*close)(struct dcd_segment_writer *writer);
};

/* Implementations embed this as their first member. */
struct dcd_segment_writer {
	const struct dcd_segment_writer_ops *ops;
	uint64_t bytes_written; /* to the device, so far */
	uint64_t bad_segments;  /* that did not come back as they were written, so far */
};

struct dcd_segment_writer_options {
	struct dcd_blockdev *dev;
	const struct dcd_hash_alg *alg;
	uint32_t segment_size; /* bytes of the largest segment */
	/* Called for each segment that did not come back right; from the writer's thread, but never beside itself. */
	void (*bad)(void *context, const struct dcd_written_segment *segment);
	void *context;
};

/* The writer without threads. */
DCD_NODISCARD int dcd_plain_writer_new(const struct dcd_segment_writer_options *options, struct dcd_segment_writer **ret,
				       struct dcd_diag *diag);

/* True when data[0..len) is nothing but zeros. */
bool dcd_all_zero(const uint8_t *data, size_t len);

/* How a program gives the engine its kind of writer. */
typedef int dcd_segment_writer_factory(const struct dcd_segment_writer_options *options, struct dcd_segment_writer **ret,
				       struct dcd_diag *diag);

#endif
