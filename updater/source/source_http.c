#include "updater/source/source_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/checked.h"
#include "updater/source/http_judge.h"
#include "updater/source/http_url.h"

#define URL_SIZE 8192
#define RECEIVE_BUFFER 16384
#define POLL_MAX_MS 1000
#define WHY_SIZE 320

struct http_source {
	struct dcd_source base;
	struct dcd_source_http_options options;
	char *url; /* without credentials, without '/' at its end; also the name */
	char *origin;
	char *user;
	char *password;
	char *ca_file;
	CURLM *multi; /* its connection cache keeps connections alive from fetch to fetch */
	CURL *easy;
	atomic_int stop;
};

/* How one attempt, or the whole fetch, ended. */
struct outcome {
	int err;
	bool retry;
	bool sink_failed; /* the sink has told its own story */
	uint64_t retry_after_ms;
	char why[WHY_SIZE];
};

/* One fetch, over all its attempts. */
struct transfer {
	struct http_source *http;
	struct dcd_http_wish wish;
	struct dcd_sink *sink;
	char etag[DCD_HTTP_ETAG_SIZE]; /* of the first response of a whole fetch: guards a resumed one */

	/* The response that is arriving. */
	struct dcd_http_response response;
	struct dcd_http_verdict verdict;
	bool judged;
	bool finished; /* all that was wanted is here, whatever comes next */
	bool ended;    /* outcome is set, by a callback or the watch */
	struct outcome outcome;
	size_t header_bytes;
	uint64_t body_bytes;

	/* Clock, in milliseconds. */
	uint64_t started;
	uint64_t progressed;
	uint64_t in_sink; /* spent in the sink since `started`: not the server's fault */
	bool connected;
};

static uint64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void end_with(struct transfer *t, int err, bool retry, const char *why)
{
	t->ended = true;
	t->outcome = (struct outcome){ .err = err, .retry = retry };
	(void)snprintf(t->outcome.why, sizeof t->outcome.why, "%s", why);
}

/* ---- What curl calls while bytes arrive. ---- */

static void judge_response(struct transfer *t)
{
	t->judged = true;
	t->verdict = dcd_http_judge(&t->wish, &t->response);
	const struct dcd_http_verdict *v = &t->verdict;
	if (v->action == DCD_HTTP_FAIL || v->action == DCD_HTTP_REFUSE) {
		char why[WHY_SIZE];
		(void)snprintf(why, sizeof why, "HTTP status %d: %s", t->response.status, v->why);
		end_with(t, v->err, v->retry, why);
		t->outcome.retry_after_ms = dcd_min_u64(t->response.retry_after, UINT32_MAX) * 1000;
		return;
	}
	if (v->action != DCD_HTTP_TAKE) {
		return;
	}
	if (!t->wish.ranged && v->exact && !t->wish.size_known) {
		t->wish.size_known = true;
		t->wish.size = t->wish.next + v->take;
	}
	if (!t->wish.ranged && t->wish.next == 0) {
		memcpy(t->etag, t->response.etag, sizeof t->etag);
	}
	t->finished = v->exact && v->take == 0;
}

/* One header line a call; returning another number than it was given makes curl stop. */
static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	struct transfer *t = context;
	size_t len = size * count;
	t->progressed = now_ms();
	if (len > DCD_HTTP_HEADER_BYTES_MAX - t->header_bytes) {
		end_with(t, DCD_ERR_SOURCE_LIES, false, "the response header is too long");
		return 0;
	}
	t->header_bytes += len;
	if (t->judged) {
		return len; /* trailers */
	}
	dcd_http_response_line(&t->response, line, len);
	bool blank = len > 0 && (line[0] == '\r' || line[0] == '\n');
	if (blank && (t->response.status >= 200 || t->response.malformed)) {
		judge_response(t);
		if (t->verdict.action == DCD_HTTP_REFUSE) {
			return 0;
		}
	}
	return len;
}

static bool give_to_sink(struct transfer *t, const uint8_t *data, size_t len)
{
	if (len == 0) {
		return true;
	}
	uint64_t before = now_ms();
	int err = t->sink->write(t->sink->context, data, len);
	t->progressed = now_ms();
	t->in_sink += t->progressed - before;
	if (err != 0) {
		end_with(t, err, false, "");
		t->outcome.sink_failed = true;
		return false;
	}
	t->wish.next += len;
	t->verdict.take -= len;
	t->finished = t->verdict.exact && t->verdict.take == 0;
	return true;
}

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
	struct transfer *t = context;
	size_t len = size * count;
	t->progressed = now_ms();
	t->body_bytes += len;
	t->http->base.stats.bytes += len;
	if (t->judged && t->verdict.action != DCD_HTTP_TAKE) {
		return t->body_bytes > DCD_HTTP_DROPPED_BYTES_MAX ? 0 : len;
	}
	if (!t->judged || t->ended) {
		return 0;
	}
	size_t taken = (size_t)dcd_min_u64(len, t->verdict.take);
	if (!give_to_sink(t, (const uint8_t *)data, taken)) {
		return 0;
	}
	if (taken < len && !t->verdict.cut) {
		t->finished = false;
		bool lie = t->verdict.exact;
		end_with(t, lie ? DCD_ERR_SOURCE_LIES : DCD_ERR_SIZE, false,
			 lie ? "the server sent more than it had announced" : "it is larger than what may come here");
		return 0;
	}
	return taken == len ? len : 0;
}

/* ---- One request. ---- */

/* The stall clock begins with the request; until it is on its way, curl's own connect time-out counts. */
static void note_connected(struct transfer *t, uint64_t now)
{
	curl_off_t pretransfer = 0;
	if (!t->connected && curl_easy_getinfo(t->http->easy, CURLINFO_PRETRANSFER_TIME_T, &pretransfer) == CURLE_OK &&
	    pretransfer > 0) {
		t->connected = true;
		t->progressed = t->started = now;
		t->in_sink = 0;
	}
}

static bool too_slow(const struct transfer *t, uint64_t now)
{
	const struct dcd_source_http_options *o = &t->http->options;
	uint64_t spent = now - t->started - dcd_min_u64(t->in_sink, now - t->started);
	return o->min_rate > 0 && spent > o->stall_timeout_ms &&
	       (spent - o->stall_timeout_ms) / 1000 > t->body_bytes / o->min_rate;
}

/* Looks at the clocks and the stop flag between two rounds of curl. False: the transfer must not go on. */
static bool watch(struct transfer *t)
{
	uint64_t now = now_ms();
	note_connected(t, now);
	bool had_ended = t->ended;
	struct outcome before = t->outcome;
	if (atomic_load(&t->http->stop) != 0) {
		end_with(t, DCD_ERR_CANCELLED, false, "cancelled");
		return false;
	}
	if (t->connected && now - t->progressed >= t->http->options.stall_timeout_ms) {
		end_with(t, DCD_ERR_BROKEN_OFF, true, "nothing arrived for too long");
	} else if (t->connected && too_slow(t, now)) {
		end_with(t, DCD_ERR_BROKEN_OFF, true, "it arrives too slowly");
	} else {
		return true;
	}
	if (had_ended) {
		t->outcome = before; /* an error page that never ends is still that error */
	}
	return false;
}

static int poll_ms(const struct transfer *t)
{
	return (int)dcd_min_u64(POLL_MAX_MS, t->http->options.stall_timeout_ms / 4 + 1);
}

/* Runs the request that the easy handle holds. CURLE_OK also when a callback or the watch ended it: t->ended tells. */
static CURLcode run_request(struct transfer *t)
{
	struct http_source *h = t->http;
	CURLcode result = CURLE_FAILED_INIT;
	if (curl_multi_add_handle(h->multi, h->easy) != CURLM_OK) {
		return CURLE_OUT_OF_MEMORY;
	}
	for (;;) {
		int running = 0;
		if (curl_multi_perform(h->multi, &running) != CURLM_OK) {
			break;
		}
		if (running == 0) {
			int left = 0;
			const CURLMsg *message = curl_multi_info_read(h->multi, &left);
			result = message != NULL ? message->data.result : CURLE_FAILED_INIT;
			break;
		}
		if (!watch(t) || (t->finished && t->verdict.cut)) {
			result = CURLE_OK;
			break;
		}
		(void)curl_multi_poll(h->multi, NULL, 0, poll_ms(t), NULL);
	}
	(void)curl_multi_remove_handle(h->multi, h->easy);
	return result;
}

static void outcome_of_curl(struct transfer *t, CURLcode code, const char *detail)
{
	char why[WHY_SIZE];
	(void)snprintf(why, sizeof why, "%s", detail[0] != '\0' ? detail : curl_easy_strerror(code));
	switch (code) {
	case CURLE_OK: /* ended without error, but before everything was there */
	case CURLE_PARTIAL_FILE:
		end_with(t, DCD_ERR_BROKEN_OFF, true, "it ended early");
		break;
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SSL_CONNECT_ERROR:
		end_with(t, DCD_ERR_UNREACHABLE, true, why);
		break;
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		end_with(t, DCD_ERR_BROKEN_OFF, true, why);
		break;
	case CURLE_UNSUPPORTED_PROTOCOL: /* what curl calls an answer without a status line */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING: /* a transfer coding that nobody asked for (curl 8) */
#if LIBCURL_VERSION_NUM >= 0x080600
	case CURLE_TOO_LARGE:
#endif
		end_with(t, DCD_ERR_SOURCE_LIES, false, why);
		break;
	case CURLE_OUT_OF_MEMORY:
		/* Until curl 8.6 this is also what a header line beyond curl's own bound ends in. */
		end_with(t, t->judged ? DCD_ERR_NO_MEMORY : DCD_ERR_SOURCE_LIES, false,
			 t->judged ? "out of memory" : "a response header line is too long, or memory ran out");
		break;
	default:
		end_with(t, DCD_ERR_UNREACHABLE, false, why);
		break;
	}
}

static void prepare_credentials(struct http_source *h, const char *url)
{
	/* The user and password of the configured URL are for its own scheme, host and port, and nobody else's. */
	size_t n = strlen(h->origin);
	bool ours = strncmp(url, h->origin, n) == 0 && (url[n] == '/' || url[n] == '\0');
	(void)curl_easy_setopt(h->easy, CURLOPT_USERNAME, ours ? h->user : NULL);
	(void)curl_easy_setopt(h->easy, CURLOPT_PASSWORD, ours ? h->password : NULL);
}

static CURLcode prepare_request(struct transfer *t, const char *url, struct curl_slist **headers)
{
	struct http_source *h = t->http;
	prepare_credentials(h, url);
	char range[64];
	const struct dcd_http_wish *w = &t->wish;
	int n = snprintf(range, sizeof range, "%llu-", (unsigned long long)w->next);
	if (w->ranged) {
		(void)snprintf(range + n, sizeof range - (size_t)n, "%llu", (unsigned long long)(w->end - 1));
	}
	if (!w->ranged && w->next > 0 && t->etag[0] != '\0') {
		char guard[DCD_HTTP_ETAG_SIZE + 16];
		(void)snprintf(guard, sizeof guard, "If-Range: %s", t->etag);
		*headers = curl_slist_append(NULL, guard);
		if (*headers == NULL) {
			return CURLE_OUT_OF_MEMORY;
		}
	}
	(void)curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, *headers);
	(void)curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, t);
	(void)curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, t);
	CURLcode code = curl_easy_setopt(h->easy, CURLOPT_RANGE, dcd_http_wants_range(w) ? range : NULL);
	return code == CURLE_OK ? curl_easy_setopt(h->easy, CURLOPT_URL, url) : code;
}

static void request(struct transfer *t, const char *url)
{
	struct http_source *h = t->http;
	t->response = (struct dcd_http_response){ 0 };
	t->judged = t->finished = t->ended = t->connected = false;
	t->header_bytes = 0;
	t->body_bytes = t->in_sink = 0;
	t->started = t->progressed = now_ms();
	h->base.stats.requests++;

	char detail[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = NULL;
	(void)curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, detail);
	CURLcode code = prepare_request(t, url, &headers);
	if (code == CURLE_OK) {
		code = run_request(t);
	}
	(void)curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, NULL);
	(void)curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);

	bool redirect = t->judged && t->verdict.action == DCD_HTTP_REDIRECT;
	bool whole = t->judged && t->verdict.action == DCD_HTTP_TAKE && !t->verdict.exact && code == CURLE_OK;
	if (!t->ended && !t->finished && !whole && !(redirect && (code == CURLE_OK || code == CURLE_WRITE_ERROR))) {
		outcome_of_curl(t, code, detail);
	}
}

/* ---- One attempt: a request and the redirects it is sent through. ---- */

/* The part of a URL that `flag` names; the caller frees it with curl_free(). Null when there is none. */
static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
	char *text = NULL;
	return curl_url_get(url, part, &text, flags) == CURLUE_OK ? text : NULL;
}

/* Writes the place that a redirect leads to, without credentials that the server put there, to `url`. */
static bool follow(struct transfer *t, char url[URL_SIZE])
{
	char *target = NULL;
	(void)curl_easy_getinfo(t->http->easy, CURLINFO_REDIRECT_URL, &target);
	const char *was = strncmp(url, "https:", 6) == 0 ? "https" : "http";
	CURLU *parsed = curl_url();
	bool ok = false;
	if (parsed != NULL && target != NULL &&
	    curl_url_set(parsed, CURLUPART_URL, target, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK) {
		(void)curl_url_set(parsed, CURLUPART_USER, NULL, 0);
		(void)curl_url_set(parsed, CURLUPART_PASSWORD, NULL, 0);
		(void)curl_url_set(parsed, CURLUPART_FRAGMENT, NULL, 0);
		char *scheme = url_part(parsed, CURLUPART_SCHEME, 0);
		char *text = url_part(parsed, CURLUPART_URL, 0);
		if (scheme != NULL && text != NULL && dcd_http_url_may_redirect(was, scheme) && strlen(text) < URL_SIZE) {
			memcpy(url, text, strlen(text) + 1);
			ok = true;
		}
		curl_free(scheme);
		curl_free(text);
	}
	curl_url_cleanup(parsed);
	if (!ok) {
		end_with(t, DCD_ERR_SOURCE_LIES, false,
			 "the server redirects to nowhere, away from http and https, or from https to http");
	}
	return ok;
}

static void attempt(struct transfer *t, const char *path)
{
	char url[URL_SIZE];
	if (!dcd_http_url_join(t->http->url, path, url, sizeof url)) {
		end_with(t, DCD_ERR_USAGE, false, "the URL would be too long");
		return;
	}
	for (int hop = 0; hop <= DCD_HTTP_REDIRECTS_MAX; hop++) {
		request(t, url);
		if (t->ended || t->verdict.action != DCD_HTTP_REDIRECT || !follow(t, url)) {
			return;
		}
	}
	end_with(t, DCD_ERR_SOURCE_LIES, false, "the server redirects again and again");
}

/* ---- One fetch: attempts, until one completes what the others began. ---- */

static uint32_t random_bits(const struct http_source *h)
{
	if (h->options.random != NULL) {
		return h->options.random(h->options.hook_context);
	}
	uint32_t bits = 0;
	/* Jitter needs no secrecy; where the kernel has nothing yet, the clock spreads a fleet too. */
	if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits) {
		struct timespec t;
		(void)clock_gettime(CLOCK_MONOTONIC, &t);
		bits = (uint32_t)t.tv_nsec * 2654435761U;
	}
	return bits;
}

/* Full jitter: anything from 0 to the bound, so that a fleet that failed together doesn't come back together. */
static uint64_t backoff_ms(const struct http_source *h, unsigned failures, uint64_t retry_after_ms)
{
	uint64_t bound = h->options.backoff_base_ms;
	for (unsigned i = 0; i < failures && bound < h->options.backoff_max_ms; i++) {
		bound *= 2;
	}
	bound = dcd_min_u64(bound, h->options.backoff_max_ms);
	uint64_t asked = dcd_min_u64(retry_after_ms, h->options.retry_after_max_ms);
	return asked + random_bits(h) % (bound + 1);
}

static int pause_for(struct http_source *h, uint64_t ms)
{
	if (h->options.sleep != NULL) {
		return h->options.sleep(h->options.hook_context, ms);
	}
	uint64_t until = now_ms() + ms;
	for (uint64_t now = now_ms(); now < until && atomic_load(&h->stop) == 0; now = now_ms()) {
		(void)curl_multi_poll(h->multi, NULL, 0, (int)dcd_min_u64(until - now, INT32_MAX), NULL);
	}
	return atomic_load(&h->stop);
}

static int report(const struct transfer *t, const char *path, struct dcd_diag *diag)
{
	if (t->outcome.sink_failed) {
		return t->outcome.err;
	}
	return dcd_diag_set(diag, t->outcome.err, "%s/%s: %s", t->http->url, path, t->outcome.why);
}

static int transfer_all(struct transfer *t, const char *path, struct dcd_diag *diag)
{
	struct http_source *h = t->http;
	unsigned failures = 0;
	for (;;) {
		uint64_t before = t->wish.next;
		attempt(t, path);
		if (!t->ended) {
			return 0;
		}
		if (t->wish.next - before >= DCD_HTTP_PROGRESS_BYTES) {
			failures = 0;
		}
		if (!t->outcome.retry || failures >= h->options.retries) {
			return report(t, path, diag);
		}
		if (pause_for(h, backoff_ms(h, failures, t->outcome.retry_after_ms)) != 0) {
			end_with(t, DCD_ERR_CANCELLED, false, "cancelled");
			return report(t, path, diag);
		}
		failures++;
		h->base.stats.retries++;
	}
}

static int http_fetch(struct dcd_source *source, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct http_source *h = (struct http_source *)source;
	if (!dcd_source_path_ok(path)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: '%s' is no path inside a repository", h->url, path);
	}
	struct transfer t = { .http = h, .sink = sink, .wish = { .max = max } };
	return transfer_all(&t, path, diag);
}

static int http_fetch_range(struct dcd_source *source, const char *path, uint64_t object_size, uint64_t offset, uint64_t length,
			    struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct http_source *h = (struct http_source *)source;
	if (!dcd_source_path_ok(path) || length == 0 || !dcd_range_inside(offset, length, object_size)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: '%s' is no path inside a repository, or the range lies outside it",
				    h->url, path);
	}
	struct transfer t = {
		.http = h,
		.sink = sink,
		.wish = { .ranged = true,
			  .begin = offset,
			  .next = offset,
			  .end = offset + length,
			  .size_known = true,
			  .size = object_size },
	};
	return transfer_all(&t, path, diag);
}

static void http_interrupt(struct dcd_source *source, int stop)
{
	struct http_source *h = (struct http_source *)source;
	atomic_store(&h->stop, stop);
	(void)curl_multi_wakeup(h->multi); /* the one call that curl allows from another thread */
}

/* ---- Opening and closing. ---- */

static void http_close(struct dcd_source *source)
{
	struct http_source *h = (struct http_source *)source;
	curl_easy_cleanup(h->easy);
	(void)curl_multi_cleanup(h->multi);
	curl_free(h->user);
	curl_free(h->password);
	free(h->url);
	free(h->origin);
	free(h->ca_file);
	free(h);
	curl_global_cleanup();
}

static const struct dcd_source_ops http_ops = {
	.fetch = http_fetch,
	.fetch_range = http_fetch_range,
	.close = http_close,
	.interrupt = http_interrupt,
};

struct dcd_source_http_options dcd_source_http_defaults(void)
{
	return (struct dcd_source_http_options){
		.retries = 6,
		.connect_timeout_ms = 15000,
		.stall_timeout_ms = 30000,
		.min_rate = 256,
		.backoff_base_ms = 500,
		.backoff_max_ms = 30000,
		.retry_after_max_ms = 120000,
	};
}

/* Options that hold for every request. */
static int set_up_easy(struct http_source *h)
{
	CURL *e = h->easy;
	bool ok = curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
	ok = ok && curl_easy_setopt(e, CURLOPT_USERAGENT, "decade/" DCD_VERSION) == CURLE_OK;
	ok = ok && curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK;
	ok = ok && curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK; /* see follow() */
	ok = ok && curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	ok = ok && curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK;
	ok = ok && curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)h->options.connect_timeout_ms) == CURLE_OK;
	ok = ok && curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER) == CURLE_OK;
	ok = ok && curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
	ok = ok && curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
	(void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 2L);
	if (!ok) {
		return DCD_ERR_HOST;
	}
	if (h->ca_file != NULL) {
		(void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
		return curl_easy_setopt(e, CURLOPT_CAINFO, h->ca_file) == CURLE_OK ? 0 : DCD_ERR_CONFIG;
	}
	return 0;
}

static char *copy_without_slashes(const char *text)
{
	char *copy = strdup(text);
	for (size_t n = copy != NULL ? strlen(copy) : 0; n > 0 && copy[n - 1] == '/'; n--) {
		copy[n - 1] = '\0';
	}
	return copy;
}

/* Splits the URL into what may be shown and what must not be. */
static int take_url(struct http_source *h, const char *url, struct dcd_diag *diag)
{
	CURLU *u = curl_url();
	CURLUcode code = u != NULL ? curl_url_set(u, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;
	char *query = url_part(u, CURLUPART_QUERY, 0);
	char *fragment = url_part(u, CURLUPART_FRAGMENT, 0);
	bool plain = query == NULL && fragment == NULL;
	curl_free(query);
	curl_free(fragment);
	if (code == CURLUE_OK && plain) {
		h->user = url_part(u, CURLUPART_USER, CURLU_URLDECODE);
		h->password = url_part(u, CURLUPART_PASSWORD, CURLU_URLDECODE);
		(void)curl_url_set(u, CURLUPART_USER, NULL, 0);
		(void)curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
		char *whole = url_part(u, CURLUPART_URL, 0);
		(void)curl_url_set(u, CURLUPART_PATH, "/", 0);
		char *origin = url_part(u, CURLUPART_URL, 0);
		h->url = whole != NULL ? copy_without_slashes(whole) : NULL;
		h->origin = origin != NULL ? copy_without_slashes(origin) : NULL;
		curl_free(whole);
		curl_free(origin);
	}
	curl_url_cleanup(u);
	if (h->url == NULL || h->origin == NULL || strchr(h->origin, '@') != NULL) {
		/* The text itself may hold a password, so it isn't repeated. */
		return dcd_diag_set(diag, DCD_ERR_CONFIG,
				    "the repository's URL can't be used (%s); it is http(s)://HOST[:PORT]/PATH without query",
				    plain ? curl_url_strerror(code) : "it has a query or a fragment");
	}
	h->base.name = h->url;
	return 0;
}

static int fill(struct http_source *h, const char *url, struct dcd_diag *diag)
{
	int err = take_url(h, url, diag);
	if (err != 0) {
		return err;
	}
	if (h->options.ca_file != NULL) {
		h->ca_file = strdup(h->options.ca_file);
		h->options.ca_file = NULL;
		if (h->ca_file == NULL) {
			return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory", h->url);
		}
	}
	h->multi = curl_multi_init();
	h->easy = curl_easy_init();
	if (h->multi == NULL || h->easy == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for curl", h->url);
	}
	err = set_up_easy(h);
	return err == 0 ? 0 : dcd_diag_set(diag, err, "%s: this curl library lacks something that is needed", h->url);
}

int dcd_source_http_open(const char *url, const struct dcd_source_http_options *options, struct dcd_source **ret,
			 struct dcd_diag *diag)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "curl can't be initialised");
	}
	struct http_source *h = calloc(1, sizeof *h);
	if (h == NULL) {
		curl_global_cleanup();
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a source");
	}
	h->base.ops = &http_ops;
	h->options = options != NULL ? *options : dcd_source_http_defaults();
	atomic_init(&h->stop, 0);
	int err = fill(h, url, diag);
	if (err != 0) {
		http_close(&h->base);
		return err;
	}
	*ret = &h->base;
	return 0;
}
