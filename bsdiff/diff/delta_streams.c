#include "bsdiff/diff/delta_streams.h"

#include "base/varint.h"
#include "bsdiff/diff/suffix_index.h"

/* Up to this many equal bytes between two differences stay in the literal run: two varints would cost more. */
#define RUN_BRIDGE 3

/* Columns of struct dcd_delta_streams. */
enum column {
	COLUMN_EXTRA,
	COLUMN_COPY,
	COLUMN_DISTANCE,
	COLUMN_ZEROS,
	COLUMN_LITERALS,
	COLUMN_COUNT,
};

struct run_writer {
	struct dcd_delta_streams *streams;
	uint64_t zero_run; /* not yet written */
	uint64_t runs;     /* written */
};

/* One literal run with what precedes it. */
static int run_write(struct run_writer *w, const uint8_t *from, const uint8_t *to, size_t len)
{
	struct dcd_byte_buffer *literals = &w->streams->streams[DCD_STREAM_LITERALS];
	int err = dcd_byte_buffer_append_varint(&w->streams->columns[COLUMN_ZEROS], w->zero_run);
	err = err != 0 ? err : dcd_byte_buffer_append_varint(&w->streams->columns[COLUMN_LITERALS], len);
	err = err != 0 ? err : dcd_byte_buffer_reserve(literals, len);
	if (err != 0) {
		return err;
	}
	for (size_t i = 0; i < len; i++) {
		literals->data[literals->len++] = (uint8_t)(to[i] - from[i]);
	}
	w->zero_run = 0;
	w->runs++;
	return 0;
}

/* The differences of one copy. A literal run never crosses the end of its copy; two that touch have a zero run of 0 between them.
 */
static int differences_write(struct run_writer *w, const uint8_t *from, const uint8_t *to, size_t len)
{
	size_t at = 0;
	while (at < len) {
		size_t equal = dcd_common_prefix(from + at, to + at, len - at);
		at += equal;
		w->zero_run += equal;
		if (at == len) {
			break;
		}
		size_t end = at + 1; /* behind the last difference of the run */
		for (size_t i = end; i < len && i - end <= RUN_BRIDGE; i++) {
			if (from[i] != to[i]) {
				end = i + 1;
			}
		}
		int err = run_write(w, from + at, to + at, end - at);
		if (err != 0) {
			return err;
		}
		at = end;
	}
	return 0;
}

static int control_write(struct dcd_delta_streams *streams, uint64_t extra, uint64_t copy, uint64_t distance)
{
	int err = dcd_byte_buffer_append_varint(&streams->columns[COLUMN_EXTRA], extra);
	err = err != 0 ? err : dcd_byte_buffer_append_varint(&streams->columns[COLUMN_COPY], copy);
	return err != 0 ? err : dcd_byte_buffer_append_varint(&streams->columns[COLUMN_DISTANCE], distance);
}

/* The table of `rows` rows: their number, then the columns [first, end) one behind the other. */
static int table_write(struct dcd_delta_streams *streams, enum dcd_stream id, uint64_t rows, unsigned first, unsigned end)
{
	int err = rows == 0 ? 0 : dcd_byte_buffer_append_varint(&streams->streams[id], rows);
	for (unsigned i = first; err == 0 && i < end; i++) {
		err = dcd_byte_buffer_append(&streams->streams[id], streams->columns[i].data, streams->columns[i].len);
	}
	return err;
}

/* Bytes of copy `i` and of those behind it that only go on where it ends. */
static uint64_t copies_length(const struct dcd_copy_list *copies, size_t i)
{
	uint64_t len = copies->items[i].len;
	for (i++; i < copies->count; i++) {
		const struct dcd_copy *copy = &copies->items[i];
		if (copy->at != copy[-1].at + copy[-1].len || copy->base != copy[-1].base + copy[-1].len) {
			break;
		}
		len += copy->len;
	}
	return len;
}

static int filter_streams_write(struct dcd_delta_streams *streams, const struct dcd_ref_prediction *prediction)
{
	int err = dcd_byte_buffer_append(&streams->streams[DCD_STREAM_MAP], prediction->map.data, prediction->map.len);
	return err != 0 ? err
			: dcd_byte_buffer_append(&streams->streams[DCD_STREAM_GATE], prediction->gates.data,
						 prediction->gates.len);
}

int dcd_delta_streams_write(struct dcd_delta_streams *streams, const struct dcd_copy_list *copies,
			    const struct dcd_ref_context *context, const struct dcd_segment *segment,
			    const struct dcd_ref_prediction *prediction)
{
	for (size_t i = 0; i < DCD_STREAM_COUNT; i++) {
		streams->streams[i].len = 0;
	}
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		streams->columns[i].len = 0;
	}
	struct run_writer w = { .streams = streams };
	uint32_t at = 0;
	uint64_t base_end = segment->offset, rows = 0;
	int err = 0;
	for (size_t i = 0; err == 0 && i < copies->count; i++) {
		const struct dcd_copy *copy = &copies->items[i];
		uint32_t extra = copy->at - at;
		/* One copy that was cut: the decoder cuts it too. */
		bool goes_on = i > 0 && extra == 0 && copy->base == base_end;
		if (!goes_on) {
			rows++;
			err = control_write(streams, extra, copies_length(copies, i),
					    dcd_zigzag((int64_t)(copy->base - base_end)));
		}
		err = err != 0 ? err : dcd_byte_buffer_append(&streams->streams[DCD_STREAM_EXTRA], segment->data + at, extra);
		const uint8_t *from =
			prediction != NULL ? prediction->predicted + copy->at : dcd_ref_base_at(context, copy->base, copy->len);
		err = err != 0 ? err : differences_write(&w, from, segment->data + copy->at, copy->len);
		at = copy->at + copy->len;
		base_end = copy->base + copy->len;
	}
	if (err == 0 && at < segment->len) {
		const struct dcd_bytes rest = { segment->data + at, segment->len - at };
		rows++;
		err = control_write(streams, rest.len, 0, 0);
		err = err != 0 ? err : dcd_byte_buffer_append(&streams->streams[DCD_STREAM_EXTRA], rest.data, rest.len);
	}
	err = err != 0 ? err : table_write(streams, DCD_STREAM_CONTROL, rows, COLUMN_EXTRA, COLUMN_ZEROS);
	err = err != 0 ? err : table_write(streams, DCD_STREAM_RUNS, w.runs, COLUMN_ZEROS, COLUMN_COUNT);
	return err != 0 || prediction == NULL ? err : filter_streams_write(streams, prediction);
}

void dcd_delta_streams_free(struct dcd_delta_streams *streams)
{
	for (size_t i = 0; i < DCD_STREAM_COUNT; i++) {
		dcd_byte_buffer_free(&streams->streams[i]);
	}
	for (size_t i = 0; i < COLUMN_COUNT; i++) {
		dcd_byte_buffer_free(&streams->columns[i]);
	}
}
