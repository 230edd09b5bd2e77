/*
 * Times as TUF writes them: ISO 8601, UTC, whole seconds ("2031-01-01T00:00:00Z"). Production metadata that older tools signed has
 * fractions and offsets as well ("2021-12-18T13:28:12.99-06:00", RFC 3339); its signatures can't be had again, so they are read too.
 */
#ifndef DCD_MANIFEST_TUF_TUF_TIME_H
#define DCD_MANIFEST_TUF_TUF_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds since 1970, a fraction cut off; false for anything but these forms and a date that exists. */
bool tuf_time_parse(const char *text, int64_t *ret);

#endif
