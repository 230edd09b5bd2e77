#include "updater/engine/image_install.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "bsdiff/apply/image_id.h"

enum segment_status {
	SEGMENT_DONE = 0,
	SEGMENT_TODO = 1,      /* from the primary payload */
	SEGMENT_TODO_FULL = 2, /* from the full payload: the delta came out wrong, or the medium did not keep it */
};

static int report(struct dcd_image_job *job, enum dcd_stage stage, uint64_t more)
{
	const struct dcd_progress_port *port = job->ports->progress;
	struct dcd_progress *shared = job->shared;
	shared->stage = stage;
	shared->done += more;
	shared->fetched = job->stats->bytes_payload;
	shared->planned = job->stats->bytes_planned;
	shared->full = job->stats->bytes_full;
	return port->report != NULL && port->report(port->context, shared) != 0 ? DCD_ERR_CANCELLED : 0;
}

static int load_table(struct dcd_image_job *job, const struct dcd_release_payload *payload, struct dcd_payload_table *ret,
		      struct dcd_diag *diag)
{
	const struct dcd_image_ports *ports = job->ports;
	int err = dcd_payload_table_load(ports->source, ports->targets_prefix, ports->alg, job->image, payload, ret, diag);
	if (err == 0) {
		job->stats->bytes_payload += payload->table_length;
		job->stats->bytes_planned += payload->table_length;
	}
	return err;
}

static bool is_offered(const struct dcd_image_job *job, const struct dcd_release_payload *payload)
{
	return dcd_payload_is_offered(job->ports->source, job->ports->targets_prefix, payload);
}

/* Null when the source has nothing that this device can use. */
static const struct dcd_release_payload *best_payload(const struct dcd_image_job *job)
{
	if (job->base != NULL && job->base_id != NULL) {
		const struct dcd_release_payload *delta = dcd_release_payload_find(job->image, job->base_id);
		if (delta != NULL && delta->base_size <= job->base->size && is_offered(job, delta)) {
			return delta;
		}
	}
	const struct dcd_release_payload *full = dcd_release_payload_find(job->image, NULL);
	return is_offered(job, full) ? full : NULL;
}

static int nothing_offered(const struct dcd_source *source, const struct dcd_release_image *image, struct dcd_diag *diag)
{
	return dcd_diag_set(
		diag, DCD_ERR_NOT_FOUND,
		"%s: holds no payload of '%s' that this device can use: neither the full one nor a delta from what it runs; make "
		"the bundle with --base of that release, or with full payloads",
		source->name, image->class_name);
}

int dcd_image_check_offered(const struct dcd_source *source, const char *targets_prefix, const struct dcd_release_image *image,
			    const struct dcd_hash *base_id, struct dcd_diag *diag)
{
	const struct dcd_release_payload *delta = base_id == NULL ? NULL : dcd_release_payload_find(image, base_id);
	bool offered = delta != NULL && dcd_payload_is_offered(source, targets_prefix, delta);
	offered = offered || dcd_payload_is_offered(source, targets_prefix, dcd_release_payload_find(image, NULL));
	return offered ? 0 : nothing_offered(source, image, diag);
}

/* Takes the full payload's table in place of a delta's that this device can't apply. */
static int load_full_instead(struct dcd_image_job *job, const struct dcd_release_payload *full, struct dcd_diag *diag)
{
	if (!is_offered(job, full)) {
		return dcd_diag_set(
			diag, DCD_ERR_UNSUPPORTED,
			"%s: its delta of '%s' has blocks that this device can't compress as they were (other library "
			"version, or pack-memory-kib too small), and there is no full payload beside it",
			job->ports->source->name, job->image->class_name);
	}
	dcd_payload_table_free(&job->primary);
	return load_table(job, full, &job->primary, diag);
}

/* The table of the payload that is best for this device. */
static int load_best(struct dcd_image_job *job, const struct dcd_release_payload *best, const struct dcd_release_payload *full,
		     struct dcd_diag *diag)
{
	const struct dcd_image_ports *ports = job->ports;
	int err = load_table(job, best, &job->primary, diag);
	if (best == full) {
		return err;
	}
	if (err == DCD_ERR_UNSUPPORTED && is_offered(job, full)) {
		return load_full_instead(job, full, diag); /* it is from a newer encoder; a full payload is the same for ever */
	}
	if (err == 0 && !dcd_payload_can_pack(&job->primary.view, ports->packer, ports->pack_memory_max)) {
		return load_full_instead(job, full, diag);
	}
	return err;
}

/*
 * A stream has gone past the full payload's table when it turns out to be needed, so it is taken along beside the delta's. Any
 * other source is asked for it then, which is hardly ever.
 */
static int load_tables(struct dcd_image_job *job, struct dcd_diag *diag)
{
	if (job->twin != NULL) {
		return dcd_payload_table_copy(&job->twin->primary, &job->primary, diag);
	}
	const struct dcd_release_payload *full = dcd_release_payload_find(job->image, NULL);
	const struct dcd_release_payload *best = best_payload(job);
	if (best == NULL) {
		return nothing_offered(job->ports->source, job->image, diag);
	}
	int err = load_best(job, best, full, diag);
	if (err == 0 && job->ports->source->sequential && job->primary.payload != full && is_offered(job, full)) {
		err = load_table(job, full, &job->fallback, diag);
	}
	return err;
}

int dcd_image_job_open(struct dcd_image_job *job, struct dcd_diag *diag)
{
	int err = load_tables(job, diag);
	if (err != 0) {
		return err;
	}
	uint32_t count = job->primary.view.segment_count;
	job->status = malloc(count > 0 ? count : 1);
	if (job->status == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for %u segments", count);
	}
	memset(job->status, SEGMENT_TODO, count);
	job->todo = count;
	job->stats->segments += count;
	job->stats->bytes_full += dcd_release_payload_find(job->image, NULL)->length;
	return 0;
}

void dcd_image_job_close(struct dcd_image_job *job)
{
	dcd_payload_table_free(&job->primary);
	dcd_payload_table_free(&job->fallback);
	free(job->status);
	job->status = NULL;
}

/* Hashing zeros again and again would be most of the work for a sparse image: their hash is computed once. */
struct zero_hash {
	uint32_t length;
	struct dcd_hash hash;
};

/* `zeros`: entry->segment_length of them. */
static bool zeros_are_right(struct dcd_image_job *job, const struct dcd_payload_entry *entry, const uint8_t *zeros,
			    struct zero_hash *zero)
{
	if (zero->length != entry->segment_length) {
		dcd_segment_hash(job->ports->alg, zeros, entry->segment_length, &zero->hash);
		zero->length = entry->segment_length;
	}
	return dcd_hash_equal(&zero->hash, &entry->segment_hash);
}

static bool segment_is_right(struct dcd_image_job *job, const struct dcd_payload_entry *entry, const uint8_t *data,
			     struct zero_hash *zero)
{
	if (dcd_all_zero(data, entry->segment_length)) {
		return zeros_are_right(job, entry, data, zero);
	}
	if (entry->kind == DCD_FRAME_ZERO) {
		return false;
	}
	struct dcd_hash hash;
	dcd_segment_hash(job->ports->alg, data, entry->segment_length, &hash);
	return dcd_hash_equal(&hash, &entry->segment_hash);
}

int dcd_image_job_scan(struct dcd_image_job *job, struct dcd_diag *diag)
{
	const struct dcd_payload *view = &job->primary.view;
	DCD_AUTO_FREE uint8_t *segment = malloc(view->segment_size);
	struct zero_hash zero = { 0 };
	if (segment == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a segment of %u bytes", view->segment_size);
	}
	for (uint32_t i = 0; i < view->segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(view, i, &entry);
		/* An unreadable segment is simply not right: writing it may cure it, and the read-back tells. */
		int err = job->target->ops->read_medium(job->target, entry.segment_offset, segment, entry.segment_length);
		if (err == 0 && segment_is_right(job, &entry, segment, &zero)) {
			job->status[i] = SEGMENT_DONE;
			job->todo--;
			job->stats->already_right++;
		} else if (job->twin == NULL) {
			job->stats->bytes_planned += entry.frame_length;
		}
		err = report(job, DCD_STAGE_SCANNING, entry.segment_length);
		if (err != 0) {
			return dcd_diag_set(diag, err, "cancelled while scanning %s", job->target->name);
		}
	}
	return 0;
}

/* ---- one round: every segment of one status, from one payload ---- */

struct round {
	struct dcd_image_job *job;
	const struct dcd_payload_table *table;
	enum segment_status status;
	struct dcd_blockdev *copy_of; /* a device that holds the image already, or null: from frames */
	struct dcd_segment_writer *writer;
	struct dcd_reader base_reader;
	struct dcd_frame_tools tools;
	uint8_t *memory; /* a frame, and its workspace behind it */
	size_t memory_size;
	struct dcd_range *ranges;
	size_t range_count;
	struct zero_hash zero;
};

static int read_base(void *context, uint64_t offset, void *buf, size_t len)
{
	struct dcd_blockdev *base = context;
	return base->ops->read(base, offset, buf, len);
}

static void segment_came_back_bad(void *context, const struct dcd_written_segment *segment)
{
	struct dcd_image_job *job = context;
	job->status[segment->index] = SEGMENT_TODO_FULL;
}

static int add_range(struct round *round, size_t *capacity, uint64_t offset, uint64_t length)
{
	struct dcd_range *last = round->range_count > 0 ? &round->ranges[round->range_count - 1] : NULL;
	if (last != NULL && last->offset + last->length == offset) {
		last->length += length;
		return 0;
	}
	if (round->range_count == *capacity) {
		size_t grown_capacity = *capacity == 0 ? 32 : *capacity * 2;
		struct dcd_range *grown = reallocarray(round->ranges, grown_capacity, sizeof *grown);
		if (grown == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
		round->ranges = grown;
		*capacity = grown_capacity;
	}
	round->ranges[round->range_count++] = (struct dcd_range){ offset, length };
	return 0;
}

/* The frames that this round needs, neighbours joined, so that a run of them is one request. */
static int plan_ranges(struct round *round)
{
	const struct dcd_payload *view = &round->table->view;
	uint64_t offset = dcd_payload_frames_offset(view);
	size_t capacity = 0;
	for (uint32_t i = 0; i < view->segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(view, i, &entry);
		if (round->job->status[i] == round->status && entry.frame_length > 0) {
			int err = add_range(round, &capacity, offset, entry.frame_length);
			if (err != 0) {
				return err;
			}
		}
		offset += entry.frame_length;
	}
	return 0;
}

static int open_decoder(struct round *round, struct dcd_diag *diag)
{
	struct dcd_image_job *job = round->job;
	const struct dcd_image_ports *ports = job->ports;
	const struct dcd_payload *view = &round->table->view;
	round->memory_size = dcd_frame_memory_size(view, ports->zstd);
	round->memory = aligned_alloc(16, round->memory_size);
	if (round->memory == NULL || plan_ranges(round) != 0) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to decode %s: it needs %zu bytes beside its segments",
				    round->table->path, round->memory_size);
	}
	round->tools = (struct dcd_frame_tools){
		.alg = ports->alg,
		.zstd = ports->zstd,
		.packer = ports->packer,
	};
	if (view->base_size > 0 && job->base != NULL) {
		round->base_reader = (struct dcd_reader){ read_base, job->base, view->base_size };
		round->tools.base = &round->base_reader;
	}
	return ports->stream->ops->start(ports->stream, round->table->path, round->table->payload->length, round->ranges,
					 round->range_count, diag);
}

static int round_open(struct round *round, struct dcd_diag *diag)
{
	struct dcd_image_job *job = round->job;
	const struct dcd_segment_writer_options options = {
		.dev = job->target,
		.alg = job->ports->alg,
		.segment_size = round->table->view.segment_size,
		.bad = segment_came_back_bad,
		.context = job,
	};
	int err = job->ports->new_writer(&options, &round->writer, diag);
	return err == 0 && round->copy_of == NULL ? open_decoder(round, diag) : err;
}

static void round_close(struct round *round)
{
	struct dcd_image_job *job = round->job;
	job->ports->stream->ops->stop(job->ports->stream);
	if (round->writer != NULL) {
		job->stats->bytes_written += round->writer->bytes_written;
		job->stats->rewritten += round->writer->bad_segments;
		round->writer->ops->close(round->writer);
	}
	free(round->memory);
	free(round->ranges);
}

static void count_segment(const struct round *round, enum dcd_frame_kind kind)
{
	struct dcd_install_stats *stats = round->job->stats;
	switch (kind) {
	case DCD_FRAME_ZERO:
		stats->zero++;
		return;
	case DCD_FRAME_SAME:
		stats->same++;
		return;
	case DCD_FRAME_DELTA:
		stats->delta++;
		return;
	case DCD_FRAME_FULL:
		stats->full++;
		return;
	}
}

static int explain(const struct round *round, uint32_t index, int err, struct dcd_diag *diag)
{
	const char *path = round->table->path;
	switch (err) {
	case DCD_ERR_HASH:
		return dcd_diag_set(diag, err, "%s: the frame of segment %u is not the one that the signed table names", path,
				    index);
	case DCD_ERR_UNSUPPORTED:
		return dcd_diag_set(diag, err, "%s: the frame of segment %u needs a newer decade on this device", path, index);
	default:
		return dcd_diag_set(diag, err,
				    "%s: the frame of segment %u is authentic but can't be decoded (%s); release it anew", path,
				    index, dcd_err_name(err));
	}
}

/*
 * An authentic frame that doesn't give its segment speaks against the base, or was made by a newer encoder than this device
 * knows; only this segment pays for it: a full frame is the same for ever.
 */
static bool full_frame_helps(const struct round *round, const struct dcd_payload_entry *entry, int err)
{
	bool uses_base = round->copy_of != NULL || entry->kind == DCD_FRAME_DELTA || entry->kind == DCD_FRAME_SAME;
	return uses_base && (err == DCD_ERR_WRONG_BASE || err == DCD_ERR_IO || err == DCD_ERR_UNSUPPORTED);
}

/* The other device was read back right a moment ago; if it isn't any more, this segment comes from a frame after all. */
static int copy_segment(struct round *round, const struct dcd_payload_entry *entry, uint8_t *segment)
{
	struct dcd_blockdev *from = round->copy_of;
	int err = from->ops->read_medium(from, entry->segment_offset, segment, entry->segment_length);
	return err == 0 && segment_is_right(round->job, entry, segment, &round->zero) ? 0 : DCD_ERR_WRONG_BASE;
}

static int make_segment(struct round *round, const struct dcd_payload_entry *entry, uint8_t *segment)
{
	if (round->copy_of != NULL) {
		return copy_segment(round, entry, segment);
	}
	if (entry->kind == DCD_FRAME_ZERO) {
		memset(segment, 0, entry->segment_length);
		return zeros_are_right(round->job, entry, segment, &round->zero) ? 0 : DCD_ERR_MALFORMED;
	}
	dcd_frame_share_memory(&round->tools, round->memory, round->memory_size, entry->frame_length);
	return dcd_frame_make_segment(entry, round->memory, entry->frame_length, &round->tools, segment);
}

static int make_one(struct round *round, const struct dcd_payload_entry *entry, uint32_t index, struct dcd_diag *diag)
{
	struct dcd_image_job *job = round->job;
	struct dcd_frame_stream *stream = job->ports->stream;
	if (entry->frame_length > 0 && round->copy_of == NULL) {
		int err = stream->ops->read(stream, round->memory, entry->frame_length, diag);
		if (err != 0) {
			return err;
		}
		job->stats->bytes_payload += entry->frame_length;
	}
	uint8_t *segment = NULL;
	int err = round->writer->ops->buffer(round->writer, &segment, diag);
	if (err != 0) {
		return err;
	}
	err = make_segment(round, entry, segment);
	if (full_frame_helps(round, entry, err)) {
		job->status[index] = SEGMENT_TODO_FULL;
		job->stats->refetched++;
		return 0;
	}
	if (err != 0) {
		return explain(round, index, err, diag);
	}
	/* Done unless the read-back, which comes later, says otherwise; so the status is set before the writer has it. */
	job->status[index] = SEGMENT_DONE;
	count_segment(round, round->copy_of != NULL && entry->kind != DCD_FRAME_ZERO ? DCD_FRAME_SAME : entry->kind);
	const struct dcd_written_segment written = {
		.index = index,
		.length = entry->segment_length,
		.offset = entry->segment_offset,
		.zero = entry->kind == DCD_FRAME_ZERO,
		.hash = entry->segment_hash,
	};
	return round->writer->ops->put(round->writer, &written, segment, diag);
}

static int round_segments(struct round *round, struct dcd_diag *diag)
{
	struct dcd_image_job *job = round->job;
	const struct dcd_payload *view = &round->table->view;
	for (uint32_t i = 0; i < view->segment_count; i++) {
		if (job->status[i] != round->status) {
			continue;
		}
		struct dcd_payload_entry entry;
		dcd_payload_entry(view, i, &entry);
		int err = make_one(round, &entry, i, diag);
		if (err == 0) {
			err = report(job, DCD_STAGE_WRITING, entry.segment_length);
			if (err != 0) {
				(void)dcd_diag_set(diag, err, "cancelled; the next install goes on from here");
			}
		}
		if (err != 0) {
			return err;
		}
	}
	return round->writer->ops->finish(round->writer, diag);
}

static int run_round(struct dcd_image_job *job, const struct dcd_payload_table *table, enum segment_status status,
		     struct dcd_diag *diag)
{
	struct round round = { .job = job, .table = table, .status = status };
	round.copy_of = status == SEGMENT_TODO && job->twin != NULL ? job->twin->target : NULL;
	int err = round_open(&round, diag);
	if (err == 0) {
		err = round_segments(&round, diag);
	}
	round_close(&round);
	return err;
}

static uint64_t count_status(const struct dcd_image_job *job, enum segment_status status)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < job->primary.view.segment_count; i++) {
		n += job->status[i] == status ? 1U : 0U;
	}
	return n;
}

int dcd_image_job_run(struct dcd_image_job *job, struct dcd_diag *diag)
{
	/* Also with nothing to do: segments found right may still be in a volatile cache, and the flush makes them last. */
	int err = run_round(job, &job->primary, SEGMENT_TODO, diag);
	for (int i = 1; err == 0 && count_status(job, SEGMENT_TODO_FULL) > 0; i++) {
		if (i == DCD_ROUNDS_MAX) {
			return dcd_diag_set(
				diag, DCD_ERR_READ_BACK,
				"%s: %llu segments did not come back from the medium as they were written; it may be worn out",
				job->target->name, (unsigned long long)count_status(job, SEGMENT_TODO_FULL));
		}
		if (job->fallback.bytes == NULL && !is_offered(job, dcd_release_payload_find(job->image, NULL))) {
			return dcd_diag_set(
				diag, DCD_ERR_NOT_FOUND,
				"%s: %llu segments of '%s' need full frames, which are not in it, because the running slot is "
				"not what it should be, or their deltas need a newer decade; what was written is kept, go on "
				"from the network or a full bundle",
				job->ports->source->name, (unsigned long long)count_status(job, SEGMENT_TODO_FULL),
				job->image->class_name);
		}
		if (job->fallback.bytes == NULL) {
			err = load_table(job, dcd_release_payload_find(job->image, NULL), &job->fallback, diag);
		}
		if (err == 0) {
			err = run_round(job, &job->fallback, SEGMENT_TODO_FULL, diag);
		}
	}
	return err;
}
