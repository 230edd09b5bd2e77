/* Ports that forget: over the device's own, for commands that look and must leave nothing behind. */
#ifndef DCD_UPDATER_CLI_SCRATCH_H
#define DCD_UPDATER_CLI_SCRATCH_H

#include "base/dir.h"
#include "updater/engine/device_state.h"

/* Reads what `inner` has; what is written stays in memory and is read instead. The caller closes both, the scratch first. */
DCD_NODISCARD int dcd_scratch_dir_open(struct dcd_dir *inner, struct dcd_dir **ret, struct dcd_diag *diag);

/* Loads what `inner` has, or what was stored into the scratch since. The caller closes both, the scratch first. */
DCD_NODISCARD int dcd_scratch_journal_open(struct dcd_journal *inner, struct dcd_journal **ret, struct dcd_diag *diag);

#endif
