/*
 * Every number in a delta frame is checked before it is used, in subtract form, as if nobody had hashed the frame: patch formats
 * have been broken by a length that went negative and by an offset that wrapped.
 */
#include "bsdiff/apply/delta.h"

#include "base/checked.h"
#include "base/varint.h"
#include "bsdiff/apply/refs.h"
#include "bsdiff/apply/repack.h"

/* Base reads go straight into the output, this much at a time: small enough for any block layer, large enough to be fast. */
#define BASE_CHUNK (64U << 10)

/* A stream that is being consumed: data[pos..len). */
struct stream {
	const uint8_t *data;
	size_t len;
	size_t pos;
};

/* What the frame's head says about one stream. */
struct stream_head {
	uint8_t codec;
	size_t raw;
	size_t coded;
};

/* A table of varints, column by column: `left` rows are still to be read. */
#define COLUMNS_MAX 3
struct table {
	struct stream columns[COLUMNS_MAX];
	uint64_t left;
};

/* Where the decoder stands. */
struct delta_state {
	struct stream streams[DCD_STREAM_COUNT];
	struct table control;
	struct table runs;
	uint8_t *out;
	size_t out_len;
	struct dcd_reader *base;
	uint64_t segment_offset;
	uint64_t base_end; /* end of the last copy */
	uint64_t zero_run; /* what is left of the current pair of RUNS */
	uint64_t literal_run;
	bool predicted; /* DCD_FILTER_REFERENCES: refs is open */
	bool repacked;  /* DCD_FILTER_REPACKED: repack is, and has the output */
	size_t made;    /* bytes of the segment so far, unpacked */
	struct dcd_refs refs;
	struct dcd_repack repack;
};

/* Where decoded streams go, and then the reference map. */
struct scratch {
	uint8_t *at;
	size_t left;
};

int dcd_delta_read_base(struct dcd_reader *base, uint64_t offset, uint8_t *out, size_t len)
{
	if (!dcd_range_inside(offset, len, base->size)) {
		return DCD_ERR_WRONG_BASE;
	}
	while (len > 0) {
		size_t n = len < BASE_CHUNK ? len : BASE_CHUNK;
		int err = base->read(base->context, offset, out, n);
		if (err != 0) {
			return err;
		}
		offset += n;
		out += n;
		len -= n;
	}
	return 0;
}

/* Reads the head of one stream at *pos. `raw_left` is what the scratch bound still allows. */
static int head_read_one(const uint8_t *frame, size_t frame_len, size_t *pos, uint64_t raw_left, struct stream_head *ret)
{
	uint64_t raw, coded;
	if (*pos >= frame_len) {
		return DCD_ERR_MALFORMED;
	}
	uint8_t codec = frame[(*pos)++];
	if (codec != DCD_CODEC_STORED && codec != DCD_CODEC_ZSTD) {
		return DCD_ERR_UNSUPPORTED;
	}
	if (!dcd_varint_get(frame, frame_len, pos, &raw) || !dcd_varint_get(frame, frame_len, pos, &coded) || raw == 0 ||
	    raw > raw_left || coded == 0 || coded > frame_len || (codec == DCD_CODEC_STORED && raw != coded)) {
		return DCD_ERR_MALFORMED;
	}
	*ret = (struct stream_head){ codec, (size_t)raw, (size_t)coded };
	return 0;
}

/* Reads the frame's head into heads[], indexed by stream id; absent streams stay zero. */
static int head_read(const uint8_t *frame, size_t frame_len, uint64_t raw_max, struct stream_head heads[DCD_STREAM_COUNT],
		     size_t *ret_pos)
{
	if (frame_len == 0) {
		return DCD_ERR_MALFORMED;
	}
	size_t pos = 1;
	unsigned next_id = 0;
	for (unsigned left = frame[0]; left > 0; left--) {
		if (pos >= frame_len) {
			return DCD_ERR_MALFORMED;
		}
		unsigned id = frame[pos++];
		if (id >= DCD_STREAM_COUNT) {
			return DCD_ERR_UNSUPPORTED;
		}
		if (id < next_id) {
			return DCD_ERR_MALFORMED;
		}
		next_id = id + 1;
		int err = head_read_one(frame, frame_len, &pos, raw_max, &heads[id]);
		if (err != 0) {
			return err;
		}
		raw_max -= heads[id].raw;
	}
	*ret_pos = pos;
	return 0;
}

/* Gives each stream its decoded bytes. The coded streams must fill the frame exactly. */
static int streams_open(const struct stream_head heads[DCD_STREAM_COUNT], const uint8_t *coded, size_t coded_len,
			const struct dcd_frame_tools *tools, struct scratch *scratch, struct stream streams[DCD_STREAM_COUNT])
{
	size_t decoder_memory = dcd_delta_decoder_memory(tools->zstd);
	if (decoder_memory > tools->workspace_size) {
		return DCD_ERR_NO_MEMORY;
	}
	*scratch = (struct scratch){ (uint8_t *)tools->workspace + decoder_memory, tools->workspace_size - decoder_memory };
	for (unsigned id = 0; id < DCD_STREAM_COUNT; id++) {
		const struct stream_head *head = &heads[id];
		if (head->coded > coded_len) {
			return DCD_ERR_MALFORMED;
		}
		const uint8_t *data = coded;
		if (head->codec == DCD_CODEC_ZSTD) {
			/* The header's max_scratch promised that this doesn't happen. */
			if (head->raw > scratch->left) {
				return DCD_ERR_MALFORMED;
			}
			int err = tools->zstd->decode(scratch->at, head->raw, coded, head->coded, tools->workspace,
						      tools->zstd->memory_size);
			if (err != 0) {
				return err;
			}
			data = scratch->at;
			scratch->at += head->raw;
			scratch->left -= head->raw;
		}
		streams[id] = (struct stream){ data, head->raw, 0 };
		coded += head->coded;
		coded_len -= head->coded;
	}
	return coded_len == 0 ? 0 : DCD_ERR_MALFORMED;
}

static bool stream_varint(struct stream *s, uint64_t *ret)
{
	return dcd_varint_get(s->data, s->len, &s->pos, ret);
}

static bool stream_done(const struct stream *s)
{
	return s->pos == s->len;
}

/* Finds the columns of the table that is the whole stream; an empty stream is an empty table. */
static bool table_open(struct stream *s, unsigned columns, struct table *ret)
{
	*ret = (struct table){ .left = 0 };
	if (s->len == 0) {
		return true;
	}
	if (!stream_varint(s, &ret->left) || ret->left == 0 || ret->left > s->len) {
		return false;
	}
	for (unsigned i = 0; i < columns; i++) {
		uint64_t ignored;
		ret->columns[i] = *s;
		for (uint64_t row = 0; row < ret->left; row++) {
			if (!stream_varint(s, &ignored)) {
				return false;
			}
		}
	}
	return stream_done(s);
}

/* The next row; its varints were sound when the table was opened. */
static bool table_row(struct table *table, unsigned columns, uint64_t ret[COLUMNS_MAX])
{
	bool sound = table->left > 0;
	for (unsigned i = 0; sound && i < columns; i++) {
		sound = stream_varint(&table->columns[i], &ret[i]);
	}
	table->left -= sound;
	return sound;
}

/* Adds the differences that fall into out[0..len), the next bytes of the concatenated copies. */
static int differences_add(struct delta_state *d, uint8_t *out, size_t len)
{
	struct stream *literals = &d->streams[DCD_STREAM_LITERALS];
	while (len > 0) {
		if (d->zero_run == 0 && d->literal_run == 0) {
			uint64_t row[COLUMNS_MAX];
			if (d->runs.left == 0) {
				return 0; /* no difference from here on */
			}
			if (!table_row(&d->runs, 2, row) || row[1] == 0) {
				return DCD_ERR_MALFORMED;
			}
			d->zero_run = row[0];
			d->literal_run = row[1];
		}
		size_t skip = (size_t)dcd_min_u64(d->zero_run, len);
		d->zero_run -= skip;
		out += skip;
		len -= skip;
		size_t n = (size_t)dcd_min_u64(d->literal_run, len);
		if (d->zero_run > 0 || n == 0) {
			continue; /* the copy ends inside the zero run, or with it */
		}
		if (n > literals->len - literals->pos) {
			return DCD_ERR_MALFORMED;
		}
		for (size_t i = 0; i < n; i++) {
			out[i] = (uint8_t)(out[i] + literals->data[literals->pos + i]);
		}
		literals->pos += n;
		d->literal_run -= n;
		out += n;
		len -= n;
	}
	return 0;
}

/* base_end + zigzag distance, when that is a byte position. */
static bool base_seek(uint64_t base_end, uint64_t zigzag, uint64_t *ret)
{
	int64_t distance = dcd_unzigzag(zigzag);
	if (distance >= 0) {
		return dcd_add_u64(base_end, (uint64_t)distance, ret);
	}
	uint64_t back = 0U - (uint64_t)distance;
	if (back > base_end) {
		return false;
	}
	*ret = base_end - back;
	return true;
}

/* Where the next bytes go. Room is 0 when the segment is full. */
static int out_room(struct delta_state *d, uint8_t **ret_at, size_t *ret_room)
{
	if (d->repacked) {
		return dcd_repack_room(&d->repack, ret_at, ret_room);
	}
	*ret_at = d->out + d->made;
	*ret_room = d->out_len - d->made;
	return 0;
}

static int out_advance(struct delta_state *d, size_t len)
{
	d->made += len;
	return d->repacked ? dcd_repack_advance(&d->repack, len) : 0;
}

/* Where the next of `len` bytes go that a row promises, and how many at a time. */
static int part_room(struct delta_state *d, uint64_t len, uint8_t **ret_at, size_t *ret_len)
{
	size_t room;
	int err = out_room(d, ret_at, &room);
	if (err == 0 && room == 0) {
		return DCD_ERR_MALFORMED;
	}
	*ret_len = err == 0 ? (size_t)dcd_min_u64(room, len) : 0;
	return err;
}

/* Takes `len` bytes of EXTRA, which has as many. */
static int extra_take(struct delta_state *d, uint64_t len)
{
	struct stream *extra = &d->streams[DCD_STREAM_EXTRA];
	while (len > 0) {
		uint8_t *at;
		size_t n;
		int err = part_room(d, len, &at, &n);
		if (err != 0) {
			return err;
		}
		memcpy(at, extra->data + extra->pos, n);
		extra->pos += n;
		len -= n;
		if (d->predicted) {
			dcd_refs_extra(&d->refs, d->made, at, n);
		}
		err = out_advance(d, n);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

/* Copies base bytes [offset, offset + len), cut where a block of the segment begins or ends: each part is a copy of its own. */
static int copy_take(struct delta_state *d, uint64_t offset, uint64_t len)
{
	while (len > 0) {
		uint8_t *at;
		size_t n;
		int err = part_room(d, len, &at, &n);
		err = err != 0 ? err : dcd_delta_read_base(d->base, offset, at, n);
		if (err == 0 && d->predicted) {
			err = dcd_refs_copy(&d->refs, d->segment_offset, d->made, offset, at, n);
		} else if (err == 0) {
			err = differences_add(d, at, n);
		}
		err = err != 0 ? err : out_advance(d, n);
		if (err != 0) {
			return err;
		}
		offset += n;
		len -= n;
	}
	return 0;
}

/* Carries out one row of the control stream. */
static int control_step(struct delta_state *d)
{
	const struct stream *extra = &d->streams[DCD_STREAM_EXTRA];
	uint64_t row[COLUMNS_MAX], offset, end;
	if (!table_row(&d->control, 3, row)) {
		return DCD_ERR_MALFORMED;
	}
	const uint64_t extra_len = row[0], copy_len = row[1], distance = row[2];
	/* A row without effect would let a short frame cost much time; one spelling only. */
	if (extra_len > extra->len - extra->pos || (copy_len == 0 && (extra_len == 0 || distance != 0))) {
		return DCD_ERR_MALFORMED;
	}
	int err = extra_take(d, extra_len);
	if (err != 0 || copy_len == 0) {
		return err;
	}
	if (!base_seek(d->base_end, distance, &offset) || !dcd_add_u64(offset, copy_len, &end)) {
		return DCD_ERR_MALFORMED;
	}
	d->base_end = end;
	return copy_take(d, offset, copy_len);
}

static int refs_settle(void *context, uint8_t *bytes, size_t len)
{
	return differences_add(context, bytes, len);
}

/* Takes the recipe, and memory for what it describes. */
static int repack_open(struct delta_state *d, const struct dcd_payload_entry *entry, const struct dcd_frame_tools *tools,
		       struct scratch *scratch)
{
	struct stream *recipe = &d->streams[DCD_STREAM_RECIPE];
	bool repacked = (entry->filter & DCD_FILTER_REPACKED) != 0;
	if (repacked != (recipe->len > 0)) {
		return DCD_ERR_MALFORMED;
	}
	if (!repacked) {
		return 0;
	}
	recipe->pos = recipe->len;
	int err = dcd_repack_open(&d->repack, recipe->data, recipe->len, tools, d->out, d->out_len, &scratch->at, &scratch->left);
	if (err != 0) {
		return err;
	}
	d->repacked = true;
	d->base = &d->repack.reader;
	d->segment_offset = d->repack.origin;
	d->base_end = d->repack.origin;
	return 0;
}

/* Takes the streams of the filter, and the rest of the scratch for what they describe. */
static int filter_open(struct delta_state *d, const struct dcd_payload_entry *entry, struct scratch *scratch)
{
	struct stream *map = &d->streams[DCD_STREAM_MAP], *gates = &d->streams[DCD_STREAM_GATE];
	d->predicted = (entry->filter & DCD_FILTER_REFERENCES) != 0;
	uint32_t len = d->repacked ? d->repack.unpacked : entry->segment_length;
	uint64_t blocks = dcd_div_ceil_u64(len, DCD_GATE_BLOCK);
	if (d->predicted != (map->len > 0) || (gates->len > 0 && (!d->predicted || gates->len != blocks))) {
		return DCD_ERR_MALFORMED;
	}
	if (!d->predicted) {
		return 0;
	}
	size_t misaligned = (size_t)(0U - (uintptr_t)scratch->at) & 15;
	if (misaligned > scratch->left) {
		return DCD_ERR_MALFORMED;
	}
	d->refs.gates = gates->data;
	d->refs.gate_count = gates->len;
	d->refs.settle = refs_settle;
	d->refs.context = d;
	d->refs.base = d->base;
	map->pos = map->len;
	gates->pos = gates->len;
	return dcd_refs_open(&d->refs, map->data, map->len, len, scratch->at + misaligned, scratch->left - misaligned);
}

static bool streams_done(const struct delta_state *d)
{
	for (unsigned id = 0; id < DCD_STREAM_COUNT; id++) {
		if (!stream_done(&d->streams[id])) {
			return false;
		}
	}
	return d->zero_run == 0 && d->literal_run == 0 && d->control.left == 0 && d->runs.left == 0;
}

int dcd_frame_stream_lengths(const uint8_t *frame, size_t frame_len, uint32_t segment_length,
			     size_t ret_lengths[DCD_STREAM_COUNT + 1])
{
	struct stream_head heads[DCD_STREAM_COUNT];
	memset(heads, 0, sizeof heads);
	size_t pos;
	int err = head_read(frame, frame_len, DCD_SCRATCH_MAX(segment_length), heads, &pos);
	if (err != 0) {
		return err;
	}
	for (unsigned id = 0; id < DCD_STREAM_COUNT; id++) {
		ret_lengths[id] = heads[id].coded;
	}
	ret_lengths[DCD_STREAM_COUNT] = pos;
	return 0;
}

static int segment_make(struct delta_state *d)
{
	uint8_t *at;
	size_t room;
	int err;
	while ((err = out_room(d, &at, &room)) == 0 && room > 0) {
		err = control_step(d);
		if (err != 0) {
			break;
		}
	}
	if (err == 0 && !streams_done(d)) {
		err = DCD_ERR_MALFORMED;
	}
	/* A block of a wrong base packs to another length, and then nothing fits any more. */
	return err == DCD_ERR_MALFORMED && d->repacked && d->repack.packed ? DCD_ERR_WRONG_BASE : err;
}

int dcd_delta_decode(const struct dcd_payload_entry *entry, const uint8_t *frame, size_t frame_len,
		     const struct dcd_frame_tools *tools, uint8_t *out)
{
	struct stream_head heads[DCD_STREAM_COUNT];
	memset(heads, 0, sizeof heads);
	size_t pos;
	int err = head_read(frame, frame_len, DCD_SCRATCH_MAX(entry->segment_length), heads, &pos);
	if (err != 0) {
		return err;
	}
	struct delta_state d;
	memset(&d, 0, sizeof d);
	struct scratch scratch;
	d.base = tools->base;
	err = streams_open(heads, frame + pos, frame_len - pos, tools, &scratch, d.streams);
	if (err != 0) {
		return err;
	}
	d.out = out;
	d.out_len = entry->segment_length;
	d.base_end = entry->segment_offset;
	d.segment_offset = entry->segment_offset;
	err = repack_open(&d, entry, tools, &scratch);
	err = err != 0 ? err : filter_open(&d, entry, &scratch);
	if (err == 0 && (!table_open(&d.streams[DCD_STREAM_CONTROL], 3, &d.control) ||
			 !table_open(&d.streams[DCD_STREAM_RUNS], 2, &d.runs))) {
		return DCD_ERR_MALFORMED;
	}
	return err != 0 ? err : segment_make(&d);
}
