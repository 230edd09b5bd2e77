/* Pairs of images from a seed: something like files, programs or compressed members, and what a release later is left of them. */
#ifndef DCD_TESTS_PROPERTIES_IMAGE_PAIRS_H
#define DCD_TESTS_PROPERTIES_IMAGE_PAIRS_H

#include <stddef.h>
#include <stdint.h>

#define PAIR_IMAGE_MAX (640U << 10)

/* What the bytes of the pair are, before they are edited. */
enum pair_shape {
	PAIR_STRETCHES, /* noise, zeros, periods, text */
	PAIR_PROGRAM,   /* a linked program whose code has moved, between stretches */
	PAIR_MEMBERS,   /* gzip members of texts that have changed a little */
	PAIR_BOTH,      /* a program, and members behind it */
	PAIR_INODES,    /* such members in an erofs, which has the last bytes of a file behind its inode */
	PAIR_GIVEN,     /* one of the caller's pairs of files */
	PAIR_STRANGERS, /* nothing in common */
	PAIR_SHAPES,
};

/* A file of the caller's. */
struct pair_file {
	const uint8_t *data;
	size_t len;
};

/* One thread's. */
struct pair_maker {
	uint8_t *base;
	uint8_t *image;
	uint8_t *program; /* MACHINE_PROGRAM_MAX */
	uint8_t *text;
	void *packer;
	const struct pair_file *given; /* old and new in turn */
	size_t given_count;
	/* The pair. */
	size_t base_len;
	size_t image_len;
	enum pair_shape shape;
};

/* Allocates; false: no memory. Set `given` afterwards. */
int pair_maker_open(struct pair_maker *maker);
void pair_maker_close(struct pair_maker *maker);

/* Makes the pair that follows from `seed` and nothing else but the given files, and moves the seed on. */
void pair_make(struct pair_maker *maker, uint64_t *seed);

#endif
