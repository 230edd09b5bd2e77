/* Copies that cost no memory for zeros: large images are largely empty. */
#ifndef DCD_BSDIFF_DIFF_SPARSE_COPY_H
#define DCD_BSDIFF_DIFF_SPARSE_COPY_H

#include <stdint.h>

#include "bsdiff/diff/encode.h"

/* Copies from[0..len) to fresh memory of calloc(), whose zeros the system gives out only where somebody writes. */
void dcd_sparse_copy(uint8_t *to, const uint8_t *from, uint64_t len);

/*
 * The same for from[begin..end). What was copied need not stay in memory: whoever mapped `from` hears through the options'
 * progress (either may be null) how far that is.
 */
void dcd_sparse_copy_told(uint8_t *to, const struct dcd_bytes *from, uint64_t begin, uint64_t end,
			  const struct dcd_encode_options *options, const char *phase);

#endif
