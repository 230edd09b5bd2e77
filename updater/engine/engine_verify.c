#include "updater/engine/engine_state.h"
#include "updater/engine/slot_identity.h"

static int verify_image(struct dcd_engine *engine, int slot, const struct dcd_slot_image *image, struct dcd_diag *diag)
{
	struct dcd_blockdev *dev = NULL;
	int err = engine->slots.open(engine->slots.context, slot, image->class_name, false, &dev, diag);
	if (err != 0) {
		return err;
	}
	struct dcd_hash id;
	err = dcd_slot_image_id(engine, dev, image->size, image->segment_size, &id, diag);
	if (err == 0 && !dcd_hash_equal(&id, &image->image_id)) {
		err = dcd_diag_set(diag, DCD_ERR_HASH, "%s: the image '%s' is not what was verified when it was written; 'decade repair' mends "
				   "the other slot", dev->name, image->class_name);
	}
	dev->ops->close(dev);
	return err;
}

int dcd_engine_verify(struct dcd_engine *engine, int slot, struct dcd_diag *diag)
{
	struct dcd_session session;
	int err = dcd_session_open(engine, false, &session, diag);
	if (err != 0) {
		return err;
	}
	const struct dcd_slot_record *record = &session.state.slot[slot];
	if (record->content != DCD_CONTENT_VERIFIED || record->image_count == 0) {
		return dcd_diag_set(diag, DCD_ERR_UNKNOWN_CONTENT, "there is no record of what that slot should hold (%s)",
				    dcd_content_name(record->content));
	}
	for (size_t i = 0; i < record->image_count; i++) {
		err = verify_image(engine, slot, &record->images[i], diag);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}
