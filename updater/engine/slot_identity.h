/* What a slot holds, found out by hashing it. */
#ifndef DCD_UPDATER_ENGINE_SLOT_IDENTITY_H
#define DCD_UPDATER_ENGINE_SLOT_IDENTITY_H

#include "manifest/release/release.h"
#include "updater/engine/engine.h"

/* The image id of the first `size` bytes of a device, read from the medium. DCD_ERR_IO, DCD_ERR_SLOT_TOO_SMALL. */
DCD_NODISCARD int dcd_slot_image_id(struct dcd_engine *engine, struct dcd_blockdev *dev, uint64_t size, uint32_t segment_size,
				    struct dcd_hash *ret, struct dcd_diag *diag);

/*
 * A slot without a record (a factory image, a lost journal) is compared with what the signed manifest knows: the release itself
 * and the bases of its deltas. Fills *ret and returns 0 when every image is known and they are of one release;
 * DCD_ERR_UNKNOWN_CONTENT otherwise, with those that are known, which can still be the bases of deltas. Each distinct image size
 * costs one pass over the slot, DCD_IDENTIFY_SIZES_MAX of them at most, newest first. Where releases share an image, the
 * manifests of those whose names came up are fetched as well; where the source doesn't hold them (a bundle), the release that
 * most of the images are ascribed to is believed.
 */
DCD_NODISCARD int dcd_slot_identify(struct dcd_engine *engine, struct dcd_tuf *tuf, const struct dcd_release *release, int slot,
				    struct dcd_slot_record *ret, struct dcd_diag *diag);

#define DCD_IDENTIFY_SIZES_MAX 4

#endif
