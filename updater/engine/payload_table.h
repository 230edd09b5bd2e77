/* Header and table of one payload: fetched, checked against the signed manifest, kept in memory while the image is installed. */
#ifndef DCD_UPDATER_ENGINE_PAYLOAD_TABLE_H
#define DCD_UPDATER_ENGINE_PAYLOAD_TABLE_H

#include <stdbool.h>

#include "base/source.h"
#include "bsdiff/apply/frame.h"
#include "bsdiff/apply/payload.h"
#include "manifest/release/release.h"

/* A table larger than this is not fetched: 16 GiB of image at 1 MiB a segment need 1.2 MB. */
#define DCD_TABLE_LENGTH_LIMIT (16U << 20)

struct dcd_payload_table {
	const struct dcd_release_payload *payload; /* the manifest's word on it */
	uint8_t *bytes;                            /* owned */
	struct dcd_payload view;
	char path[sizeof "targets/" + DCD_RELEASE_PAYLOAD_PATH_SIZE + 64];
};

/*
 * DCD_ERR_HASH when it isn't the table that the manifest names; DCD_ERR_MALFORMED / UNSUPPORTED when it is, but can't be used;
 * the source's errors. Every sentence names the payload's file. Released by dcd_payload_table_free().
 */
DCD_NODISCARD int dcd_payload_table_load(struct dcd_source *source, const char *targets_prefix, const struct dcd_hash_alg *alg,
					 const struct dcd_release_image *image, const struct dcd_release_payload *payload,
					 struct dcd_payload_table *ret, struct dcd_diag *diag);
/* Whether the source may have that payload; a bundle doesn't carry all that the manifest lists. */
bool dcd_payload_is_offered(const struct dcd_source *source, const char *targets_prefix,
			    const struct dcd_release_payload *payload);

/* A second one of the same content, where the image is made twice. DCD_ERR_NO_MEMORY. */
DCD_NODISCARD int dcd_payload_table_copy(const struct dcd_payload_table *table, struct dcd_payload_table *ret,
					 struct dcd_diag *diag);

/*
 * Can this device apply the payload's repacked frames, if it has any: does `packer` (may be null) know all of its methods and pack
 * as the host did, in at most `memory_max` bytes?
 */
bool dcd_payload_can_pack(const struct dcd_payload *view, const struct dcd_packer *packer, uint64_t memory_max);

void dcd_payload_table_free(struct dcd_payload_table *table);

#endif
