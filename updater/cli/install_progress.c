#include "updater/cli/install_progress.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SHOW_EVERY_SECONDS 0.2
#define EVENT_EVERY_SECONDS 1.0

static volatile sig_atomic_t cancel_asked;
static struct dcd_source *_Atomic interrupted_source;

void dcd_progress_cancel(void)
{
	/* An interrupt sets a flag and writes one byte to a pipe or the like: as safe in a handler as write() is. */
	int saved_errno = errno;
	struct dcd_source *source = atomic_load(&interrupted_source);
	cancel_asked = 1;
	if (source != NULL && source->ops->interrupt != NULL) {
		source->ops->interrupt(source, 1);
	}
	errno = saved_errno;
}

void dcd_progress_interrupts(struct dcd_source *source)
{
	atomic_store(&interrupted_source, source);
	if (cancel_asked != 0) {
		dcd_progress_cancel(); /* the signal came before there was a source */
	}
}

double dcd_monotonic_seconds(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void dcd_bytes_text(uint64_t bytes, char text[DCD_BYTES_TEXT_SIZE])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t unit = 0;
	while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(text, DCD_BYTES_TEXT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

void dcd_install_progress_begin(struct dcd_install_progress *line, bool json)
{
	*line = (struct dcd_install_progress){ .json = json, .terminal = !json && isatty(STDERR_FILENO) == 1 };
	line->stage_began = dcd_monotonic_seconds();
}

static const char *stage_name(enum dcd_stage stage)
{
	switch (stage) {
	case DCD_STAGE_CHECKING:
		return "checking";
	case DCD_STAGE_SCANNING:
		return "scanning";
	case DCD_STAGE_WRITING:
		return "writing";
	}
	return "working";
}

static uint64_t saved_bytes(const struct dcd_progress *progress)
{
	return progress->full > progress->planned ? progress->full - progress->planned : 0;
}

static void print_event(const struct dcd_progress *progress, double percent, double rate, double left)
{
	printf("{\"event\":\"progress\",\"phase\":\"%s\",\"percent\":%.1f,\"done\":%" PRIu64 ",\"total\":%" PRIu64
	       ",\"bytes_per_second\":%.0f,\"seconds_left\":%.0f,\"bytes_fetched\":%" PRIu64 ",\"bytes_planned\":%" PRIu64
	       ",\"bytes_saved\":%" PRIu64 "}\n",
	       stage_name(progress->stage), percent, progress->done, progress->total, rate, left, progress->fetched, progress->planned,
	       saved_bytes(progress));
	(void)fflush(stdout);
}

static void draw_line(const struct dcd_progress *progress, double percent, double rate, double left)
{
	char rate_text[DCD_BYTES_TEXT_SIZE], fetched[DCD_BYTES_TEXT_SIZE], saved[DCD_BYTES_TEXT_SIZE];
	dcd_bytes_text((uint64_t)rate, rate_text);
	dcd_bytes_text(progress->fetched, fetched);
	dcd_bytes_text(saved_bytes(progress), saved);
	fprintf(stderr, "\r%-9s %5.1f %%  %9s/s  %3.0f s left  fetched %s, saving %s\033[K", stage_name(progress->stage), percent,
		rate_text, left, fetched, saved);
}

int dcd_install_progress_report(void *context, const struct dcd_progress *progress)
{
	struct dcd_install_progress *line = context;
	double now = dcd_monotonic_seconds();
	if (progress->stage != line->stage) {
		line->stage = progress->stage;
		line->stage_began = now;
		line->last_shown = 0;
	}
	double every = line->json ? EVENT_EVERY_SECONDS : SHOW_EVERY_SECONDS;
	bool last = progress->total > 0 && progress->done >= progress->total;
	if ((line->json || line->terminal) && (now - line->last_shown >= every || last)) {
		double elapsed = now - line->stage_began;
		double percent = progress->total > 0 ? 100.0 * (double)progress->done / (double)progress->total : 0;
		double rate = elapsed > 0.01 ? (double)progress->done / elapsed : 0;
		double left = rate > 0 && !last ? (double)(progress->total - progress->done) / rate : 0;
		percent = percent > 100 ? 100 : percent;
		line->last_shown = now;
		line->drawn = line->terminal;
		if (line->json) {
			print_event(progress, percent, rate, left);
		} else {
			draw_line(progress, percent, rate, left);
		}
	}
	return cancel_asked;
}

void dcd_install_progress_end(struct dcd_install_progress *line)
{
	if (line->drawn) {
		fputs("\r\033[K", stderr);
		line->drawn = false;
	}
}
