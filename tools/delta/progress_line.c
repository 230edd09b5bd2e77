#include "tools/delta/progress_line.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHOW_EVERY_SECONDS 0.1

void dcd_progress_line_begin(struct dcd_progress_line *line)
{
	*line = (struct dcd_progress_line){ .terminal = isatty(STDERR_FILENO) != 0 };
}

void dcd_progress_line_show(void *context, const char *phase, uint64_t done, uint64_t total)
{
	struct dcd_progress_line *line = context;
	if (!line->terminal || total == 0) {
		return;
	}
	double now = dcd_monotonic_seconds();
	if (line->phase == NULL || strcmp(line->phase, phase) != 0) {
		line->phase = phase;
		dcd_pace_begin(&line->pace, now);
	}
	struct dcd_pace_view view;
	if (!dcd_pace_due(&line->pace, now, SHOW_EVERY_SECONDS, done, total, &view)) {
		return;
	}
	fprintf(stderr, "\r\033[K%s: %3.0f%%, %.1f MiB/s, %.0f s left", phase, view.percent, view.rate / 1048576.0, view.left);
	fflush(stderr);
}

void dcd_progress_line_end(struct dcd_progress_line *line)
{
	if (line->terminal && line->phase != NULL) {
		fputs("\r\033[K", stderr);
		line->phase = NULL;
	}
}
