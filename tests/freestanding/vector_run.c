#include "tests/freestanding/vector_run.h"

#include <stdbool.h>

#include "base/le.h"
#include "bsdiff/apply/frame.h"
#include "bsdiff/apply/payload.h"
#include "bsdiff/codec/deflate_pack.h"
#include "tests/freestanding/small_sha256.h"
#include "tests/freestanding/vector_format.h"

#define GUARD 64U
#define GUARD_BYTE 0xc3U
#define PAINT 0xa5U
#define PAINT_MARGIN 512U /* below the frame of who paints, for what that calls */

/* Codecs have no context of their own, so there is one run at a time. */
static struct {
	const uint8_t *answers; /* the first head behind the base */
	const uint8_t *end;     /* of the vectors */
} codecs;

static uint32_t number(const uint8_t *at, unsigned field)
{
	return dcd_le32_get(at + field);
}

static size_t padded(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

/* The answer to this input, or null: the vectors don't expect the question. */
static const uint8_t *answer_find(enum vector_operation operation, uint32_t method, uint32_t params, const uint8_t *src,
				  size_t src_len)
{
	uint32_t sum = vector_check_sum(src, src_len);
	for (const uint8_t *head = codecs.answers; head < codecs.end; head += VECTOR_HEAD_SIZE + number(head, VECTOR_HEAD_BODY)) {
		const uint8_t *answer = head + VECTOR_HEAD_SIZE;
		uint32_t record = number(head, VECTOR_HEAD_RECORD);
		if (record == VECTOR_BASE || record == VECTOR_END) {
			break;
		}
		if (record == VECTOR_ANSWER && number(answer, ANSWER_OPERATION) == operation &&
		    number(answer, ANSWER_METHOD) == method && number(answer, ANSWER_PARAMS) == params &&
		    number(answer, ANSWER_SOURCE_LENGTH) == src_len && number(answer, ANSWER_SOURCE_CHECK) == sum) {
			return answer;
		}
	}
	return NULL;
}

static int answer_give(const uint8_t *answer, uint8_t *dst, size_t capacity, size_t *ret_len)
{
	if (answer == NULL) {
		return DCD_ERR_BUG;
	}
	size_t len = number(answer, ANSWER_LENGTH);
	int err = (int)number(answer, ANSWER_ERROR);
	if (err == 0 && len > capacity) {
		return DCD_ERR_BUG;
	}
	if (err == 0) {
		memcpy(dst, answer + ANSWER_SIZE, len);
		*ret_len = len;
	}
	return err;
}

/* An output of another length than the host's wouldn't be the host's. */
static int answer_exactly(const uint8_t *answer, uint8_t *dst, size_t dst_len)
{
	size_t len = dst_len;
	int err = answer_give(answer, dst, dst_len, &len);
	return err == 0 && len != dst_len ? DCD_ERR_BUG : err;
}

static int answer_decode(uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len, void *memory, size_t memory_size)
{
	(void)memory;
	(void)memory_size;
	return answer_exactly(answer_find(VECTOR_DECODE, 0, (uint32_t)dst_len, src, src_len), dst, dst_len);
}

static int answer_unpack(enum dcd_pack_method method, uint8_t *dst, size_t dst_len, const uint8_t *src, size_t src_len,
			 void *memory, size_t memory_size)
{
	(void)memory;
	(void)memory_size;
	return answer_exactly(answer_find(VECTOR_UNPACK, method, (uint32_t)dst_len, src, src_len), dst, dst_len);
}

/* Deflate is the format's own, so it is done here and compared by what comes of it; the others' outputs are known. */
static int answer_pack(enum dcd_pack_method method, uint32_t params, uint8_t *dst, size_t capacity, const uint8_t *src,
		       size_t src_len, void *memory, size_t memory_size, size_t *ret_len)
{
	if (method == DCD_PACK_DEFLATE) {
		return dcd_deflate_pack(params, dst, capacity, src, src_len, memory, memory_size, ret_len);
	}
	return answer_give(answer_find(VECTOR_PACK, method, params, src, src_len), dst, capacity, ret_len);
}

static const struct dcd_packer packer = { .unpack = answer_unpack, .pack = answer_pack, .features = DCD_FEATURES_KNOWN };

struct run {
	const struct vector_world *world;
	struct vector_tally *tally;
	const uint8_t *base;
	struct dcd_reader reader;
};

static int base_read(void *context, uint64_t offset, void *buf, size_t len)
{
	const struct run *run = context;
	if (offset > run->reader.size || len > run->reader.size - offset) {
		return DCD_ERR_BUG; /* the caller must have checked */
	}
	memcpy(buf, run->base + (size_t)offset, len);
	return 0;
}

/* Memory for one vector, each piece with a guard behind it. */
struct pieces {
	uint8_t *at;
	size_t left;
};

static uint8_t *piece_take(struct pieces *pieces, size_t len)
{
	size_t need = padded(len) + GUARD;
	if (need > pieces->left) {
		return NULL;
	}
	uint8_t *piece = pieces->at;
	memset(piece + len, GUARD_BYTE, need - len);
	pieces->at += need;
	pieces->left -= need;
	return piece;
}

static bool piece_intact(const uint8_t *piece, size_t len)
{
	for (size_t i = len; i < padded(len) + GUARD; i++) {
		if (piece[i] != GUARD_BYTE) {
			return false;
		}
	}
	return true;
}

/* Paints what is free of the stack, and finds how much of it a call has used since. */
static __attribute__((noinline)) void stack_paint(const struct vector_world *world)
{
	for (volatile uint8_t *p = world->stack; p < (uint8_t *)__builtin_frame_address(0) - PAINT_MARGIN; p++) {
		*p = PAINT;
	}
}

static __attribute__((noinline)) void stack_measure(const struct run *run, const uint8_t *top)
{
	const volatile uint8_t *p = run->world->stack;
	while (p < top && *p == PAINT) {
		p++;
	}
	uint32_t used = (uint32_t)(top - (const uint8_t *)(uintptr_t)p);
	run->tally->stack = used > run->tally->stack ? used : run->tally->stack;
}

/* One frame, hashed or not, into `out`, whose guard must hold as well. */
static __attribute__((noinline)) int segment_make(struct run *run, const struct dcd_payload_entry *entry, const uint8_t *frame,
						  const struct dcd_frame_tools *tools, bool hashed, uint8_t *out)
{
	stack_paint(run->world);
	int err = hashed ? dcd_frame_make_segment(entry, frame, entry->frame_length, tools, out)
			 : dcd_frame_decode(entry, frame, entry->frame_length, tools, out);
	stack_measure(run, __builtin_frame_address(0));
	if (tools->workspace_size > run->tally->workspace) {
		run->tally->workspace = (uint32_t)tools->workspace_size;
	}
	return err;
}

/* What went wrong, or null. */
static const char *payload_segments(struct run *run, const struct dcd_payload *payload, const uint8_t *frames,
				    const uint8_t *image, uint32_t decoder_memory)
{
	const struct dcd_decoder zstd = { answer_decode, decoder_memory };
	struct dcd_frame_tools tools = { .alg = &small_sha256, .zstd = &zstd, .base = &run->reader, .packer = &packer };
	struct pieces pieces = { run->world->memory, run->world->memory_len };
	size_t size = dcd_frame_memory_size(payload, &zstd);
	uint8_t *out = piece_take(&pieces, payload->segment_size), *memory = piece_take(&pieces, size);
	if (out == NULL || memory == NULL) {
		return "there is too little memory for it";
	}
	for (uint32_t i = 0; i < payload->segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(payload, i, &entry);
		memcpy(memory, frames, entry.frame_length);
		dcd_frame_share_memory(&tools, memory, size, entry.frame_length);
		if (segment_make(run, &entry, memory, &tools, true, out) != 0) {
			return "a frame isn't decoded";
		}
		if (memcmp(out, image + (size_t)entry.segment_offset, entry.segment_length) != 0) {
			return "a segment is another";
		}
		if (!piece_intact(out, payload->segment_size) || !piece_intact(memory, size)) {
			return "bytes outside of the memory it was given have changed";
		}
		frames += entry.frame_length;
		run->tally->segments++;
	}
	return NULL;
}

static const char *payload_check(struct run *run, const uint8_t *body)
{
	const uint8_t *file = body + PAYLOAD_SIZE, *image = file + padded(number(body, PAYLOAD_LENGTH));
	struct dcd_payload payload;
	uint64_t table_len;
	if (dcd_payload_table_length(file, DCD_FORMAT_HEADER_SIZE, &table_len) != 0 ||
	    table_len != number(body, PAYLOAD_TABLE_LENGTH)) {
		return "its header isn't read";
	}
	stack_paint(run->world);
	int err = dcd_payload_open(file, (size_t)table_len, &small_sha256, &payload);
	stack_measure(run, __builtin_frame_address(0));
	if (err != 0) {
		return "its table isn't read";
	}
	if (payload.image_size != number(body, PAYLOAD_IMAGE_LENGTH)) {
		return "its image has another length";
	}
	run->tally->payloads++;
	return payload_segments(run, &payload, file + (size_t)table_len, image, number(body, PAYLOAD_DECODER_MEMORY));
}

static const char *frame_check(struct run *run, const uint8_t *body)
{
	const struct dcd_payload_entry entry = { .kind = (enum dcd_frame_kind)number(body, FRAME_KIND),
						 .filter = (enum dcd_filter)number(body, FRAME_FILTER),
						 .frame_length = number(body, FRAME_LENGTH),
						 .segment_length = number(body, FRAME_SEGMENT_LENGTH),
						 .segment_offset = number(body, FRAME_SEGMENT_OFFSET) };
	const struct dcd_decoder zstd = { answer_decode, number(body, FRAME_DECODER_MEMORY) };
	struct pieces pieces = { run->world->memory, run->world->memory_len };
	size_t size = number(body, FRAME_WORKSPACE);
	uint8_t *out = piece_take(&pieces, entry.segment_length), *workspace = piece_take(&pieces, size);
	if (out == NULL || workspace == NULL) {
		return "there is too little memory for it";
	}
	const struct dcd_frame_tools tools = { &small_sha256, &zstd, &run->reader, workspace, size, &packer };
	const uint8_t *frame = body + FRAME_SIZE, *segment = frame + padded(entry.frame_length);
	int err = segment_make(run, &entry, frame, &tools, false, out);
	run->tally->frames++;
	if (!piece_intact(out, entry.segment_length) || !piece_intact(workspace, size)) {
		return "bytes outside of the memory it was given have changed";
	}
	if (err != (int)number(body, FRAME_ERROR)) {
		return "it ends with another error";
	}
	return err == 0 && memcmp(out, segment, entry.segment_length) != 0 ? "the segment is another" : NULL;
}

static void say_number(const struct vector_world *world, uint32_t value)
{
	char text[11];
	size_t at = sizeof text - 1;
	text[at] = 0;
	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	world->say(text + at);
}

int vector_run(const struct vector_world *world, struct vector_tally *ret)
{
	struct run run = { .world = world, .tally = ret, .reader = { .read = base_read } };
	run.reader.context = &run;
	const uint8_t *end = world->vectors + world->vectors_len;
	*ret = (struct vector_tally){ 0 };
	codecs.end = end;
	for (const uint8_t *head = world->vectors;; head += VECTOR_HEAD_SIZE + number(head, VECTOR_HEAD_BODY)) {
		const uint8_t *body = head + VECTOR_HEAD_SIZE;
		const char *wrong = NULL;
		switch (number(head, VECTOR_HEAD_RECORD)) {
		case VECTOR_END:
			return ret->failed == 0 && ret->payloads > 0 && ret->frames > 0 ? 0 : 1;
		case VECTOR_BASE:
			run.base = body;
			run.reader.size = number(head, VECTOR_HEAD_LENGTH);
			codecs.answers = body + number(head, VECTOR_HEAD_BODY);
			break;
		case VECTOR_PAYLOAD:
			wrong = payload_check(&run, body);
			break;
		case VECTOR_FRAME:
			wrong = frame_check(&run, body);
			break;
		default:
			break;
		}
		if (wrong != NULL) {
			ret->failed++;
			world->say("case ");
			say_number(world, number(head, VECTOR_HEAD_LENGTH));
			world->say(": ");
			world->say(wrong);
			world->say("\n");
		}
	}
}

void vector_report(const struct vector_world *world, const struct vector_tally *tally)
{
	const struct {
		const char *name;
		uint32_t value;
	} lines[] = {
		{ "payloads ", tally->payloads }, { "\nsegments ", tally->segments }, { "\nframes ", tally->frames },
		{ "\nfailed ", tally->failed },   { "\nstack ", tally->stack },       { "\nworkspace ", tally->workspace },
	};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		world->say(lines[i].name);
		say_number(world, lines[i].value);
	}
	world->say("\n");
}
