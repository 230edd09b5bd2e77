#include "bsdiff/diff/large_memory.h"

#include <stdint.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define LARGE (4 * HUGE_PAGE) /* below, the allocator serves as well, and sanitizers watch its bounds */

void *dcd_large_alloc(size_t size)
{
	if (size < LARGE) {
		return calloc(1, size > 0 ? size : 1);
	}
	if (size > SIZE_MAX - 2 * HUGE_PAGE) {
		return NULL;
	}
	size_t whole = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	uint8_t *memory =
		mmap(NULL, whole + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		return NULL;
	}
	/* Only an aligned stretch becomes huge pages; the rest goes back. */
	size_t before = (size_t)(0U - (uintptr_t)memory) & (HUGE_PAGE - 1);
	if (before > 0) {
		(void)munmap(memory, before);
	}
	if (before < HUGE_PAGE) {
		(void)munmap(memory + before + whole, HUGE_PAGE - before);
	}
	(void)madvise(memory + before, whole, MADV_HUGEPAGE);
	return memory + before;
}

void dcd_large_free(void *memory, size_t size)
{
	if (size < LARGE) {
		free(memory);
	} else if (memory != NULL) {
		(void)munmap(memory, (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
	}
}

void dcd_large_forget(const uint8_t *bytes, uint64_t from, uint64_t end)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = ((uintptr_t)bytes + (uintptr_t)from + page - 1) / page * page;
	uintptr_t last = ((uintptr_t)bytes + (uintptr_t)end) / page * page;
	if (first < last) {
		(void)madvise((void *)first, last - first, MADV_DONTNEED);
	}
}

void dcd_large_memory_setup(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_MMAP_THRESHOLD, LARGE / 2);
#endif
}
