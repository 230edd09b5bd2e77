/* What to do with a response, from its headers alone: decided before a byte of the body is looked at. Pure. */
#ifndef DCD_UPDATER_SOURCE_HTTP_JUDGE_H
#define DCD_UPDATER_SOURCE_HTTP_JUDGE_H

#include "base/err.h"
#include "updater/source/http_headers.h"

/* What is wanted, and how much of it the sink has already. Offsets are the object's. */
struct dcd_http_wish {
	bool ranged;     /* [begin, end) of an object of object_size bytes; otherwise a whole object of at most `max` bytes */
	uint64_t begin;  /* 0 unless ranged */
	uint64_t end;    /* ranged only */
	uint64_t next;   /* the byte that the sink needs next: beyond `begin` after a break */
	bool size_known; /* always when ranged; otherwise once a response has told */
	uint64_t size;   /* of the object */
	uint64_t max;    /* not ranged only */
};

/* True when the request must carry a Range header; otherwise the whole object is asked for. */
static inline bool dcd_http_wants_range(const struct dcd_http_wish *wish)
{
	return wish->ranged || wish->next > 0;
}

enum dcd_http_action {
	DCD_HTTP_TAKE,     /* the body goes to the sink */
	DCD_HTTP_REDIRECT, /* the body is dropped, the next place is asked */
	DCD_HTTP_FAIL,     /* the body is dropped, `err` is the result */
	DCD_HTTP_REFUSE,   /* not even the body is read */
};

struct dcd_http_verdict {
	enum dcd_http_action action;
	int err;         /* FAIL, REFUSE */
	bool retry;      /* FAIL, REFUSE: another attempt may bring something else */
	const char *why; /* FAIL, REFUSE: the sentence's second half */
	bool exact;      /* TAKE: the body has `take` bytes, or it is wrong; otherwise `take` is only the most that may come */
	bool cut;        /* TAKE: the body goes on behind those bytes, and the transfer is stopped there */
	uint64_t take;   /* TAKE */
};

struct dcd_http_verdict dcd_http_judge(const struct dcd_http_wish *wish, const struct dcd_http_response *response);

#endif
