/* One line on a terminal: phase, percent, rate, time left. Silent elsewhere. */
#ifndef DCD_TOOLS_REPO_PROGRESS_H
#define DCD_TOOLS_REPO_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pace.h"

struct repo_progress {
	const char *what; /* "delta from 1.0" */
	struct dcd_pace pace;
	bool terminal;
	bool visible;
};

void repo_progress_begin(struct repo_progress *progress, const char *what);
/* Has the shape of dcd_encode_options.progress; `context` is the struct repo_progress. */
void repo_progress_step(void *context, const char *phase, uint64_t done, uint64_t total);
/* Wipes the line. */
void repo_progress_end(struct repo_progress *progress);

#endif
