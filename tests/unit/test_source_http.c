#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/hostile_server.h"
#include "updater/source/source_http.h"

#define OBJECT_SIZE 300000

static uint8_t object[OBJECT_SIZE];
static struct hostile_server *server;

/* ---- A client with short patience, and what it got. ---- */

struct client {
	struct dcd_source *source;
	struct dcd_diag diag;
	uint8_t got[OBJECT_SIZE + 1];
	size_t len;
	size_t sink_room; /* the sink refuses what goes beyond; 0: no limit */
	uint64_t slept;   /* milliseconds that back-off asked for */
	unsigned sleeps;
};

static int keep(void *context, const uint8_t *data, size_t len)
{
	struct client *c = context;
	if (c->sink_room != 0 && len > c->sink_room - c->len) {
		return DCD_ERR_NO_SPACE;
	}
	assert_true(len <= sizeof c->got - c->len);
	memcpy(c->got + c->len, data, len);
	c->len += len;
	return 0;
}

static int no_sleep(void *context, uint64_t ms)
{
	struct client *c = context;
	c->slept += ms;
	c->sleeps++;
	return 0;
}

static uint32_t no_jitter(void *context)
{
	(void)context;
	return 0;
}

static struct client *client_of(const char *url)
{
	static struct client c;
	memset(&c, 0, sizeof c);
	struct dcd_source_http_options o = dcd_source_http_defaults();
	o.retries = 3;
	o.connect_timeout_ms = 2000;
	o.stall_timeout_ms = 200;
	o.min_rate = 10000;
	o.sleep = no_sleep;
	o.random = no_jitter;
	o.hook_context = &c;
	assert_int_equal(dcd_source_http_open(url, &o, &c.source, &c.diag), 0);
	return &c;
}

static struct client *client(void)
{
	return client_of(hostile_server_url(server));
}

static int fetch(struct client *c, uint64_t max)
{
	struct dcd_sink sink = { keep, c };
	return c->source->ops->fetch(c->source, "metadata/1.root.json", max, &sink, &c->diag);
}

static int fetch_range(struct client *c, uint64_t offset, uint64_t length)
{
	struct dcd_sink sink = { keep, c };
	return c->source->ops->fetch_range(c->source, "targets/payload", OBJECT_SIZE, offset, length, &sink, &c->diag);
}

static void script(const struct hostile_reply *replies, size_t n, int repeat)
{
	hostile_server_script(server, replies, n, repeat);
}

#define SCRIPT(repeat, ...)                                                                                                      \
	script((const struct hostile_reply[]){ __VA_ARGS__ },                                                                    \
	       sizeof((const struct hostile_reply[]){ __VA_ARGS__ }) / sizeof(struct hostile_reply), repeat)

static void assert_got(const struct client *c, size_t offset, size_t length)
{
	assert_int_equal(c->len, length);
	assert_memory_equal(c->got, object + offset, length);
}

static void close_client(struct client *c)
{
	c->source->ops->close(c->source);
}

/* The whole of a failing range fetch against a server that keeps answering so. */
static void assert_range_fails(struct hostile_reply reply, int err, size_t requests)
{
	struct client *c = client();
	SCRIPT(1, reply);
	assert_int_equal(fetch_range(c, 1000, 5000), err);
	assert_int_equal(c->diag.err, err);
	assert_true(strlen(c->diag.text) > 20);
	assert_int_equal(hostile_server_requests(server), requests);
	close_client(c);
}

static void assert_whole_fails(struct hostile_reply reply, uint64_t max, int err, size_t requests)
{
	struct client *c = client();
	SCRIPT(1, reply);
	assert_int_equal(fetch(c, max), err);
	assert_int_equal(c->diag.err, err);
	assert_true(c->len <= max);
	assert_int_equal(hostile_server_requests(server), requests);
	close_client(c);
}

/* ---- Servers as they should be. ---- */

static void an_honest_server_gives_whole_objects_and_ranges_over_one_connection(void **state)
{
	(void)state;
	struct client *c = client();
	script(NULL, 0, 0);
	assert_int_equal(fetch(c, OBJECT_SIZE), 0);
	assert_got(c, 0, OBJECT_SIZE);
	for (size_t i = 0; i < 20; i++) {
		c->len = 0;
		assert_int_equal(fetch_range(c, i * 7777, i + 1), 0);
		assert_got(c, i * 7777, i + 1);
	}
	c->len = 0;
	assert_int_equal(fetch_range(c, OBJECT_SIZE - 1, 1), 0);
	assert_got(c, OBJECT_SIZE - 1, 1);
	assert_int_equal(hostile_server_connections(server), 1);
	assert_int_equal(hostile_server_requests(server), 22);
	assert_int_equal(c->source->stats.requests, 22);
	assert_int_equal(c->source->stats.retries, 0);
	assert_int_equal(c->source->stats.bytes, OBJECT_SIZE + 210 + 1);
	close_client(c);
}

static void requests_name_us_and_ask_for_no_compression(void **state)
{
	(void)state;
	struct client *c = client();
	script(NULL, 0, 0);
	assert_int_equal(fetch(c, OBJECT_SIZE), 0);
	const char *request = hostile_server_request(server, 0);
	assert_non_null(strstr(request, "GET /metadata/1.root.json HTTP/1.1\r\n"));
	assert_non_null(strstr(request, "User-Agent: decade/" DCD_VERSION "\r\n"));
	assert_null(strstr(request, "Accept-Encoding"));
	assert_null(strstr(request, "Range"));
	close_client(c);
}

static void a_server_without_ranges_serves_an_object_s_beginning(void **state)
{
	(void)state;
	struct client *c = client();
	SCRIPT(1, { .no_ranges = 1 });
	assert_int_equal(fetch_range(c, 0, 1000), 0);
	assert_got(c, 0, 1000);
	c->len = 0;
	assert_int_equal(fetch_range(c, 0, OBJECT_SIZE), 0);
	assert_got(c, 0, OBJECT_SIZE);
	close_client(c);
	assert_range_fails((struct hostile_reply){ .no_ranges = 1 }, DCD_ERR_SOURCE_LIES, 1);
}

static void a_chunked_body_is_taken(void **state)
{
	(void)state;
	struct client *c = client();
	SCRIPT(1, { .head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		    .body = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n" });
	assert_int_equal(fetch(c, 11), 0);
	assert_int_equal(c->len, 11);
	assert_memory_equal(c->got, "hello world", 11);
	c->len = 0;
	assert_int_equal(fetch(c, 10), DCD_ERR_SIZE);
	assert_int_equal(c->len, 10);
	close_client(c);
}

/* ---- Servers that break off, and recover. ---- */

static void a_range_that_breaks_off_goes_on_at_the_byte_where_it_broke(void **state)
{
	(void)state;
	static const enum hostile_then ways[] = { HOSTILE_CLOSE, HOSTILE_STALL };
	for (size_t i = 0; i < 2; i++) {
		struct client *c = client();
		SCRIPT(0, { .body_bytes = 1, .then = ways[i] }, { .body_bytes = 20000, .then = ways[i] },
		       { .body_bytes = HOSTILE_NO_BODY, .then = ways[i] });
		assert_int_equal(fetch_range(c, 500, 100000), 0);
		assert_got(c, 500, 100000);
		assert_int_equal(c->source->stats.retries, 3);
		assert_int_equal(c->source->stats.bytes, 100000);
		assert_non_null(strstr(hostile_server_request(server, 1), "Range: bytes=501-100499\r\n"));
		assert_non_null(strstr(hostile_server_request(server, 2), "Range: bytes=20501-100499\r\n"));
		close_client(c);
	}
}

static void a_whole_object_that_breaks_off_is_resumed_under_its_entity_tag(void **state)
{
	(void)state;
	struct client *c = client();
	SCRIPT(0, { .body_bytes = 12345, .then = HOSTILE_CLOSE });
	assert_int_equal(fetch(c, OBJECT_SIZE), 0);
	assert_got(c, 0, OBJECT_SIZE);
	assert_non_null(strstr(hostile_server_request(server, 1), "Range: bytes=12345-\r\n"));
	assert_non_null(strstr(hostile_server_request(server, 1), "If-Range: \"one\"\r\n"));
	close_client(c);
}

static void a_whole_object_that_can_not_be_resumed_is_an_error(void **state)
{
	(void)state;
	struct client *c = client();
	SCRIPT(1, { .no_ranges = 1, .body_bytes = 12345, .then = HOSTILE_CLOSE });
	assert_int_equal(fetch(c, OBJECT_SIZE), DCD_ERR_BROKEN_OFF);
	assert_got(c, 0, 12345);
	close_client(c);
}

static void a_reset_connection_is_tried_again(void **state)
{
	(void)state;
	struct client *c = client();
	SCRIPT(0, { .body_bytes = HOSTILE_NO_BODY, .then = HOSTILE_RESET }, { .body_bytes = 3000, .then = HOSTILE_RESET });
	assert_int_equal(fetch_range(c, 0, 50000), 0);
	assert_got(c, 0, 50000);
	close_client(c);
	assert_range_fails((struct hostile_reply){ .body_bytes = HOSTILE_NO_BODY, .then = HOSTILE_RESET }, DCD_ERR_BROKEN_OFF, 4);
}

static void a_server_that_stalls_for_ever_ends_in_broken_off(void **state)
{
	(void)state;
	assert_range_fails((struct hostile_reply){ .body_bytes = HOSTILE_NO_BODY, .then = HOSTILE_STALL }, DCD_ERR_BROKEN_OFF, 4);
	assert_range_fails(
		(struct hostile_reply){ .head = "HTTP/1.1 206 Pa", .body_bytes = HOSTILE_NO_BODY, .then = HOSTILE_STALL },
		DCD_ERR_BROKEN_OFF, 4);
}

static void the_message_tells_a_stall_from_a_trickle(void **state)
{
	(void)state;
	struct client *c = client();
	SCRIPT(1, { .body_bytes = HOSTILE_NO_BODY, .then = HOSTILE_STALL });
	assert_int_equal(fetch_range(c, 0, 1000), DCD_ERR_BROKEN_OFF);
	assert_non_null(strstr(c->diag.text, "nothing arrived"));
	SCRIPT(1, { .head = "HTTP/1.1 206 X\r\nContent-Range: bytes 0-999/300000\r\n\r\n", .body = "", .then = HOSTILE_TRICKLE },
	       { .body_bytes = HOSTILE_NO_BODY, .then = HOSTILE_TRICKLE });
	assert_int_equal(fetch_range(c, 0, 1000), DCD_ERR_BROKEN_OFF);
	assert_non_null(strstr(c->diag.text, "too slowly"));
	close_client(c);
}

static void a_server_that_trickles_does_not_hold_us(void **state)
{
	(void)state;
	assert_whole_fails((struct hostile_reply){ .head = "HTTP/1.1 200 OK\r\n\r\n", .body = "", .then = HOSTILE_TRICKLE },
			   1000000, DCD_ERR_BROKEN_OFF, 2);
}

static void a_busy_server_is_asked_again_after_the_time_it_names(void **state)
{
	(void)state;
	static const int codes[] = { 408, 425, 429, 500, 502, 503, 599 };
	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		char head[128];
		(void)snprintf(head, sizeof head, "HTTP/1.1 %d Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", codes[i]);
		struct client *c = client();
		SCRIPT(0, { .head = head, .body_bytes = HOSTILE_NO_BODY }, { .head = head, .body_bytes = HOSTILE_NO_BODY });
		assert_int_equal(fetch_range(c, 10, 20), 0);
		assert_got(c, 10, 20);
		assert_int_equal(c->slept, 6000);
		assert_int_equal(c->sleeps, 2);
		assert_int_equal(hostile_server_connections(server), 1);
		close_client(c);
	}
	assert_range_fails(
		(struct hostile_reply){ .head = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", .body_bytes = HOSTILE_NO_BODY },
		DCD_ERR_UNREACHABLE, 4);
}

static void a_retry_after_of_a_year_is_cut_down(void **state)
{
	(void)state;
	struct client *c = client();
	SCRIPT(0, { .head = "HTTP/1.1 503 No\r\nRetry-After: 31536000\r\nContent-Length: 0\r\n\r\n",
		    .body_bytes = HOSTILE_NO_BODY });
	assert_int_equal(fetch_range(c, 10, 20), 0);
	assert_int_equal(c->slept, dcd_source_http_defaults().retry_after_max_ms);
	close_client(c);
}

/* ---- Servers that say no. ---- */

#define EMPTY(status)                                                                                                            \
	{                                                                                                                        \
		.head = "HTTP/1.1 " status " X\r\nContent-Length: 0\r\n\r\n", .body_bytes = HOSTILE_NO_BODY                      \
	}

static void a_refusal_is_final(void **state)
{
	(void)state;
	static const struct {
		struct hostile_reply reply;
		int err;
	} rows[] = {
		{ EMPTY("404"), DCD_ERR_NOT_FOUND },   { EMPTY("410"), DCD_ERR_NOT_FOUND },
		{ EMPTY("400"), DCD_ERR_UNREACHABLE }, { EMPTY("401"), DCD_ERR_UNREACHABLE },
		{ EMPTY("403"), DCD_ERR_FORBIDDEN }, { EMPTY("451"), DCD_ERR_UNREACHABLE },
		{ EMPTY("204"), DCD_ERR_SOURCE_LIES }, { EMPTY("304"), DCD_ERR_SOURCE_LIES },
		{ EMPTY("416"), DCD_ERR_SOURCE_LIES }, { EMPTY("302"), DCD_ERR_SOURCE_LIES },
		{ EMPTY("abc"), DCD_ERR_SOURCE_LIES },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_range_fails(rows[i].reply, rows[i].err, 1);
	}
}

static void an_error_page_without_end_is_still_that_error(void **state)
{
	(void)state;
	static const enum hostile_then ways[] = { HOSTILE_BODY_FLOOD, HOSTILE_STALL, HOSTILE_TRICKLE };
	for (size_t i = 0; i < 3; i++) {
		assert_range_fails((struct hostile_reply){ .head = "HTTP/1.1 404 X\r\n\r\n",
							   .body_bytes = HOSTILE_NO_BODY,
							   .then = ways[i] },
				   DCD_ERR_NOT_FOUND, 1);
	}
}

static void nobody_there_is_unreachable(void **state)
{
	(void)state;
	struct hostile_server *gone = hostile_server_start(object, 1);
	char url[64];
	(void)snprintf(url, sizeof url, "%s", hostile_server_url(gone));
	hostile_server_stop(gone);
	struct client *c = client_of(url);
	assert_int_equal(fetch(c, 100), DCD_ERR_UNREACHABLE);
	assert_int_equal(c->source->stats.retries, 3);
	close_client(c);
}

/* ---- Servers that lie. ---- */

#define PARTIAL(range, length) "HTTP/1.1 206 X\r\nContent-Range: " range "\r\nContent-Length: " length "\r\n\r\n"

static void a_range_that_was_not_asked_for_is_refused_before_its_body(void **state)
{
	(void)state;
	static const struct {
		const char *head;
		int err;
	} rows[] = {
		{ PARTIAL("bytes 999-5999/300000", "5001"), DCD_ERR_SOURCE_LIES },
		{ PARTIAL("bytes 999-5999/300000", "5000"), DCD_ERR_SOURCE_LIES },
		{ PARTIAL("bytes 1001-5999/300000", "4999"), DCD_ERR_SOURCE_LIES },
		{ PARTIAL("bytes 1000-5998/300000", "4999"), DCD_ERR_SOURCE_LIES },
		{ PARTIAL("bytes 1000-6000/300000", "5001"), DCD_ERR_SOURCE_LIES },
		{ PARTIAL("bytes 1000-5999/300000", "4999"), DCD_ERR_SOURCE_LIES },
		{ PARTIAL("bytes 1000-5999/300001", "5000"), DCD_ERR_SIZE },
		{ PARTIAL("bytes 1000-5999/6000", "5000"), DCD_ERR_SIZE },
		{ PARTIAL("bytes 5999-1000/300000", "5000"), DCD_ERR_SOURCE_LIES },
		{ PARTIAL("bytes 1000-5999", "5000"), DCD_ERR_SOURCE_LIES },
		{ PARTIAL("bytes 1000-99999999999999999999999/300000", "5000"), DCD_ERR_SOURCE_LIES },
		{ PARTIAL("lines 1000-5999/300000", "5000"), DCD_ERR_SOURCE_LIES },
		{ "HTTP/1.1 206 X\r\nContent-Length: 5000\r\n\r\n", DCD_ERR_SOURCE_LIES },
		{ "HTTP/1.1 200 X\r\nContent-Length: 299999\r\n\r\n", DCD_ERR_SIZE },
		{ "HTTP/1.1 416 X\r\nContent-Range: bytes */3000\r\nContent-Length: 0\r\n\r\n", DCD_ERR_SIZE },
		{ PARTIAL("bytes 1000-5999/300000", "5000\r\nContent-Encoding: gzip"), DCD_ERR_SOURCE_LIES },
		{ PARTIAL("bytes 1000-5999/300000", "5000\r\nTransfer-Encoding: gzip"), DCD_ERR_SOURCE_LIES },
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_range_fails((struct hostile_reply){ .head = rows[i].head, .then = HOSTILE_CLOSE }, rows[i].err, 1);
	}
}

static void a_partial_answer_to_a_request_for_the_whole_is_refused(void **state)
{
	(void)state;
	assert_whole_fails((struct hostile_reply){ .head = PARTIAL("bytes 0-99/100", "100"), .then = HOSTILE_CLOSE }, 1000,
			   DCD_ERR_SOURCE_LIES, 1);
}

static void a_length_beyond_the_bound_is_refused_before_the_body(void **state)
{
	(void)state;
	struct client *c = client();
	script(NULL, 0, 0);
	assert_int_equal(fetch(c, OBJECT_SIZE - 1), DCD_ERR_SIZE);
	assert_int_equal(c->len, 0);
	close_client(c);
}

static void a_length_that_is_larger_than_the_body_ends_in_broken_off(void **state)
{
	(void)state;
	assert_whole_fails((struct hostile_reply){ .head = "HTTP/1.1 200 X\r\nContent-Length: 50\r\n\r\n",
						   .body = "",
						   .then = HOSTILE_CLOSE },
			   100, DCD_ERR_BROKEN_OFF, 4);
}

static void two_lengths_that_disagree_are_refused(void **state)
{
	(void)state;
	assert_whole_fails((struct hostile_reply){ .head = "HTTP/1.1 200 X\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n" },
			   100, DCD_ERR_SOURCE_LIES, 1);
}

static void a_body_without_end_is_cut_at_the_bound(void **state)
{
	(void)state;
	struct client *c = client();
	SCRIPT(1, { .head = "HTTP/1.1 200 X\r\n\r\n", .body = "", .then = HOSTILE_BODY_FLOOD });
	assert_int_equal(fetch(c, 100000), DCD_ERR_SIZE);
	assert_int_equal(c->len, 100000);
	assert_true(c->source->stats.bytes < 100000 + 65536);
	close_client(c);
}

static void headers_without_end_are_cut_off(void **state)
{
	(void)state;
	assert_whole_fails((struct hostile_reply){ .head = "HTTP/1.1 200 X\r\n", .body = "", .then = HOSTILE_HEADER_FLOOD }, 100,
			   DCD_ERR_SOURCE_LIES, 1);
	assert_whole_fails((struct hostile_reply){ .head = "HTTP/1.1 200 X\r\nX: ", .body = "", .then = HOSTILE_LINE_FLOOD }, 100,
			   DCD_ERR_SOURCE_LIES, 1);
}

static void an_answer_that_is_no_http_is_refused(void **state)
{
	(void)state;
	assert_whole_fails((struct hostile_reply){ .head = "SSH-2.0-OpenSSH_9.2\r\n", .body = "", .then = HOSTILE_CLOSE }, 100,
			   DCD_ERR_SOURCE_LIES, 1);
}

/* ---- Redirects. ---- */

static void a_redirect_is_followed_and_a_loop_is_not(void **state)
{
	(void)state;
	static const char away[] = "HTTP/1.1 302 X\r\nLocation: /else%20where\r\nContent-Length: 0\r\n\r\n";
	struct client *c = client();
	SCRIPT(0, { .head = away, .body_bytes = HOSTILE_NO_BODY });
	assert_int_equal(fetch_range(c, 5, 500), 0);
	assert_got(c, 5, 500);
	assert_non_null(strstr(hostile_server_request(server, 1), "GET /else%20where HTTP/1.1\r\n"));
	assert_non_null(strstr(hostile_server_request(server, 1), "Range: bytes=5-504\r\n"));
	close_client(c);
	assert_range_fails((struct hostile_reply){ .head = away, .body_bytes = HOSTILE_NO_BODY }, DCD_ERR_SOURCE_LIES,
			   1 + DCD_HTTP_REDIRECTS_MAX);
}

static void a_redirect_away_from_the_web_is_refused(void **state)
{
	(void)state;
	static const char *const places[] = { "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x",
					      "scp://127.0.0.1/x" };
	/* One each, and lasting: the server may still be sending one when the client has refused it already. */
	static char heads[sizeof places / sizeof places[0]][128];
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		(void)snprintf(heads[i], sizeof heads[i], "HTTP/1.1 301 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", places[i]);
		assert_range_fails((struct hostile_reply){ .head = heads[i], .body_bytes = HOSTILE_NO_BODY }, DCD_ERR_SOURCE_LIES, 1);
	}
}

static void credentials_stay_with_their_host_and_out_of_messages(void **state)
{
	(void)state;
	struct hostile_server *other = hostile_server_start(object, OBJECT_SIZE);
	char url[96];
	char head[160];
	(void)snprintf(url, sizeof url, "http://tom:sec%%72et@%s/", hostile_server_url(server) + 7);
	(void)snprintf(head, sizeof head, "HTTP/1.1 302 X\r\nLocation: http://eve:evil@%s/x\r\nContent-Length: 0\r\n\r\n",
		       hostile_server_url(other) + 7);
	struct client *c = client_of(url);
	assert_null(strstr(c->source->name, "sec"));
	hostile_server_script(other, NULL, 0, 0);
	SCRIPT(0, { .head = head, .body_bytes = HOSTILE_NO_BODY });
	assert_int_equal(fetch_range(c, 5, 500), 0);
	assert_non_null(strstr(hostile_server_request(server, 0), "Authorization: Basic dG9tOnNlY3JldA==\r\n"));
	assert_non_null(strstr(hostile_server_request(other, 0), "GET /x HTTP/1.1\r\n"));
	assert_null(strstr(hostile_server_request(other, 0), "Authorization"));
	SCRIPT(0, EMPTY("403"));
	assert_int_equal(fetch_range(c, 5, 500), DCD_ERR_FORBIDDEN);
	assert_null(strstr(c->diag.text, "sec"));
	assert_null(strstr(c->diag.text, "tom"));
	close_client(c);
	hostile_server_stop(other);
}

/* ---- The caller's side. ---- */

static void what_the_sink_returns_ends_the_fetch(void **state)
{
	(void)state;
	struct client *c = client();
	c->sink_room = 1000;
	script(NULL, 0, 0);
	assert_int_equal(fetch_range(c, 0, 200000), DCD_ERR_NO_SPACE);
	assert_int_equal(hostile_server_requests(server), 1);
	close_client(c);
}

static void an_interrupted_source_ends_until_it_is_released(void **state)
{
	(void)state;
	struct client *c = client();
	script(NULL, 0, 0);
	c->source->ops->interrupt(c->source, 1);
	assert_int_equal(fetch_range(c, 0, 200000), DCD_ERR_CANCELLED);
	c->source->ops->interrupt(c->source, 0);
	c->len = 0;
	assert_int_equal(fetch_range(c, 0, 200000), 0);
	close_client(c);
}

static void paths_and_ranges_outside_are_the_caller_s_mistake(void **state)
{
	(void)state;
	struct client *c = client();
	struct dcd_sink sink = { keep, c };
	script(NULL, 0, 0);
	assert_int_equal(c->source->ops->fetch(c->source, "../x", 10, &sink, &c->diag), DCD_ERR_USAGE);
	assert_int_equal(c->source->ops->fetch(c->source, "/x", 10, &sink, &c->diag), DCD_ERR_USAGE);
	assert_int_equal(fetch_range(c, OBJECT_SIZE, 1), DCD_ERR_USAGE);
	assert_int_equal(fetch_range(c, 1, UINT64_MAX), DCD_ERR_USAGE);
	assert_int_equal(fetch_range(c, 0, 0), DCD_ERR_USAGE);
	assert_int_equal(hostile_server_requests(server), 0);
	close_client(c);
}

static void a_url_that_can_not_be_used_is_a_configuration_error(void **state)
{
	(void)state;
	static const char *const urls[] = { "http://", "http://host/a?b=c", "http://host/#x", "http://u:secret@host:99999/",
					    "nonsense://x" };
	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		struct dcd_source *source = NULL;
		struct dcd_diag diag = { 0 };
		assert_int_equal(dcd_source_http_open(urls[i], NULL, &source, &diag), DCD_ERR_CONFIG);
		assert_null(source);
		assert_null(strstr(diag.text, "secret"));
	}
}

static int start(void **state)
{
	(void)state;
	(void)unsetenv("http_proxy");
	(void)unsetenv("all_proxy");
	(void)unsetenv("ALL_PROXY");
	uint32_t seed = 1;
	for (size_t i = 0; i < OBJECT_SIZE; i++) {
		seed = seed * 1664525 + 1013904223;
		object[i] = (uint8_t)(seed >> 24);
	}
	server = hostile_server_start(object, OBJECT_SIZE);
	return 0;
}

static int end(void **state)
{
	(void)state;
	hostile_server_stop(server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_server_gives_whole_objects_and_ranges_over_one_connection),
		cmocka_unit_test(requests_name_us_and_ask_for_no_compression),
		cmocka_unit_test(a_server_without_ranges_serves_an_object_s_beginning),
		cmocka_unit_test(a_chunked_body_is_taken),
		cmocka_unit_test(a_range_that_breaks_off_goes_on_at_the_byte_where_it_broke),
		cmocka_unit_test(a_whole_object_that_breaks_off_is_resumed_under_its_entity_tag),
		cmocka_unit_test(a_whole_object_that_can_not_be_resumed_is_an_error),
		cmocka_unit_test(a_reset_connection_is_tried_again),
		cmocka_unit_test(a_server_that_stalls_for_ever_ends_in_broken_off),
		cmocka_unit_test(the_message_tells_a_stall_from_a_trickle),
		cmocka_unit_test(a_server_that_trickles_does_not_hold_us),
		cmocka_unit_test(a_busy_server_is_asked_again_after_the_time_it_names),
		cmocka_unit_test(a_retry_after_of_a_year_is_cut_down),
		cmocka_unit_test(a_refusal_is_final),
		cmocka_unit_test(an_error_page_without_end_is_still_that_error),
		cmocka_unit_test(nobody_there_is_unreachable),
		cmocka_unit_test(a_range_that_was_not_asked_for_is_refused_before_its_body),
		cmocka_unit_test(a_partial_answer_to_a_request_for_the_whole_is_refused),
		cmocka_unit_test(a_length_beyond_the_bound_is_refused_before_the_body),
		cmocka_unit_test(a_length_that_is_larger_than_the_body_ends_in_broken_off),
		cmocka_unit_test(two_lengths_that_disagree_are_refused),
		cmocka_unit_test(a_body_without_end_is_cut_at_the_bound),
		cmocka_unit_test(headers_without_end_are_cut_off),
		cmocka_unit_test(an_answer_that_is_no_http_is_refused),
		cmocka_unit_test(a_redirect_is_followed_and_a_loop_is_not),
		cmocka_unit_test(a_redirect_away_from_the_web_is_refused),
		cmocka_unit_test(credentials_stay_with_their_host_and_out_of_messages),
		cmocka_unit_test(what_the_sink_returns_ends_the_fetch),
		cmocka_unit_test(an_interrupted_source_ends_until_it_is_released),
		cmocka_unit_test(paths_and_ranges_outside_are_the_caller_s_mistake),
		cmocka_unit_test(a_url_that_can_not_be_used_is_a_configuration_error),
	};
	return cmocka_run_group_tests(tests, start, end);
}
