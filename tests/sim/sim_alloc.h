/*
 * Memory that runs short. While it is watched, every allocation of the program is counted, whoever makes it (our code, jansson,
 * zstd, mbedTLS, libarchive), and a chosen one fails, or that and all after it. The simulation's own memory never does: it is
 * taken by sim_must_*().
 */
#ifndef DCD_TESTS_SIM_SIM_ALLOC_H
#define DCD_TESTS_SIM_SIM_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

struct sim_memory {
	unsigned long asked;   /* allocations while it was watched */
	unsigned long fail_at; /* from 0 */
	bool fails;
	bool for_good; /* until the reboot */
	bool struck;
};

/* False where a sanitizer has an allocator of its own. */
bool sim_alloc_can_watch(void);
/* Null: nobody is watched any more. */
void sim_alloc_watch(struct sim_memory *memory);

void *sim_must_alloc(size_t size); /* zeroed */
void *sim_must_realloc(void *old, size_t size);

#endif
