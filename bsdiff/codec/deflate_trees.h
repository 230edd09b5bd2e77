/* The second half of deflate: symbols of one block into bits. Private to bsdiff/codec. */
#ifndef DCD_BSDIFF_CODEC_DEFLATE_TREES_H
#define DCD_BSDIFF_CODEC_DEFLATE_TREES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DCD_DEFLATE_SYMBOLS_MAX 32768U
#define DCD_DEFLATE_LITERALS 286 /* codes: bytes, end of block, lengths */
#define DCD_DEFLATE_DISTANCES 30
#define DCD_DEFLATE_LENGTHS 19 /* codes for code lengths */
#define DCD_DEFLATE_NODES (2 * DCD_DEFLATE_LITERALS + 1)

/* A Huffman code in the making. */
struct dcd_deflate_tree {
	uint16_t freq[DCD_DEFLATE_NODES];
	uint16_t dad[DCD_DEFLATE_NODES];
	uint16_t len[DCD_DEFLATE_NODES];
	uint16_t code[DCD_DEFLATE_LITERALS + 2];
	int max_code; /* the largest code with a frequency */
};

struct dcd_deflate_block {
	struct dcd_deflate_tree literals;
	struct dcd_deflate_tree distances;
	struct dcd_deflate_tree lengths;
	struct dcd_deflate_tree fixed_literals;
	uint16_t heap[DCD_DEFLATE_NODES + 1];
	uint8_t depth[DCD_DEFLATE_NODES];
	int heap_len;
	int heap_max;
	uint64_t best_bits;  /* of the block with its own codes */
	uint64_t fixed_bits; /* with the fixed ones */
	uint32_t count;      /* symbols */
	uint32_t matches;    /* of them, with a distance */
	uint16_t symbol_distance[DCD_DEFLATE_SYMBOLS_MAX]; /* 0: a literal */
	uint8_t symbol_value[DCD_DEFLATE_SYMBOLS_MAX];     /* the byte, or length - 3 */
	/* Where bits go. */
	uint8_t *out;
	size_t capacity;
	size_t at;
	uint64_t bits;
	unsigned bit_count;
	bool overflow;
};

void dcd_deflate_begin(struct dcd_deflate_block *b, uint8_t *out, size_t capacity);

/* Notes a literal (distance 0) or a match. */
void dcd_deflate_tally(struct dcd_deflate_block *b, unsigned distance, unsigned value);

/* The number of extra bits of a distance code. */
unsigned dcd_deflate_distance_extra(unsigned code);

/* Writes the block whose bytes are src[0..len) in its shortest form, and begins the next. */
void dcd_deflate_flush(struct dcd_deflate_block *b, const uint8_t *src, size_t len, bool last);

/* Bits up to the next byte are zero. */
void dcd_deflate_align(struct dcd_deflate_block *b);

#endif
