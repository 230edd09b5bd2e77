/*
 * A web server on 127.0.0.1 that does as a script tells it: for tests of how a client copes with slow, broken and lying
 * servers. One object, whatever the path. Runs in a thread of the test; one connection at a time.
 */
#ifndef DCD_TESTS_HOSTILE_SERVER_H
#define DCD_TESTS_HOSTILE_SERVER_H

#include <stddef.h>
#include <stdint.h>

enum hostile_then {
	HOSTILE_KEEP,         /* the connection stays for the next request */
	HOSTILE_CLOSE,        /* an orderly end */
	HOSTILE_RESET,        /* a reset */
	HOSTILE_STALL,        /* silence until the client goes away */
	HOSTILE_TRICKLE,      /* a byte every 20 ms, until the client goes away */
	HOSTILE_BODY_FLOOD,   /* body bytes without end */
	HOSTILE_HEADER_FLOOD, /* header lines without end */
	HOSTILE_LINE_FLOOD,   /* one header line without end */
};

/* What is done with one request. A zeroed reply is an honest one: 200, or 206 to a Range. */
struct hostile_reply {
	const char *head;  /* what is sent instead of an honest header, with its blank line; null: the honest one */
	const char *body;  /* sent instead of object bytes; null: the object bytes that the request asks for */
	size_t body_bytes; /* no more than so many bytes of the body; 0 is all of it; HOSTILE_NO_BODY is none */
	int no_ranges;     /* an honest server of the simplest kind: 200 and the whole object to everything */
	enum hostile_then then;
};

#define HOSTILE_NO_BODY SIZE_MAX

struct hostile_server;

/* Serves `size` bytes of `object`, which stays the caller's. Never null: a test machine without sockets aborts. */
struct hostile_server *hostile_server_start(const void *object, size_t size);

/* "http://127.0.0.1:PORT"; lives as long as the server. */
const char *hostile_server_url(const struct hostile_server *server);

/*
 * The next requests get these replies in turn; when the script is at its end, `repeat` says whether the last one is given for
 * ever, or honest ones are. Copied; the strings stay the caller's. Counters and the log are cleared.
 */
void hostile_server_script(struct hostile_server *server, const struct hostile_reply *replies, size_t n, int repeat);

size_t hostile_server_requests(struct hostile_server *server);
size_t hostile_server_connections(struct hostile_server *server);

/* The header of the n-th request since the script was set, counted from 0; "" when there was none. Valid until the next script.
 */
const char *hostile_server_request(struct hostile_server *server, size_t n);

void hostile_server_stop(struct hostile_server *server);

#endif
