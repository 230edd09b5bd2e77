#include "tools/repo/repo_progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/bytes_text.h"

#define SHOW_EVERY_SECONDS 0.1

void repo_progress_begin(struct repo_progress *progress, const char *what)
{
	*progress = (struct repo_progress){ .what = what, .terminal = isatty(STDERR_FILENO) == 1 };
	dcd_pace_begin(&progress->pace, dcd_monotonic_seconds());
}

void repo_progress_step(void *context, const char *phase, uint64_t done, uint64_t total)
{
	struct repo_progress *progress = context;
	struct dcd_pace_view view;
	if (!progress->terminal || total == 0 ||
	    !dcd_pace_due(&progress->pace, dcd_monotonic_seconds(), SHOW_EVERY_SECONDS, done, total, &view)) {
		return;
	}
	char rate_text[DCD_BYTES_TEXT_SIZE];
	dcd_bytes_text((uint64_t)view.rate, rate_text);
	fprintf(stderr, "\r\033[K%s: %s %3.0f %%  %s/s  %.0f s left", progress->what, phase, view.percent, rate_text, view.left);
	fflush(stderr);
	progress->visible = true;
}

void repo_progress_end(struct repo_progress *progress)
{
	if (progress->visible) {
		fputs("\r\033[K", stderr);
		progress->visible = false;
	}
}
