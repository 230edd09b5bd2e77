#include "tools/repo/repo_progress.h"

#include <stdio.h>
#include <unistd.h>

#include "tools/repo/repo_text.h"

#define SHOW_EVERY_SECONDS 0.1

static double seconds_since(const struct timespec *then, const struct timespec *now)
{
	return (double)(now->tv_sec - then->tv_sec) + (double)(now->tv_nsec - then->tv_nsec) / 1e9;
}

void repo_progress_begin(struct repo_progress *progress, const char *what)
{
	*progress = (struct repo_progress){ .what = what, .terminal = isatty(STDERR_FILENO) == 1 };
	clock_gettime(CLOCK_MONOTONIC, &progress->begin);
	progress->shown = progress->begin;
}

void repo_progress_step(void *context, const char *phase, uint64_t done, uint64_t total)
{
	struct repo_progress *progress = context;
	if (!progress->terminal || total == 0) {
		return;
	}
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (seconds_since(&progress->shown, &now) < SHOW_EVERY_SECONDS) {
		return;
	}
	progress->shown = now;
	double elapsed = seconds_since(&progress->begin, &now);
	double rate = (double)done / elapsed;
	char rate_text[REPO_SIZE_TEXT];
	repo_size_text((unsigned long long)rate, rate_text);
	double left = rate > 0 ? (double)(total - done) / rate : 0;
	fprintf(stderr, "\r\033[K%s: %s %3.0f %%  %s/s  %.0f s left", progress->what, phase, 100.0 * (double)done / (double)total,
		rate_text, left);
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
