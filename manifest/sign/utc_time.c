#include "manifest/sign/utc_time.h"

#include <string.h>
#include <time.h>

#define YEAR_10000 INT64_C(253402300800)

int dcd_utc_time_format(int64_t seconds, char ret[DCD_UTC_TIME_SIZE])
{
	if (seconds < 0 || seconds >= YEAR_10000) {
		return DCD_ERR_USAGE;
	}
	time_t t = (time_t)seconds;
	struct tm tm;
	/* A 32-bit time_t can't hold every such time. */
	if ((int64_t)t != seconds || gmtime_r(&t, &tm) == NULL) {
		return DCD_ERR_USAGE;
	}
	char text[DCD_UTC_TIME_SIZE];
	if (strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) != sizeof text - 1) {
		return DCD_ERR_USAGE;
	}
	memcpy(ret, text, sizeof text);
	return 0;
}
