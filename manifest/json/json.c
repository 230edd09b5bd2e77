#include "manifest/json/json.h"

#include <setjmp.h>
#include <stdlib.h>

#include <jansson.h>

#include "base/hex.h"

/* The opaque type is jansson's own under another name: jansson.h stays in this file. */
static json_t *as_jansson(const struct dcd_json *node)
{
	return (json_t *)node;
}

static struct dcd_json *from_jansson(const json_t *value)
{
	return (struct dcd_json *)value;
}

/* ---- reading ---- */

/*
 * jansson parses by recursion and rounds a number with a fraction to a double. Neither may be the sender's choice, so depth and
 * number form are checked on the bytes, before it sees them. Only string boundaries need to be understood for that.
 */
struct json_scan {
	size_t depth;
	bool in_string;
	bool escaped;
	uint8_t before;
};

static const char *scan_byte(struct json_scan *scan, uint8_t c)
{
	if (scan->in_string) {
		scan->in_string = scan->escaped || c != '"';
		scan->escaped = !scan->escaped && c == '\\';
		return NULL;
	}
	uint8_t before = scan->before;
	scan->before = c;
	if (c == '"') {
		scan->in_string = true;
	} else if (c == '{' || c == '[') {
		scan->depth++;
	} else if ((c == '}' || c == ']') && scan->depth > 0) {
		scan->depth--;
	} else if (c == '.' || c == 'E' || (c == 'e' && before >= '0' && before <= '9')) {
		return "a number that is not an integer";
	}
	return scan->depth > DCD_JSON_DEPTH_MAX ? "nested too deep" : NULL;
}

static int scan_document(const uint8_t *data, size_t len, const char *what, struct dcd_diag *diag)
{
	struct json_scan scan = { 0 };
	for (size_t i = 0; i < len; i++) {
		const char *wrong = scan_byte(&scan, data[i]);
		if (wrong != NULL) {
			return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: not acceptable JSON: %s, at byte %zu", what, wrong, i);
		}
	}
	return 0;
}

/*
 * jansson (2.14) doesn't always look whether a buffer of its own could grow. Reading, it leaves out what found no room, and when
 * that is a string's closing quote, it goes on behind the buffer; writing, it leaves out the name of a member and calls the text
 * done. What we read comes from outside, and what we write is the journal, so memory that is short must not get that far: an
 * allocation that fails leaves jansson at once. What it held until then is lost, which is little, once.
 */
static _Thread_local jmp_buf *way_out;

static void *alloc_or_leave(size_t size)
{
	void *memory = malloc(size);
	if (memory == NULL && way_out != NULL) {
		longjmp(*way_out, 1);
	}
	return memory;
}

__attribute__((constructor)) static void watch_jansson(void)
{
	json_set_alloc_funcs(alloc_or_leave, free);
}

/* A function of its own, so that no variable lives across setjmp(). */
static json_t *load(const uint8_t *data, size_t len, json_error_t *error, bool *ret_no_memory)
{
	jmp_buf no_memory;
	if (setjmp(no_memory) != 0) {
		way_out = NULL;
		*ret_no_memory = true;
		return NULL;
	}
	way_out = &no_memory;
	json_t *value = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, error);
	way_out = NULL;
	return value;
}

int dcd_json_parse(const uint8_t *data, size_t len, const char *what, struct dcd_json **ret, struct dcd_diag *diag)
{
	int err = scan_document(data, len, what, diag);
	if (err != 0) {
		return err;
	}
	json_error_t error;
	bool no_memory = false;
	json_t *value = load(data, len, &error, &no_memory);
	if (no_memory) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to read it", what);
	}
	if (value == NULL) {
		err = json_error_code(&error) == json_error_out_of_memory ? DCD_ERR_NO_MEMORY : DCD_ERR_MALFORMED;
		return dcd_diag_set(diag, err, "%s: not acceptable JSON: %s, at byte %d", what, error.text, error.position);
	}
	*ret = from_jansson(value);
	return 0;
}

void dcd_json_free(struct dcd_json *document)
{
	json_decref(as_jansson(document));
}

void dcd_json_freep(struct dcd_json **document)
{
	dcd_json_free(*document);
}

bool dcd_json_is_object(const struct dcd_json *node)
{
	return json_is_object(as_jansson(node));
}

bool dcd_json_is_array(const struct dcd_json *node)
{
	return json_is_array(as_jansson(node));
}

bool dcd_json_is_string(const struct dcd_json *node)
{
	return json_is_string(as_jansson(node));
}

bool dcd_json_is_integer(const struct dcd_json *node)
{
	return json_is_integer(as_jansson(node));
}

bool dcd_json_is_bool(const struct dcd_json *node)
{
	return json_is_boolean(as_jansson(node));
}

bool dcd_json_is_null(const struct dcd_json *node)
{
	return json_is_null(as_jansson(node));
}

const struct dcd_json *dcd_json_member(const struct dcd_json *object, const char *key)
{
	return from_jansson(json_object_get(as_jansson(object), key));
}

size_t dcd_json_count(const struct dcd_json *array_or_object)
{
	const json_t *value = as_jansson(array_or_object);
	return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

const struct dcd_json *dcd_json_item(const struct dcd_json *array, size_t index)
{
	return from_jansson(json_array_get(as_jansson(array), index));
}

static int get_failed(const char *what, const char *key, const char *expected, struct dcd_diag *diag)
{
	return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: \"%s\" is missing or is not %s", what, key, expected);
}

int dcd_json_get_object(const struct dcd_json *object, const char *key, const char *what, const struct dcd_json **ret,
			struct dcd_diag *diag)
{
	const struct dcd_json *node = dcd_json_member(object, key);
	if (!dcd_json_is_object(node)) {
		return get_failed(what, key, "an object", diag);
	}
	*ret = node;
	return 0;
}

int dcd_json_get_array(const struct dcd_json *object, const char *key, const char *what, const struct dcd_json **ret,
		       struct dcd_diag *diag)
{
	const struct dcd_json *node = dcd_json_member(object, key);
	if (!dcd_json_is_array(node)) {
		return get_failed(what, key, "an array", diag);
	}
	*ret = node;
	return 0;
}

int dcd_json_get_string(const struct dcd_json *object, const char *key, const char *what, size_t max_len, const char **ret,
			struct dcd_diag *diag)
{
	const struct dcd_json *node = dcd_json_member(object, key);
	if (!dcd_json_is_string(node)) {
		return get_failed(what, key, "a string", diag);
	}
	if (json_string_length(as_jansson(node)) > max_len) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: \"%s\" is longer than %zu bytes", what, key, max_len);
	}
	*ret = dcd_json_string(node);
	return 0;
}

int dcd_json_get_u64(const struct dcd_json *object, const char *key, const char *what, uint64_t min, uint64_t max, uint64_t *ret,
		     struct dcd_diag *diag)
{
	const struct dcd_json *node = dcd_json_member(object, key);
	if (!dcd_json_is_integer(node)) {
		return get_failed(what, key, "an integer", diag);
	}
	int64_t value = dcd_json_integer(node);
	if (value < 0 || (uint64_t)value < min || (uint64_t)value > max) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: \"%s\" is %lld, which is not between %llu and %llu", what, key,
				    (long long)value, (unsigned long long)min, (unsigned long long)max);
	}
	*ret = (uint64_t)value;
	return 0;
}

int dcd_json_get_hash(const struct dcd_json *object, const char *key, const char *what, struct dcd_hash *ret,
		      struct dcd_diag *diag)
{
	const char *text = dcd_json_string(dcd_json_member(object, key));
	if (text == NULL || !dcd_hash_from_hex(text, ret)) {
		return get_failed(what, key, "a SHA-256 of 64 lower-case hexadecimal digits", diag);
	}
	return 0;
}

const char *dcd_json_string(const struct dcd_json *node)
{
	return json_string_value(as_jansson(node));
}

int64_t dcd_json_integer(const struct dcd_json *node)
{
	return json_integer_value(as_jansson(node));
}

bool dcd_json_bool(const struct dcd_json *node)
{
	return json_is_true(as_jansson(node));
}

void *dcd_json_iter(const struct dcd_json *object)
{
	return json_object_iter(as_jansson(object));
}

void *dcd_json_iter_next(const struct dcd_json *object, void *iter)
{
	return json_object_iter_next(as_jansson(object), iter);
}

const char *dcd_json_iter_key(void *iter)
{
	return json_object_iter_key(iter);
}

const struct dcd_json *dcd_json_iter_value(void *iter)
{
	return from_jansson(json_object_iter_value(iter));
}

/* ---- writing ---- */

struct dcd_json *dcd_json_new_object(void)
{
	return from_jansson(json_object());
}

struct dcd_json *dcd_json_new_array(void)
{
	return from_jansson(json_array());
}

int dcd_json_set(struct dcd_json *object, const char *key, struct dcd_json *value)
{
	return json_object_set_new(as_jansson(object), key, as_jansson(value)) == 0 ? 0 : DCD_ERR_NO_MEMORY;
}

int dcd_json_set_string(struct dcd_json *object, const char *key, const char *value)
{
	return dcd_json_set(object, key, from_jansson(json_string(value)));
}

int dcd_json_set_u64(struct dcd_json *object, const char *key, uint64_t value)
{
	/* What doesn't fit has no JSON form that we could read again. */
	return value > INT64_MAX ? DCD_ERR_USAGE : dcd_json_set(object, key, from_jansson(json_integer((json_int_t)value)));
}

int dcd_json_set_bool(struct dcd_json *object, const char *key, bool value)
{
	return dcd_json_set(object, key, from_jansson(json_boolean(value)));
}

int dcd_json_set_hash(struct dcd_json *object, const char *key, const struct dcd_hash *value)
{
	char text[DCD_HASH_HEX_SIZE];
	dcd_hash_to_hex(value, text);
	return dcd_json_set_string(object, key, text);
}

int dcd_json_append(struct dcd_json *array, struct dcd_json *value)
{
	return json_array_append_new(as_jansson(array), as_jansson(value)) == 0 ? 0 : DCD_ERR_NO_MEMORY;
}

int dcd_json_append_string(struct dcd_json *array, const char *value)
{
	return dcd_json_append(array, from_jansson(json_string(value)));
}

struct dcd_json *dcd_json_copy(const struct dcd_json *node)
{
	return from_jansson(json_deep_copy(as_jansson(node)));
}

char *dcd_json_text(const struct dcd_json *node, bool indent)
{
	jmp_buf no_memory;
	if (setjmp(no_memory) != 0) {
		way_out = NULL;
		return NULL;
	}
	way_out = &no_memory;
	char *text = json_dumps(as_jansson(node), (indent ? JSON_INDENT(2) : JSON_COMPACT) | JSON_ENCODE_ANY);
	way_out = NULL;
	return text;
}
