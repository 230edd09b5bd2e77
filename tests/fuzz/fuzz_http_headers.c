/* Response headers from a hostile server, line by line, and the verdict on them: it must never allow more than was asked for. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "updater/source/http_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok) {
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dcd_http_response response = { 0 };
	const char *at = (const char *)data;
	const char *end = at + size;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *next = newline != NULL ? newline + 1 : end;
		dcd_http_response_line(&response, at, (size_t)(next - at));
		at = next;
	}
	must(memchr(response.etag, '\0', sizeof response.etag) != NULL);

	const struct dcd_http_wish wishes[] = {
		{ .ranged = true, .begin = 100, .next = 100, .end = 200, .size_known = true, .size = 1000 },
		{ .ranged = true, .begin = 0, .next = 150, .end = 200, .size_known = true, .size = 200 },
		{ .ranged = true, .begin = 0, .next = 0, .end = 200, .size_known = true, .size = 1000 },
		{ .max = 1000 },
		{ .max = 1000, .next = 10 },
		{ .max = 1000, .next = 10, .size_known = true, .size = 20 },
	};
	for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
		const struct dcd_http_wish *w = &wishes[i];
		struct dcd_http_verdict v = dcd_http_judge(w, &response);
		if (v.action == DCD_HTTP_TAKE) {
			must(v.take <= (w->ranged ? w->end : w->max) - w->next);
		} else if (v.action != DCD_HTTP_REDIRECT) {
			must(v.err < 0 && v.why != NULL);
		}
	}
	return 0;
}
