/* Copies that cost no memory for zeros: large images are largely empty. */
#ifndef DCD_BSDIFF_DIFF_SPARSE_COPY_H
#define DCD_BSDIFF_DIFF_SPARSE_COPY_H

#include <stdint.h>

/* Copies from[0..len) to fresh memory of calloc(), whose zeros the system gives out only where somebody writes. */
void dcd_sparse_copy(uint8_t *to, const uint8_t *from, uint64_t len);

#endif
