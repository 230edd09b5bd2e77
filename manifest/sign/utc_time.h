/* Times as TUF writes them: ISO 8601, UTC, whole seconds ("2031-01-01T00:00:00Z"). */
#ifndef DCD_MANIFEST_SIGN_UTC_TIME_H
#define DCD_MANIFEST_SIGN_UTC_TIME_H

#include <stdint.h>

#include "base/err.h"

#define DCD_UTC_TIME_SIZE sizeof "9999-12-31T23:59:59Z"

/* `seconds` since 1970; DCD_ERR_USAGE outside the years 1970 to 9999, which have no such form. */
DCD_NODISCARD int dcd_utc_time_format(int64_t seconds, char ret[DCD_UTC_TIME_SIZE]);

#endif
