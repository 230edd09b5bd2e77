/* Several places with the same repository, behind one source. Arrows: base alone. */
#ifndef DCD_UPDATER_SOURCE_SOURCE_MIRRORS_H
#define DCD_UPDATER_SOURCE_SOURCE_MIRRORS_H

#include "base/source.h"

#define DCD_MIRRORS_MAX 16

/*
 * Asks the mirror that served last, at first the first one, and goes on to the next where that is unreachable, breaks off or
 * breaks its protocol; each is tried once a fetch. The transfer continues at the byte where it broke: that the other mirror has
 * the same bytes is for the hashes to tell. "Not found" is an answer and no failure (a client asks for roots that aren't there
 * yet), so a mirror that lags behind is not passed over; next() does that. "Forbidden" is one too, but for ranges.
 *
 * One of them may be a bundle, which holds a part of the repository: what it doesn't hold is not found there, and nobody else is
 * asked for it, so that metadata and what it lists come from one place. Whoever serves is also who says what it has.
 *
 * Takes all sources over, also on failure. DCD_ERR_USAGE for none or too many; DCD_ERR_CONFIG when one is a stream, which can't
 * be gone back to.
 */
DCD_NODISCARD int dcd_source_mirrors_new(struct dcd_source *const *mirrors, size_t count, struct dcd_source **ret,
					 struct dcd_diag *diag);

/*
 * Where to get more mirrors (a source of dcd_source_mirrors_new()) when all have failed, or been turned down by next(): `more` is
 * called at most once, from inside a fetch, and gives at most `max` sources, which are taken over. None is an answer.
 */
void dcd_source_mirrors_more(struct dcd_source *mirrors, size_t (*more)(void *context, struct dcd_source **ret, size_t max),
			     void *context);

#endif
