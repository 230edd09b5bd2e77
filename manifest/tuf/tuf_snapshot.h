/* What timestamp and snapshot say of the file below them. */
#ifndef DCD_MANIFEST_TUF_TUF_SNAPSHOT_H
#define DCD_MANIFEST_TUF_TUF_SNAPSHOT_H

#include "manifest/tuf/tuf_file.h"

/* The snapshot that a timestamp names. */
DCD_NODISCARD int tuf_timestamp_snapshot_entry(const struct tuf_metadata *timestamp, const char *what, struct tuf_file_entry *ret,
					       struct dcd_diag *diag);

/* What a snapshot says of a targets file ("targets.json", or a delegated role's). */
DCD_NODISCARD int tuf_snapshot_entry(const struct tuf_metadata *snapshot, const char *name, const char *what,
				     struct tuf_file_entry *ret, struct dcd_diag *diag);

#endif
