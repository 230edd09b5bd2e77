/*
 * The file in which make_vectors gives its vectors to vector_run: records, each a head of 16 bytes and a body that is padded to a
 * multiple of 16. Numbers are 32-bit little-endian; what is padded begins at multiples of 16, so that it can be used where it
 *lies.
 *
 *	BASE     from here on: the base, whose length is in the head
 *	ANSWER   what a codec made of an input: enum vector_answer, then the output
 *	PAYLOAD  enum vector_payload, then the payload file, then the image (each padded)
 *	FRAME    enum vector_frame, then the frame, then, if it decodes, the segment (each padded)
 *	END      the last one
 */
#ifndef DCD_TESTS_FREESTANDING_VECTOR_FORMAT_H
#define DCD_TESTS_FREESTANDING_VECTOR_FORMAT_H

#include <stddef.h>
#include <stdint.h>

enum vector_record {
	VECTOR_END = 0,
	VECTOR_BASE = 1,
	VECTOR_ANSWER = 2,
	VECTOR_PAYLOAD = 3,
	VECTOR_FRAME = 4,
};

/* A head: numbers at these offsets. */
enum {
	VECTOR_HEAD_RECORD = 0,
	VECTOR_HEAD_BODY = 4,   /* bytes to the next head */
	VECTOR_HEAD_LENGTH = 8, /* BASE: bytes without padding; else the number of the case */
	VECTOR_HEAD_SIZE = 16,
};

enum vector_operation {
	VECTOR_DECODE = 0, /* dcd_decoder.decode() */
	VECTOR_UNPACK = 1, /* dcd_packer.unpack() */
	VECTOR_PACK = 2,   /* dcd_packer.pack() */
};

/* An input is known by operation, method, parameters, length and check sum. */
enum vector_answer {
	ANSWER_OPERATION = 0,
	ANSWER_METHOD = 4,
	ANSWER_PARAMS = 8,
	ANSWER_SOURCE_LENGTH = 12,
	ANSWER_SOURCE_CHECK = 16,
	ANSWER_ERROR = 20,
	ANSWER_LENGTH = 24,
	ANSWER_SIZE = 32,
};

enum vector_payload {
	PAYLOAD_LENGTH = 0,
	PAYLOAD_TABLE_LENGTH = 4,
	PAYLOAD_IMAGE_LENGTH = 8,
	PAYLOAD_DECODER_MEMORY = 12,
	PAYLOAD_SIZE = 16,
};

enum vector_frame {
	FRAME_KIND = 0,
	FRAME_FILTER = 4,
	FRAME_SEGMENT_LENGTH = 8,
	FRAME_SEGMENT_OFFSET = 12,
	FRAME_LENGTH = 16,
	FRAME_WORKSPACE = 20,
	FRAME_DECODER_MEMORY = 24,
	FRAME_ERROR = 28,
	FRAME_SIZE = 32,
};

/* Tells inputs of one length apart (FNV-1a). */
static inline uint32_t vector_check_sum(const uint8_t *data, size_t len)
{
	uint32_t sum = 2166136261U;
	for (size_t i = 0; i < len; i++) {
		sum = (sum ^ data[i]) * 16777619U;
	}
	return sum;
}

#endif
