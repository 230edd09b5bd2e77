#include "base/pace.h"

#include <time.h>

#define MEASURABLE 0.01 /* seconds; a rate over less says nothing */

double dcd_monotonic_seconds(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void dcd_pace_begin(struct dcd_pace *pace, double now)
{
	*pace = (struct dcd_pace){ .began = now, .shown = -1 };
}

bool dcd_pace_due(struct dcd_pace *pace, double now, double every, uint64_t done, uint64_t total, struct dcd_pace_view *ret)
{
	bool last = total > 0 && done >= total;
	if (pace->shown >= 0 && now - pace->shown < every && !last) {
		return false;
	}
	double elapsed = now - pace->began;
	double rate = elapsed > MEASURABLE ? (double)done / elapsed : 0;
	pace->shown = now;
	*ret = (struct dcd_pace_view){
		.percent = last        ? 100
			   : total > 0 ? 100.0 * (double)done / (double)total
				       : 0,
		.rate = rate,
		.left = rate > 0 && done < total ? (double)(total - done) / rate : 0,
	};
	return true;
}
