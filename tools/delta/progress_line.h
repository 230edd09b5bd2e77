/* One line of progress on a terminal; nothing anywhere else. */
#ifndef DCD_TOOLS_DELTA_PROGRESS_LINE_H
#define DCD_TOOLS_DELTA_PROGRESS_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pace.h"

struct dcd_progress_line {
	bool terminal;
	const char *phase;
	struct dcd_pace pace; /* of the phase */
};

void dcd_progress_line_begin(struct dcd_progress_line *line);
/* Shaped like dcd_encode_options.progress; `context` is the line. */
void dcd_progress_line_show(void *context, const char *phase, uint64_t done, uint64_t total);
/* Clears the line. */
void dcd_progress_line_end(struct dcd_progress_line *line);

#endif
