/* Text of unknown origin made fit for a terminal, a JSON document and a journal. */
#ifndef DCD_BASE_UTF8_H
#define DCD_BASE_UTF8_H

#include <stddef.h>

/* The length of the UTF-8 character at `text` (NUL-terminated), or 0 when there is none (RFC 3629: no surrogates, no overlong
 * forms). */
size_t dcd_utf8_length(const char *text);

/* Replaces control characters (C0, DEL, C1) and bytes that are no UTF-8 by '?', in place; the length stays. */
void dcd_utf8_clean(char *text);

#endif
