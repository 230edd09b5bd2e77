/* What a person sees while an update runs: one line on a terminal, nothing in a pipe, an event a second with --json. */
#ifndef DCD_UPDATER_CLI_INSTALL_PROGRESS_H
#define DCD_UPDATER_CLI_INSTALL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pace.h"
#include "base/source.h"
#include "updater/engine/progress.h"

struct dcd_install_progress {
	bool json;
	bool terminal;       /* stderr is one */
	bool drawn;          /* the line stands on the terminal and must be ended */
	enum dcd_stage stage;
	struct dcd_pace pace; /* of the stage */
};

void dcd_install_progress_begin(struct dcd_install_progress *line, bool json);
/* For struct dcd_progress_port: context is the line. Returns non-zero after dcd_progress_cancel(). */
int dcd_install_progress_report(void *context, const struct dcd_progress *progress);
/* Ends the line on the terminal, before anything else is printed. */
void dcd_install_progress_end(struct dcd_install_progress *line);

/* Async-signal-safe: the next report asks the engine to stop, and a source that waits for its server stops waiting. */
void dcd_progress_cancel(void);
/* The source that dcd_progress_cancel() interrupts, or null: before it is closed. */
void dcd_progress_interrupts(struct dcd_source *source);

#endif
