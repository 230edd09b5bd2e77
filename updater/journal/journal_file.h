/*
 * The journal in a folder: two copies, "journal.0" and "journal.1", of the format in journal_format.h. A store writes the same
 * sequence to both, one after the other: a cut leaves one whole, and bit rot in one copy must not bring back an older state with
 * lower floors. A load takes the readable copy with the highest sequence.
 */
#ifndef DCD_UPDATER_JOURNAL_JOURNAL_FILE_H
#define DCD_UPDATER_JOURNAL_JOURNAL_FILE_H

#include "base/dir.h"
#include "updater/engine/device_state.h"

/* The journal keeps `dir`, which stays the caller's. Only one may be open on a folder: take the lock first (lock.h). */
DCD_NODISCARD int dcd_journal_file_open(struct dcd_dir *dir, struct dcd_journal **ret, struct dcd_diag *diag);

#endif
