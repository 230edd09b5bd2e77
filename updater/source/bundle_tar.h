/* The header of one entry of a bundle: the one place that reads with libarchive. */
#ifndef DCD_UPDATER_SOURCE_BUNDLE_TAR_H
#define DCD_UPDATER_SOURCE_BUNDLE_TAR_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "updater/source/bundle_format.h"

struct dcd_bundle_header {
	char name[DCD_BUNDLE_NAME_MAX + 1];
	uint64_t size; /* bytes of the entry's data */
};

/*
 * Reads a header that takes exactly `len` bytes (DCD_BUNDLE_HEADER_SHORT or _LONG). Only what the writer writes is taken: ustar
 * or pax, a regular file, no links, no holes, a name that a source may be asked for; everything else is DCD_ERR_MALFORMED, with a
 * sentence that says what it is but not where.
 */
DCD_NODISCARD int dcd_bundle_header_read(const uint8_t *data, size_t len, struct dcd_bundle_header *ret, struct dcd_diag *diag);

#endif
