#include "updater/source/http_headers.h"

#include <string.h>
#include <strings.h>

#include "base/checked.h"

/* What is left of a line. */
struct text {
	const char *at;
	size_t len;
};

static struct text trimmed(struct text t)
{
	while (t.len > 0 && (*t.at == ' ' || *t.at == '\t')) {
		t.at++;
		t.len--;
	}
	while (t.len > 0 && strchr(" \t\r\n", t.at[t.len - 1]) != NULL) {
		t.len--;
	}
	return t;
}

static bool take_number(struct text *t, uint64_t *ret)
{
	uint64_t value = 0;
	size_t digits = 0;
	for (; digits < t->len && t->at[digits] >= '0' && t->at[digits] <= '9'; digits++) {
		if (!dcd_mul_u64(value, 10, &value) || !dcd_add_u64(value, (uint64_t)(t->at[digits] - '0'), &value)) {
			return false;
		}
	}
	if (digits == 0) {
		return false;
	}
	t->at += digits;
	t->len -= digits;
	*ret = value;
	return true;
}

static bool take_char(struct text *t, char c)
{
	if (t->len == 0 || *t->at != c) {
		return false;
	}
	t->at++;
	t->len--;
	return true;
}

static bool text_is(struct text t, const char *word)
{
	return t.len == strlen(word) && strncasecmp(t.at, word, t.len) == 0;
}

/* "HTTP/1.1 206 Partial Content" */
static void status_line(struct dcd_http_response *r, struct text line)
{
	memset(r, 0, sizeof *r);
	const char *space = memchr(line.at, ' ', line.len);
	uint64_t status = 0;
	struct text rest = { space, space != NULL ? line.len - (size_t)(space - line.at) : 0 };
	rest = trimmed(rest);
	if (space == NULL || !take_number(&rest, &status) || status < 100 || status > 999) {
		r->malformed = true;
		return;
	}
	r->status = (int)status;
}

static void content_length(struct dcd_http_response *r, struct text value)
{
	uint64_t length = 0;
	if (!take_number(&value, &length) || value.len != 0 || (r->has_length && r->length != length)) {
		r->malformed = true;
		return;
	}
	r->has_length = true;
	r->length = length;
}

/* "bytes 0-99/1000", "bytes 0-99/" and a star, or "bytes", a star and "/1000" (416) */
static void content_range(struct dcd_http_response *r, struct text value)
{
	bool seen = r->has_range || r->has_total;
	if (seen || value.len < 6 || strncasecmp(value.at, "bytes ", 6) != 0) {
		r->malformed = true;
		return;
	}
	struct text t = trimmed((struct text){ value.at + 6, value.len - 6 });
	bool star = take_char(&t, '*');
	bool range = !star && take_number(&t, &r->first) && take_char(&t, '-') && take_number(&t, &r->last);
	bool slash = take_char(&t, '/');
	bool open = slash && take_char(&t, '*');
	bool total = slash && !open && take_number(&t, &r->total);
	bool ordered = !range || (r->first <= r->last && (!total || r->last < r->total));
	if ((!star && !range) || (!open && !total) || (star && open) || t.len != 0 || !ordered) {
		r->malformed = true;
		return;
	}
	r->has_range = range;
	r->has_total = total;
}

static void entity_tag(struct dcd_http_response *r, struct text value)
{
	/* A weak tag ("W/...") promises no equal bytes, so it can't guard a resumed transfer. */
	if (value.len >= 2 && value.len < sizeof r->etag && value.at[0] == '"' && value.at[value.len - 1] == '"' &&
	    memchr(value.at, '\0', value.len) == NULL) {
		memcpy(r->etag, value.at, value.len);
		r->etag[value.len] = '\0';
	}
}

static void transfer_encoding(struct dcd_http_response *r, struct text value)
{
	if (text_is(value, "chunked")) {
		r->chunked = true;
	} else if (!text_is(value, "identity")) {
		r->encoded = true;
	}
}

static void retry_after(struct dcd_http_response *r, struct text value)
{
	uint64_t seconds = 0;
	if (take_number(&value, &seconds) && value.len == 0) {
		r->retry_after = seconds;
	}
}

void dcd_http_response_line(struct dcd_http_response *response, const char *line, size_t len)
{
	struct text whole = { line, len };
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		status_line(response, whole);
		return;
	}
	const char *colon = memchr(line, ':', len);
	if (colon == NULL) {
		return;
	}
	struct text name = { line, (size_t)(colon - line) };
	struct text value = trimmed((struct text){ colon + 1, len - name.len - 1 });
	if (text_is(name, "content-length")) {
		content_length(response, value);
	} else if (text_is(name, "content-range")) {
		content_range(response, value);
	} else if (text_is(name, "content-encoding")) {
		response->encoded = response->encoded || !text_is(value, "identity");
	} else if (text_is(name, "transfer-encoding")) {
		transfer_encoding(response, value);
	} else if (text_is(name, "retry-after")) {
		retry_after(response, value);
	} else if (text_is(name, "etag")) {
		entity_tag(response, value);
	}
}
