/*
 * Writing commands run in a child process, with this one as its guard: whatever stops the work (a signal, a crash, an error, an
 * image that shrank while it was mapped), the guard undoes it the same way as the next run would after a kill -9. One path of
 * recovery, used every time.
 */
#ifndef DCD_TOOLS_REPO_SUPERVISE_H
#define DCD_TOOLS_REPO_SUPERVISE_H

#include "base/diag.h"
#include "tools/repo/repo_place.h"

/*
 * Takes the lock, recovers what an earlier run left, runs `work` in a child, recovers again. The child says what went wrong on
 * stderr itself. Returns 0 or an error; one that has already been reported leaves `diag` empty.
 */
DCD_NODISCARD int repo_supervise(struct repo_place *place, int (*work)(void *context, struct dcd_diag *diag), void *context,
				 struct dcd_diag *diag);

#endif
