#include "bsdiff/diff/effort.h"

#include "bsdiff/diff/suffix_index.h"

/* Full frames carry most bytes of a first install, so their level is what effort buys; 6 is about 10 MB/s a core. */
struct dcd_effort dcd_effort_of(int effort)
{
	static const int full_levels[] = { 1, 3, 5, 7, 9, 12, 16, 19, 22 };
	static const int delta_levels[] = { 3, 6, 12, 17, 19, 19, 19, 22, 22 };
	struct dcd_effort ret = { .full_level = full_levels[effort - 1], .delta_level = delta_levels[effort - 1] };
	ret.hasty_surveys = effort <= 6 ? DCD_SURVEYS : 1;
	ret.patience = effort <= 3 ? 5 : effort <= 6 ? 8 : 31;
	ret.whole_base_max = effort <= 6 ? 1U << 20 : effort == 7 ? 16U << 20 : DCD_SUFFIX_TEXT_MAX;
	ret.suffix_text_max = effort <= 7 ? 16U << 20 : DCD_SUFFIX_TEXT_MAX;
	return ret;
}
