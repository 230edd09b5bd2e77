#include "tests/sim/sim_alloc.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct sim_memory *watched;

void sim_alloc_watch(struct sim_memory *memory)
{
	watched = memory;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define INTERPOSE 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define INTERPOSE 0
#endif
#endif
#ifndef INTERPOSE
#define INTERPOSE 1
#endif

bool sim_alloc_can_watch(void)
{
	return INTERPOSE;
}

#if INTERPOSE
static bool fails_now(void)
{
	struct sim_memory *memory = watched;
	if (memory == NULL) {
		return false;
	}
	unsigned long number = memory->asked++;
	if (!memory->fails || number < memory->fail_at || (number > memory->fail_at && !memory->for_good)) {
		return false;
	}
	memory->struck = true;
	errno = ENOMEM;
	return true;
}

/* glibc's own, under the names by which an allocator that takes their place may still call them. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
	return fails_now() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails_now() ? NULL : __libc_realloc(old, size);
}
#endif

void *sim_must_alloc(size_t size)
{
#if INTERPOSE
	void *made = __libc_calloc(1, size);
#else
	void *made = calloc(1, size);
#endif
	if (made == NULL) {
		abort();
	}
	return made;
}

void *sim_must_realloc(void *old, size_t size)
{
#if INTERPOSE
	void *made = __libc_realloc(old, size);
#else
	void *made = realloc(old, size);
#endif
	if (made == NULL) {
		abort();
	}
	return made;
}
