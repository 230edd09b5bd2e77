/* The response headers that decide what a body may be used for (RFC 9110, RFC 9112). Pure: no network, no clock, no allocation.
 */
#ifndef DCD_UPDATER_SOURCE_HTTP_HEADERS_H
#define DCD_UPDATER_SOURCE_HTTP_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DCD_HTTP_ETAG_SIZE 128

struct dcd_http_response {
	int status;
	bool malformed; /* a header that matters can't be understood, or two of a kind disagree */
	bool encoded;   /* a coding that nobody asked for: decoding it would mean decoding unauthenticated bytes */
	bool chunked;
	bool has_length;
	uint64_t length; /* Content-Length, bytes of this body */
	bool has_range;  /* Content-Range with first and last byte */
	uint64_t first;
	uint64_t last;
	bool has_total; /* Content-Range with the object's size */
	uint64_t total;
	uint64_t retry_after;          /* seconds, 0 when absent; the form with a date is ignored: our clock may be wrong */
	char etag[DCD_HTTP_ETAG_SIZE]; /* a strong entity tag with its quotes, or "" */
};

/*
 * Takes one header line, with or without its line end. A status line begins a new response: what was known about the one
 * before it (100 Continue) is forgotten.
 */
void dcd_http_response_line(struct dcd_http_response *response, const char *line, size_t len);

#endif
