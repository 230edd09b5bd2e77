/* A repository path as the path of a URL. Pure. */
#ifndef DCD_UPDATER_SOURCE_HTTP_URL_H
#define DCD_UPDATER_SOURCE_HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Writes "BASE/PATH" with every byte of PATH percent-encoded that is neither unreserved (RFC 3986 §2.3) nor '/', which is what
 * other TUF clients ask for; DCD_SOURCE_SLASH becomes %2F. BASE has no '/' at its end and is taken as it is. False when it doesn't fit into `size` bytes.
 */
bool dcd_http_url_join(const char *base, const char *path, char *ret, size_t size);

/*
 * True when a redirect from one scheme to the other may be followed: http and https only, and never from https back to http,
 * where everybody on the way would see what is fetched. Schemes are lower case.
 */
bool dcd_http_url_may_redirect(const char *from_scheme, const char *to_scheme);

/* Undoes the percent-encoding of a path component. False for a query, a fragment, a broken escape, NUL, no text, or too little room. */
bool dcd_http_url_decode(const char *text, char *ret, size_t size);

#endif
