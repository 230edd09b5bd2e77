#include "updater/source/http_judge.h"

static struct dcd_http_verdict refuse(int err, const char *why)
{
	return (struct dcd_http_verdict){ .action = DCD_HTTP_REFUSE, .err = err, .why = why };
}

static struct dcd_http_verdict fail(int err, bool retry, const char *why)
{
	return (struct dcd_http_verdict){ .action = DCD_HTTP_FAIL, .err = err, .retry = retry, .why = why };
}

static struct dcd_http_verdict take(uint64_t bytes, bool exact, bool cut)
{
	return (struct dcd_http_verdict){ .action = DCD_HTTP_TAKE, .take = bytes, .exact = exact, .cut = cut };
}

/* 200 to a request without Range: the object itself. */
static struct dcd_http_verdict judge_whole(const struct dcd_http_wish *wish, const struct dcd_http_response *r)
{
	bool sized = r->has_length && !r->chunked;
	if (sized && r->length > wish->max) {
		return refuse(DCD_ERR_SIZE, "it is larger than what may come here");
	}
	return sized ? take(r->length, true, false) : take(wish->max, false, false);
}

/* 200 to a request with Range: the server sends the object from its first byte. */
static struct dcd_http_verdict judge_range_ignored(const struct dcd_http_wish *wish, const struct dcd_http_response *r)
{
	if (r->has_length && !r->chunked && wish->size_known && r->length != wish->size) {
		return refuse(DCD_ERR_SIZE, "its size is not the one that was signed");
	}
	if (!wish->ranged) {
		return refuse(DCD_ERR_BROKEN_OFF, "it broke off, and the server can't go on where it did; try again");
	}
	if (wish->next != 0) {
		return refuse(DCD_ERR_SOURCE_LIES, "the server doesn't serve byte ranges; use one that does, or a bundle");
	}
	return take(wish->end, true, wish->end < wish->size);
}

static struct dcd_http_verdict judge_partial(const struct dcd_http_wish *wish, const struct dcd_http_response *r)
{
	if (!dcd_http_wants_range(wish) || !r->has_range) {
		return refuse(DCD_ERR_SOURCE_LIES, "a partial answer that names no range, or to a request for the whole");
	}
	if (r->has_total && wish->size_known && r->total != wish->size) {
		return refuse(DCD_ERR_SIZE, "its size is not the one that was signed or that the server named before");
	}
	if (!wish->ranged && r->has_total && r->total > wish->max) {
		return refuse(DCD_ERR_SIZE, "it is larger than what may come here");
	}
	if (!wish->ranged && !r->has_total && !wish->size_known) {
		return refuse(DCD_ERR_SOURCE_LIES, "a partial answer that doesn't tell the size of the whole");
	}
	uint64_t size = wish->size_known ? wish->size : r->total;
	uint64_t end = wish->ranged ? wish->end : size;
	if (r->first != wish->next || end == 0 || r->last != end - 1) {
		return refuse(DCD_ERR_SOURCE_LIES, "the server sent another range than the one asked for");
	}
	uint64_t bytes = end - wish->next;
	if (r->has_length && !r->chunked && r->length != bytes) {
		return refuse(DCD_ERR_SOURCE_LIES, "Content-Length and Content-Range of the answer disagree");
	}
	return take(bytes, true, false);
}

static struct dcd_http_verdict judge_unsatisfiable(const struct dcd_http_wish *wish, const struct dcd_http_response *r)
{
	if (r->has_total && wish->size_known && r->total != wish->size) {
		return fail(DCD_ERR_SIZE, false, "its size is not the one that was signed");
	}
	if (!wish->ranged) {
		return fail(DCD_ERR_BROKEN_OFF, false, "it broke off, and the server can't go on where it did; try again");
	}
	return fail(DCD_ERR_SOURCE_LIES, false, "the server refuses a range that lies inside the object");
}

static struct dcd_http_verdict judge_status(int status)
{
	switch (status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return (struct dcd_http_verdict){ .action = DCD_HTTP_REDIRECT };
	case 404:
	case 410:
		return fail(DCD_ERR_NOT_FOUND, false, "the server doesn't have it");
	case 403:
		/* What a bucket says of an object that isn't there, to somebody who may not list it. */
		return fail(DCD_ERR_FORBIDDEN, false, "the server doesn't let us have it; check the URL and its credentials");
	case 401:
	case 407:
		return fail(DCD_ERR_UNREACHABLE, false, "the server doesn't let us in; check the URL and its credentials");
	case 408:
	case 425:
	case 429:
		return fail(DCD_ERR_UNREACHABLE, true, "the server is busy; try again later");
	default:
		if (status >= 500 && status <= 599) {
			return fail(DCD_ERR_UNREACHABLE, true, "the server failed; try again later");
		}
		if (status >= 400 && status <= 499) {
			return fail(DCD_ERR_UNREACHABLE, false, "the server rejects the request");
		}
		return refuse(DCD_ERR_SOURCE_LIES, "an answer that makes no sense here");
	}
}

struct dcd_http_verdict dcd_http_judge(const struct dcd_http_wish *wish, const struct dcd_http_response *response)
{
	if (response->malformed) {
		return refuse(DCD_ERR_SOURCE_LIES, "the response header can't be understood");
	}
	bool ok = response->status == 200 || response->status == 206;
	if (ok && response->encoded) {
		return refuse(DCD_ERR_SOURCE_LIES, "the server encoded it, which nobody asked for; switch compression off there");
	}
	if (response->status == 200) {
		return dcd_http_wants_range(wish) ? judge_range_ignored(wish, response) : judge_whole(wish, response);
	}
	if (response->status == 206) {
		return judge_partial(wish, response);
	}
	if (response->status == 416 && dcd_http_wants_range(wish)) {
		return judge_unsatisfiable(wish, response);
	}
	return judge_status(response->status);
}
