/* The one time format of TUF: ISO 8601, UTC, whole seconds ("2031-01-01T00:00:00Z"). */
#ifndef DCD_MANIFEST_TUF_TUF_TIME_H
#define DCD_MANIFEST_TUF_TUF_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds since 1970; false for anything but that form and a date that exists. */
bool tuf_time_parse(const char *text, int64_t *ret);

#endif
