/*
 * A repository on any static web server, over HTTP/1.1 or HTTPS. Assumes nothing of the server but GET, and byte ranges for
 * payloads; docs/source.md tells how it behaves towards one that is slow, broken or hostile.
 */
#ifndef DCD_UPDATER_SOURCE_SOURCE_HTTP_H
#define DCD_UPDATER_SOURCE_SOURCE_HTTP_H

#include "base/source.h"

#define DCD_HTTP_REDIRECTS_MAX 5
#define DCD_HTTP_HEADER_BYTES_MAX 32768  /* of one response, its 1xx forerunners counted */
#define DCD_HTTP_DROPPED_BYTES_MAX 16384 /* of the body of an error or a redirect; beyond it the connection is closed */
#define DCD_HTTP_PROGRESS_BYTES 65536    /* an attempt that brought so much starts the count of retries anew */

/* All times in milliseconds. */
struct dcd_source_http_options {
	unsigned retries;            /* attempts after the first one that may fail in a row without real progress */
	uint32_t connect_timeout_ms; /* name look-up, TCP and TLS together */
	uint32_t stall_timeout_ms;   /* nothing at all arrives for so long */
	uint32_t min_rate;        /* bytes per second that an attempt must reach on average, once stall_timeout_ms have passed */
	uint32_t backoff_base_ms; /* the n-th retry waits a random time from 0 to base * 2^n ... */
	uint32_t backoff_max_ms;  /* ... but no more than this */
	uint32_t retry_after_max_ms; /* how far a server's Retry-After is honoured */
	const char *ca_file;         /* certificates to trust instead of the system's; null: the system's */
	/*
	 * For tests; both null otherwise. `sleep` returns non-zero to end the fetch with DCD_ERR_CANCELLED; `random` returns any
	 * 32 bits.
	 */
	int (*sleep)(void *context, uint64_t ms);
	uint32_t (*random)(void *context);
	void *hook_context;
};

struct dcd_source_http_options dcd_source_http_defaults(void);

/*
 * `url` is the repository's base, http or https, without query and fragment; a user and password in it are sent to that host
 * alone and never appear in a message. Strings are copied. DCD_ERR_CONFIG for a URL that can't be used; nothing is connected
 * yet. The first source of a process must be opened before other threads run, as curl_global_init(3) asks for.
 *
 * Fetch results beyond base/source.h: DCD_ERR_SOURCE_LIES also when the server can't serve a range (416, or 200 to a range that
 * doesn't begin at 0), leaves http and https, redirects more than DCD_HTTP_REDIRECTS_MAX times, or floods us with headers.
 */
DCD_NODISCARD int dcd_source_http_open(const char *url, const struct dcd_source_http_options *options, struct dcd_source **ret,
				       struct dcd_diag *diag);

#endif
