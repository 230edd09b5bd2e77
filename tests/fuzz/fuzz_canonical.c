/*
 * Canonicalisation: the file form reads back as the same document, with the same bytes to sign; so one document has one spelling,
 * and no two that differ share one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/json/canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a verifier does with the same form: compares piece by piece. */
struct match {
	const uint8_t *bytes;
	size_t len;
	size_t at;
};

static int match_write(void *context, const void *data, size_t len)
{
	struct match *match = context;
	if (len > match->len - match->at || memcmp(match->bytes + match->at, data, len) != 0) {
		return DCD_ERR_MALFORMED;
	}
	match->at += len;
	return 0;
}

static void expect_equal(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	if (a_len != b_len || memcmp(a, b, a_len) != 0) {
		__builtin_trap();
	}
}

static void round_trip(const struct dcd_json *document)
{
	DCD_AUTO_FREE uint8_t *file = NULL;
	DCD_AUTO_FREE uint8_t *file_again = NULL;
	DCD_AUTO_FREE uint8_t *message = NULL;
	DCD_AUTO_FREE uint8_t *message_again = NULL;
	size_t file_len = 0, file_again_len = 0, message_len = 0, message_again_len = 0;
	struct dcd_json *again = NULL;
	struct dcd_diag diag;
	if (dcd_json_canonical_bytes(document, &message, &message_len) != 0 ||
	    dcd_json_canonical_file_bytes(document, &file, &file_len) != 0 ||
	    dcd_json_parse(file, file_len, "again", &again, &diag) != 0 ||
	    dcd_json_canonical_bytes(again, &message_again, &message_again_len) != 0 ||
	    dcd_json_canonical_file_bytes(again, &file_again, &file_again_len) != 0) {
		__builtin_trap();
	}
	expect_equal(file, file_len, file_again, file_again_len);
	expect_equal(message, message_len, message_again, message_again_len);
	struct match match = { .bytes = file, .len = file_len };
	if (dcd_json_canonical_file(document, match_write, &match) != 0 || match.at != file_len) {
		__builtin_trap();
	}
	dcd_json_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dcd_json *document = NULL;
	struct dcd_diag diag;
	if (dcd_json_parse(data, size, "fuzz", &document, &diag) == 0) {
		round_trip(document);
		dcd_json_free(document);
	}
	return 0;
}
