/* How fast a long run goes and how long it still takes, for the line that a program draws. Draws nothing itself. */
#ifndef DCD_BASE_PACE_H
#define DCD_BASE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct dcd_pace {
	double began; /* seconds, monotonic */
	double shown;
};

struct dcd_pace_view {
	double percent; /* 0..100; 0 while nobody knows the total */
	double rate;    /* units a second since the begin */
	double left;    /* seconds, at that rate; 0 when it isn't known */
};

/* Seconds on a clock that never jumps. */
double dcd_monotonic_seconds(void);

void dcd_pace_begin(struct dcd_pace *pace, double now);
/*
 * True at the first call, when `every` seconds have passed since it was true, and at the end (a known total is reached): time to
 * show *ret. `done` and `total` in any unit; a total of 0 isn't known yet.
 */
bool dcd_pace_due(struct dcd_pace *pace, double now, double every, uint64_t done, uint64_t total, struct dcd_pace_view *ret);

#endif
