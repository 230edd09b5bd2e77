#include "updater/engine/segment_writer.h"

#include <stdlib.h>
#include <string.h>

#include "bsdiff/apply/image_id.h"

#define READ_BACK_CHUNK (64U << 10)

struct plain_writer {
	struct dcd_segment_writer writer;
	struct dcd_segment_writer_options options;
	uint8_t *segment; /* allocated when somebody asks for it: a threaded writer has buffers of its own */
	uint8_t *chunk;
	struct dcd_written_segment *group; /* written, not yet read back */
	size_t group_count;
	size_t group_capacity;
	uint64_t group_bytes;
};

static int plain_buffer(struct dcd_segment_writer *writer, uint8_t **ret, struct dcd_diag *diag)
{
	struct plain_writer *plain = (struct plain_writer *)writer;
	if (plain->segment == NULL) {
		plain->segment = malloc(plain->options.segment_size);
	}
	if (plain->segment == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a segment of %u bytes", plain->options.segment_size);
	}
	*ret = plain->segment;
	return 0;
}

bool dcd_all_zero(const uint8_t *data, size_t len)
{
	return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

/* True when the medium gives back what was written. A segment that can't be read is as bad as a wrong one. */
static bool came_back(struct plain_writer *plain, const struct dcd_written_segment *segment)
{
	struct dcd_hash_state state;
	struct dcd_hash hash;
	struct dcd_blockdev *dev = plain->options.dev;
	dcd_segment_hash_begin(plain->options.alg, &state);
	for (uint32_t done = 0; done < segment->length;) {
		uint32_t n = segment->length - done < READ_BACK_CHUNK ? segment->length - done : READ_BACK_CHUNK;
		if (dev->ops->read_medium(dev, segment->offset + done, plain->chunk, n) != 0) {
			return false;
		}
		if (segment->zero && !dcd_all_zero(plain->chunk, n)) {
			return false;
		}
		if (!segment->zero) {
			plain->options.alg->update(&state, plain->chunk, n);
		}
		done += n;
	}
	dcd_segment_hash_end(plain->options.alg, &state, &hash);
	return segment->zero || dcd_hash_equal(&hash, &segment->hash);
}

/* Flush first: only what is durable may be compared, and only what compared right may count. */
static int settle(struct plain_writer *plain, struct dcd_diag *diag)
{
	struct dcd_blockdev *dev = plain->options.dev;
	int err = dev->ops->flush(dev);
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s: the flush failed (%s); the medium may be worn out or write-protected", dev->name,
				    dcd_blockdev_why(dev, err));
	}
	for (size_t i = 0; i < plain->group_count; i++) {
		if (!came_back(plain, &plain->group[i])) {
			plain->writer.bad_segments++;
			plain->options.bad(plain->options.context, &plain->group[i]);
		}
	}
	plain->group_count = 0;
	plain->group_bytes = 0;
	return 0;
}

static int remember(struct plain_writer *plain, const struct dcd_written_segment *segment)
{
	if (plain->group_count == plain->group_capacity) {
		size_t capacity = plain->group_capacity == 0 ? 16 : plain->group_capacity * 2;
		struct dcd_written_segment *grown = reallocarray(plain->group, capacity, sizeof *grown);
		if (grown == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
		plain->group = grown;
		plain->group_capacity = capacity;
	}
	plain->group[plain->group_count++] = *segment;
	plain->group_bytes += segment->length;
	return 0;
}

static int plain_put(struct dcd_segment_writer *writer, const struct dcd_written_segment *segment, const uint8_t *data,
		     struct dcd_diag *diag)
{
	struct plain_writer *plain = (struct plain_writer *)writer;
	struct dcd_blockdev *dev = plain->options.dev;
	int err = dev->ops->write(dev, segment->offset, data, segment->length);
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s: writing %u bytes at %llu failed (%s)", dev->name, segment->length,
				    (unsigned long long)segment->offset, dcd_blockdev_why(dev, err));
	}
	writer->bytes_written += segment->length;
	err = remember(plain, segment);
	if (err != 0) {
		return dcd_diag_set(diag, err, "no memory for the list of written segments");
	}
	return plain->group_bytes >= DCD_WRITER_GROUP_BYTES ? settle(plain, diag) : 0;
}

static int plain_finish(struct dcd_segment_writer *writer, struct dcd_diag *diag)
{
	return settle((struct plain_writer *)writer, diag);
}

static void plain_close(struct dcd_segment_writer *writer)
{
	struct plain_writer *plain = (struct plain_writer *)writer;
	free(plain->segment);
	free(plain->chunk);
	free(plain->group);
	free(plain);
}

static const struct dcd_segment_writer_ops plain_ops = { plain_buffer, plain_put, plain_finish, plain_close };

int dcd_plain_writer_new(const struct dcd_segment_writer_options *options, struct dcd_segment_writer **ret, struct dcd_diag *diag)
{
	struct plain_writer *plain = calloc(1, sizeof *plain);
	if (plain != NULL) {
		plain->writer.ops = &plain_ops;
		plain->options = *options;
		plain->chunk = malloc(READ_BACK_CHUNK);
	}
	if (plain == NULL || plain->chunk == NULL) {
		free(plain);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to write %s", options->dev->name);
	}
	*ret = &plain->writer;
	return 0;
}
