/*
 * Runs vectors (vector_format.h) through bsdiff/apply where there is no operating system. Freestanding itself: memory, and a way
 * to say a sentence, are the caller's. Beside bsdiff/apply only the format's own deflate is linked; what zstd and the other
 * libraries make of an input comes with the vectors.
 */
#ifndef DCD_TESTS_FREESTANDING_VECTOR_RUN_H
#define DCD_TESTS_FREESTANDING_VECTOR_RUN_H

#include <stddef.h>
#include <stdint.h>

struct vector_world {
	const uint8_t *vectors; /* aligned to 16 */
	size_t vectors_len;
	uint8_t *memory; /* aligned to 16; what segments and workspaces are taken from */
	size_t memory_len;
	uint8_t *stack; /* the lowest byte of the stack that we run on */
	void (*say)(const char *text);
};

/* What was done. */
struct vector_tally {
	uint32_t payloads;
	uint32_t segments;
	uint32_t frames; /* alone, many of them broken */
	uint32_t failed;
	uint32_t stack;     /* the most bytes of it that a call into bsdiff/apply took, with what that calls here */
	uint32_t workspace; /* the largest one, bytes */
};

/* 0: every vector came out as it should. */
int vector_run(const struct vector_world *world, struct vector_tally *ret);

/* Sentence and tally, as lines; for those who call. */
void vector_report(const struct vector_world *world, const struct vector_tally *tally);

#endif
