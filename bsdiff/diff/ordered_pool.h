/*
 * Threads over numbered pieces of work whose results are taken in order: what makes the output the same for any number of
 * threads.
 */
#ifndef DCD_BSDIFF_DIFF_ORDERED_POOL_H
#define DCD_BSDIFF_DIFF_ORDERED_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DCD_POOL_WORKERS_MAX 256

struct dcd_pool_job {
	/* Does piece `index`; `worker` < workers tells whose private tools to use. Results go to `slot`. Runs in many threads. */
	int (*work)(void *context, unsigned worker, uint64_t index, void *slot);
	/* Takes the result of piece `index`, in order, in the caller's thread; the slot is used again afterwards. May be null. */
	int (*deliver)(void *context, uint64_t index, void *slot);
	void *context;
	unsigned workers; /* 1..DCD_POOL_WORKERS_MAX */
	/* dcd_pool_slots(workers) slots of slot_size bytes, the caller's; they keep their content between pieces. */
	void *slots;
	size_t slot_size;
};

static inline unsigned dcd_pool_slots(unsigned workers)
{
	return 2 * workers + 2;
}

/* How many workers `threads` (0: one a core) asks for. */
unsigned dcd_pool_workers(int threads);

/* Does the pieces first..end-1. The first error stops everything and is returned. */
DCD_NODISCARD int dcd_pool_run(const struct dcd_pool_job *job, uint64_t first, uint64_t end);

#endif
