/* METADATA_DIR: trusted metadata under plain names, as the TUF client's store. */
#ifndef DCD_TOOLS_TUF_PLACE_H
#define DCD_TOOLS_TUF_PLACE_H

#include "base/dir.h"

/*
 * The client keeps every root since the factory's under its version. Here the newest root alone stays, as root.json, and is the
 * one that the next run starts from: what the TUF specification describes, and what other clients keep. Files of delegated roles
 * have their percent-encoded names.
 */
struct tuf_place {
	struct dcd_dir base;
	struct dcd_dir *folder;
};

/* The folder is made where it isn't there yet. */
DCD_NODISCARD int tuf_place_open(const char *path, struct tuf_place *ret, struct dcd_diag *diag);
void tuf_place_close(struct tuf_place *place);

#endif
