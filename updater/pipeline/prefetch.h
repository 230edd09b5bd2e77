/*
 * Reads ahead: a source around another one, with a thread that fetches a list of ranges in order into a ring of fixed size while
 * its owner decodes and writes what came before. The network and the flash then work at the same time, in bounded memory.
 */
#ifndef DCD_UPDATER_PIPELINE_PREFETCH_H
#define DCD_UPDATER_PIPELINE_PREFETCH_H

#include <stddef.h>

#include "base/source.h"

#define DCD_PREFETCH_BUDGET_MIN 16384 /* bytes: one piece of the network's */

struct dcd_prefetch;

/*
 * Wraps `inner`, which stays the caller's and must outlive the prefetch and not be used past it meanwhile. `budget` is the size
 * of the ring in bytes, raised to DCD_PREFETCH_BUDGET_MIN; it is allocated here, once. One thread may use a prefetch at a time.
 */
DCD_NODISCARD int dcd_prefetch_open(struct dcd_source *inner, size_t budget, struct dcd_prefetch **ret, struct dcd_diag *diag);

/*
 * The same thing as a source, valid as long as the prefetch; its close() is dcd_prefetch_close(). Its fetch and fetch_range go to
 * the inner source. While a list is being read ahead they push in: reading ahead pauses, and goes on at its byte afterwards.
 */
struct dcd_source *dcd_prefetch_source(struct dcd_prefetch *prefetch);

/*
 * Begins to fetch `n` ranges of one object, in the list's order; those that follow one another without a gap become one request.
 * The list and the path are borrowed until dcd_prefetch_stop(). A list already under way is stopped first.
 */
DCD_NODISCARD int dcd_prefetch_start(struct dcd_prefetch *prefetch, const char *path, uint64_t object_size,
				     const struct dcd_range *ranges, size_t n, struct dcd_diag *diag);

/*
 * The next `len` bytes of the list, as if its ranges were one stream; waits for them. What the inner source failed with is
 * returned, with its sentence, by the first read that needs bytes it didn't deliver, and by every one after it; `buf` is then
 * undefined. DCD_ERR_USAGE beyond the list's end.
 */
DCD_NODISCARD int dcd_prefetch_read(struct dcd_prefetch *prefetch, void *buf, size_t len, struct dcd_diag *diag);

/* Ends reading ahead, promptly when the inner source can be interrupted, and forgets the list. Nothing to stop is fine. */
void dcd_prefetch_stop(struct dcd_prefetch *prefetch);

/* Stops and frees; the inner source stays open. Null is fine. */
void dcd_prefetch_close(struct dcd_prefetch *prefetch);

#endif
