/* One run at a time: an advisory lock on the file "lock" in the state folder. The kernel drops it when the holder dies, however
 * it dies. */
#ifndef DCD_UPDATER_JOURNAL_LOCK_H
#define DCD_UPDATER_JOURNAL_LOCK_H

#include "base/diag.h"

struct dcd_lock;

/* Never waits. DCD_ERR_BUSY: another run holds it (with its process id where it can be read). DCD_ERR_IO. The folder must exist.
 */
DCD_NODISCARD int dcd_lock_take(const char *state_dir, struct dcd_lock **ret, struct dcd_diag *diag);
/*
 * The same for who only reads: where the folder can't be written to, an existing lock file is enough, and where there is none nobody can be
 * at work (*ret is then null, which dcd_lock_release() takes).
 */
DCD_NODISCARD int dcd_lock_take_to_read(const char *state_dir, struct dcd_lock **ret, struct dcd_diag *diag);
void dcd_lock_release(struct dcd_lock *lock); /* null is fine */
void dcd_lock_releasep(struct dcd_lock **lock);

#endif
