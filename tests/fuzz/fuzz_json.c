/* Strict JSON: what is accepted can be walked, and stays the same document when it is written and read again. */
#include <stdlib.h>
#include <string.h>

#include "manifest/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Depth is bounded by the parser, and so is this recursion. */
static void walk(const struct dcd_json *node, unsigned depth)
{
	if (depth > DCD_JSON_DEPTH_MAX) {
		__builtin_trap();
	}
	for (size_t i = 0; dcd_json_is_array(node) && i < dcd_json_count(node); i++) {
		walk(dcd_json_item(node, i), depth + 1);
	}
	for (void *it = dcd_json_iter(node); it != NULL; it = dcd_json_iter_next(node, it)) {
		if (dcd_json_member(node, dcd_json_iter_key(it)) != dcd_json_iter_value(it)) {
			__builtin_trap(); /* a key that stands twice, or ends early */
		}
		walk(dcd_json_iter_value(it), depth + 1);
	}
}

static void read_members(const struct dcd_json *document)
{
	const struct dcd_json *node = NULL;
	const char *text = NULL;
	uint64_t number = 0;
	struct dcd_hash hash;
	struct dcd_diag diag;
	(void)!dcd_json_get_object(document, "a", "fuzz", &node, &diag);
	(void)!dcd_json_get_array(document, "a", "fuzz", &node, &diag);
	(void)!dcd_json_get_hash(document, "a", "fuzz", &hash, &diag);
	if (dcd_json_get_string(document, "a", "fuzz", 16, &text, &diag) == 0 && strlen(text) > 16) {
		__builtin_trap();
	}
	if (dcd_json_get_u64(document, "a", "fuzz", 1, 1000, &number, &diag) == 0 && (number < 1 || number > 1000)) {
		__builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dcd_json *document = NULL;
	struct dcd_json *again = NULL;
	struct dcd_diag diag;
	if (dcd_json_parse(data, size, "fuzz", &document, &diag) != 0) {
		return 0;
	}
	walk(document, 0);
	read_members(document);
	char *text = dcd_json_text(document, false);
	if (text == NULL || dcd_json_parse((const uint8_t *)text, strlen(text), "again", &again, &diag) != 0) {
		__builtin_trap();
	}
	char *same = dcd_json_text(again, false);
	if (same == NULL || strcmp(text, same) != 0) {
		__builtin_trap();
	}
	free(text);
	free(same);
	dcd_json_free(document);
	dcd_json_free(again);
	return 0;
}
