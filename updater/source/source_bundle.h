/*
 * A bundle as a source: a repository that one file carries (docs/format-bundle.md). A file or an object on a web server is read
 * by ranges, and only those that are needed; a stream is read once, forwards.
 */
#ifndef DCD_UPDATER_SOURCE_SOURCE_BUNDLE_H
#define DCD_UPDATER_SOURCE_SOURCE_BUNDLE_H

#include "base/source.h"
#include "updater/source/bundle_index.h"
#include "updater/source/bundle_input.h"

/*
 * Takes over `input`, also on failure. Reads the index and checks it; a file's tar headers all at once, others as they are met. A
 * bundle that isn't one, is cut off, goes on too long or holds anything that the format doesn't know is DCD_ERR_MALFORMED (a
 * server of another size: DCD_ERR_SIZE), here or by the fetch that meets it; dcd_source_finish() reads what is left of a stream.
 *
 * A payload is asked for as "targets/payloads/HASH.dcp", as in any repository; its two halves are entries of the bundle.
 */
DCD_NODISCARD int dcd_source_bundle_open(struct dcd_bundle_input *input, struct dcd_source **ret, struct dcd_diag *diag);

/* What the bundle says of itself, if `source` is one; null otherwise. Belongs to the source. */
const struct dcd_bundle_index *dcd_source_bundle_index(const struct dcd_source *source);

#endif
