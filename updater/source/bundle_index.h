/*
 * What a bundle says it holds, and where: its first entry. Nobody signed it. It is believed as far as the tar headers bear it
 * out, and it can only lead to bytes that the signed metadata then judges.
 */
#ifndef DCD_UPDATER_SOURCE_BUNDLE_INDEX_H
#define DCD_UPDATER_SOURCE_BUNDLE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"

struct dcd_bundle_entry {
	const char *name;
	uint64_t offset; /* of its data, from the file's beginning; its header ends here */
	uint64_t size;   /* bytes of data */
};

struct dcd_bundle_index {
	const char *version; /* of the release, unsigned: for people */
	uint64_t size;       /* bytes of the index itself, which begins at DCD_BUNDLE_BLOCK */
	uint64_t end;        /* where the last entry's data ends */
	uint64_t total;      /* bytes that the file must have */
	size_t count;
	struct dcd_bundle_entry *entries; /* in the file's order */
	uint32_t *by_name;                /* indexes of `entries`, sorted */
	char *names;                      /* what the names point into */
};

/* A name that an entry may have: printable ASCII without '\\', a source's path, at most DCD_BUNDLE_NAME_MAX bytes. */
bool dcd_bundle_name_ok(const char *name);

/*
 * Parses an index and checks that it describes one possible layout: entries one behind the other, each with a header of one or
 * three blocks before it, no name twice, nothing beyond the bounds of bundle_format.h, and exactly one manifest, of the version
 * it names. DCD_ERR_MALFORMED, DCD_ERR_UNSUPPORTED (a later format), DCD_ERR_NO_MEMORY; `what` names the bundle in sentences.
 */
DCD_NODISCARD int dcd_bundle_index_parse(const uint8_t *data, size_t len, const char *what, struct dcd_bundle_index *ret,
					 struct dcd_diag *diag);
void dcd_bundle_index_free(struct dcd_bundle_index *index);

/* The entry of that name, or null. */
const struct dcd_bundle_entry *dcd_bundle_index_find(const struct dcd_bundle_index *index, const char *name);

/* The bytes between two entries' data: what fills the last block of the one, and the header of the next. `i` may be the count:
 * the trailer. */
struct dcd_bundle_gap {
	uint64_t begin;
	size_t padding; /* bytes, below DCD_BUNDLE_BLOCK */
	size_t length;  /* bytes, with the padding; at most DCD_BUNDLE_GAP_MAX */
};
#define DCD_BUNDLE_GAP_MAX (4 * 512)
struct dcd_bundle_gap dcd_bundle_index_gap(const struct dcd_bundle_index *index, size_t i);

#endif
