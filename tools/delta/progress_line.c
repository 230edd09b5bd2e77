#include "tools/delta/progress_line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SHOW_EVERY 0.1 /* seconds */

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

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
	double t = now();
	if (line->phase == NULL || strcmp(line->phase, phase) != 0) {
		line->phase = phase;
		line->phase_began = t;
		line->last_shown = 0;
	}
	if (t - line->last_shown < SHOW_EVERY && done < total) {
		return;
	}
	line->last_shown = t;
	double elapsed = t - line->phase_began;
	double rate = elapsed > 0 ? (double)done / elapsed : 0;
	double left = rate > 0 ? (double)(total - done) / rate : 0;
	fprintf(stderr, "\r\033[K%s: %3.0f%%, %.1f MiB/s, %.0f s left", phase, 100.0 * (double)done / (double)total,
		rate / 1048576.0, left);
	fflush(stderr);
}

void dcd_progress_line_end(struct dcd_progress_line *line)
{
	if (line->terminal && line->phase != NULL) {
		fputs("\r\033[K", stderr);
		line->phase = NULL;
	}
}
