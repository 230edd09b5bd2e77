/*
 * A base image as a delta reads it: in thousands of small pieces near each other. Pages are kept, so that most pieces cost no
 * system call.
 */
#ifndef DCD_TOOLS_DELTA_BASE_CACHE_H
#define DCD_TOOLS_DELTA_BASE_CACHE_H

#include "base/reader.h"

#define DCD_BASE_CACHE_PAGE 4096U
#define DCD_BASE_CACHE_PAGES 32U
#define DCD_BASE_CACHE_SIZE ((size_t)DCD_BASE_CACHE_PAGE * DCD_BASE_CACHE_PAGES) /* bytes of memory */

/* Zero-initialised but for `file` and `pages`. */
struct dcd_base_cache {
	struct dcd_reader *file; /* the caller's */
	uint8_t *pages;          /* DCD_BASE_CACHE_SIZE bytes of the caller's, or null: every read goes to the file */
	uint64_t numbers[DCD_BASE_CACHE_PAGES]; /* of the page in each place, + 1; 0: none */
};

/* What `file` has, through the cache, which stays the caller's. Reading fails as reading the file does. */
struct dcd_reader dcd_base_cache_reader(struct dcd_base_cache *cache);

#endif
