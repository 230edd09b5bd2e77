/*
 * Memory by the page: for tables that are read at random, in huge pages where the system has them, because most of such a read is
 * finding the page; and giving back what isn't needed any more before the rest is.
 */
#ifndef DCD_BSDIFF_DIFF_LARGE_MEMORY_H
#define DCD_BSDIFF_DIFF_LARGE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* `size` bytes of zeros, aligned to a page when that is many; null: no memory. Given back by dcd_large_free() with the same size.
 */
void *dcd_large_alloc(size_t size);
void dcd_large_free(void *memory, size_t size);

/* Gives the pages that lie wholly in bytes[from..end) back to the system: their content is lost. For memory of whole pages. */
void dcd_large_forget(const uint8_t *bytes, uint64_t from, uint64_t end);

/*
 * For a program that encodes, once, before it begins: has the C library give large pieces of memory back as soon as they are
 * freed. By itself glibc's allocator learns to keep them, 50 MB for each thread here.
 */
void dcd_large_memory_setup(void);

#endif
