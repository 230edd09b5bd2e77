#include "updater/cli/install_progress.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/bytes_text.h"

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

void dcd_install_progress_begin(struct dcd_install_progress *line, bool json)
{
	*line = (struct dcd_install_progress){ .json = json, .terminal = !json && isatty(STDERR_FILENO) == 1 };
	dcd_pace_begin(&line->pace, dcd_monotonic_seconds());
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

static void print_event(const struct dcd_progress *progress, const struct dcd_pace_view *view)
{
	printf("{\"event\":\"progress\",\"phase\":\"%s\",\"percent\":%.1f,\"done\":%" PRIu64 ",\"total\":%" PRIu64
	       ",\"bytes_per_second\":%.0f,\"seconds_left\":%.0f,\"bytes_fetched\":%" PRIu64 ",\"bytes_planned\":%" PRIu64
	       ",\"bytes_saved\":%" PRIu64 "}\n",
	       stage_name(progress->stage), view->percent, progress->done, progress->total, view->rate, view->left, progress->fetched, progress->planned,
	       saved_bytes(progress));
	(void)fflush(stdout);
}

static void draw_line(const struct dcd_progress *progress, const struct dcd_pace_view *view)
{
	char rate_text[DCD_BYTES_TEXT_SIZE], fetched[DCD_BYTES_TEXT_SIZE], saved[DCD_BYTES_TEXT_SIZE];
	dcd_bytes_text((uint64_t)view->rate, rate_text);
	dcd_bytes_text(progress->fetched, fetched);
	dcd_bytes_text(saved_bytes(progress), saved);
	fprintf(stderr, "\r%-9s %5.1f %%  %9s/s  %3.0f s left  fetched %s, saving %s\033[K", stage_name(progress->stage), view->percent,
		rate_text, view->left, fetched, saved);
}

int dcd_install_progress_report(void *context, const struct dcd_progress *progress)
{
	struct dcd_install_progress *line = context;
	double now = dcd_monotonic_seconds();
	if (progress->stage != line->stage) {
		line->stage = progress->stage;
		dcd_pace_begin(&line->pace, now);
	}
	double every = line->json ? EVENT_EVERY_SECONDS : SHOW_EVERY_SECONDS;
	struct dcd_pace_view view;
	if ((line->json || line->terminal) && dcd_pace_due(&line->pace, now, every, progress->done, progress->total, &view)) {
		line->drawn = line->terminal;
		if (line->json) {
			print_event(progress, &view);
		} else {
			draw_line(progress, &view);
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
