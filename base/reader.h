/* Random-access bytes of a known size, as an interface. Freestanding. */
#ifndef DCD_BASE_READER_H
#define DCD_BASE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct dcd_reader {
	/*
	 * Reads exactly `len` bytes at `offset`, which the caller has checked to lie inside [0, size).
	 * 0, or DCD_ERR_IO with `buf` undefined.
	 */
	int (*read)(void *context, uint64_t offset, void *buf, size_t len);
	void *context;
	uint64_t size; /* bytes */
};

#endif
