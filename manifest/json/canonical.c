#include "manifest/json/canonical.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct canonical_member {
	const char *key;
	const struct dcd_json *value;
};

/* An object or array that is being written; `members` is null for an array. */
struct canonical_level {
	const struct dcd_json *node;
	struct canonical_member *members;
	size_t next;
	size_t count;
};

/* A stack of our own, of a fixed depth, in place of recursion. */
struct canonical_writer {
	int (*write)(void *context, const void *data, size_t len);
	void *context;
	bool escape_controls; /* a file, not the bytes that are signed */
	size_t depth;
	struct canonical_level levels[DCD_JSON_DEPTH_MAX];
};

static int put_text(struct canonical_writer *w, const char *text)
{
	return w->write(w->context, text, strlen(text));
}

/* One character that can't stand for itself. */
static int put_escape(struct canonical_writer *w, char c)
{
	static const char controls[] = "\b\t\n\f\r";
	static const char letters[] = "btnfr";
	char escape[8] = { '\\', c, '\0' };
	const char *control = strchr(controls, c);
	if (control != NULL) {
		escape[1] = letters[control - controls];
	} else if ((unsigned char)c < 0x20) {
		(void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
	}
	return put_text(w, escape);
}

static size_t plain_length(const struct canonical_writer *w, const char *text)
{
	size_t len = strcspn(text, "\"\\");
	for (size_t i = 0; w->escape_controls && i < len; i++) {
		if ((unsigned char)text[i] < 0x20) {
			return i;
		}
	}
	return len;
}

static int put_string(struct canonical_writer *w, const char *text)
{
	int err = put_text(w, "\"");
	while (err == 0 && *text != '\0') {
		size_t plain = plain_length(w, text);
		if (plain > 0) {
			err = w->write(w->context, text, plain);
			text += plain;
		} else {
			err = put_escape(w, *text++);
		}
	}
	return err != 0 ? err : put_text(w, "\"");
}

/* The order of UTF-8 bytes is that of the code points. */
static int member_compare(const void *a, const void *b)
{
	return strcmp(((const struct canonical_member *)a)->key, ((const struct canonical_member *)b)->key);
}

static int level_sort_members(struct canonical_level *level)
{
	level->members = calloc(level->count > 0 ? level->count : 1, sizeof level->members[0]);
	if (level->members == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	size_t i = 0;
	for (void *it = dcd_json_iter(level->node); it != NULL; it = dcd_json_iter_next(level->node, it)) {
		level->members[i].key = dcd_json_iter_key(it);
		level->members[i++].value = dcd_json_iter_value(it);
	}
	qsort(level->members, i, sizeof level->members[0], member_compare);
	return 0;
}

static int level_open(struct canonical_writer *w, const struct dcd_json *node)
{
	if (w->depth == DCD_JSON_DEPTH_MAX) {
		return DCD_ERR_MALFORMED;
	}
	struct canonical_level *level = &w->levels[w->depth++];
	*level = (struct canonical_level){ .node = node, .count = dcd_json_count(node) };
	if (!dcd_json_is_object(node)) {
		return put_text(w, "[");
	}
	int err = level_sort_members(level);
	return err != 0 ? err : put_text(w, "{");
}

static int level_close(struct canonical_writer *w)
{
	struct canonical_level *level = &w->levels[--w->depth];
	bool is_object = level->members != NULL;
	free(level->members);
	return put_text(w, is_object ? "}" : "]");
}

static int put_value(struct canonical_writer *w, const struct dcd_json *node)
{
	if (dcd_json_is_object(node) || dcd_json_is_array(node)) {
		return level_open(w, node);
	}
	if (dcd_json_is_string(node)) {
		return put_string(w, dcd_json_string(node));
	}
	if (dcd_json_is_integer(node)) {
		char digits[32];
		(void)snprintf(digits, sizeof digits, "%" PRId64, dcd_json_integer(node));
		return put_text(w, digits);
	}
	if (dcd_json_is_bool(node)) {
		return put_text(w, dcd_json_bool(node) ? "true" : "false");
	}
	return dcd_json_is_null(node) ? put_text(w, "null") : DCD_ERR_MALFORMED;
}

/* The next member or item of the innermost level, or its end. */
static int put_next(struct canonical_writer *w)
{
	struct canonical_level *level = &w->levels[w->depth - 1];
	if (level->next == level->count) {
		return level_close(w);
	}
	size_t i = level->next++;
	int err = i > 0 ? put_text(w, ",") : 0;
	if (level->members == NULL) {
		return err != 0 ? err : put_value(w, dcd_json_item(level->node, i));
	}
	if (err == 0) {
		err = put_string(w, level->members[i].key);
	}
	if (err == 0) {
		err = put_text(w, ":");
	}
	return err != 0 ? err : put_value(w, level->members[i].value);
}

static int put_document(struct canonical_writer *w, const struct dcd_json *node)
{
	int err = put_value(w, node);
	while (err == 0 && w->depth > 0) {
		err = put_next(w);
	}
	while (w->depth > 0) {
		free(w->levels[--w->depth].members);
	}
	return err;
}

int dcd_json_canonical(const struct dcd_json *node, int (*write)(void *context, const void *data, size_t len), void *context)
{
	struct canonical_writer w = { .write = write, .context = context };
	return put_document(&w, node);
}

int dcd_json_canonical_file(const struct dcd_json *node, int (*write)(void *context, const void *data, size_t len), void *context)
{
	struct canonical_writer w = { .write = write, .context = context, .escape_controls = true };
	return put_document(&w, node);
}

struct canonical_memory {
	uint8_t *data;
	size_t len;
	size_t capacity;
};

static int memory_write(void *context, const void *data, size_t len)
{
	struct canonical_memory *m = context;
	if (len > m->capacity - m->len) {
		size_t capacity = m->capacity < 1024 ? 1024 : m->capacity;
		while (capacity - m->len < len) {
			if (capacity > SIZE_MAX / 2) {
				return DCD_ERR_NO_MEMORY;
			}
			capacity *= 2;
		}
		uint8_t *grown = realloc(m->data, capacity);
		if (grown == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
		m->data = grown;
		m->capacity = capacity;
	}
	memcpy(m->data + m->len, data, len);
	m->len += len;
	return 0;
}

static int memory_result(int err, struct canonical_memory *m, uint8_t **ret_data, size_t *ret_len)
{
	if (err != 0) {
		free(m->data);
		return err;
	}
	*ret_data = m->data;
	*ret_len = m->len;
	return 0;
}

int dcd_json_canonical_bytes(const struct dcd_json *node, uint8_t **ret_data, size_t *ret_len)
{
	struct canonical_memory m = { 0 };
	return memory_result(dcd_json_canonical(node, memory_write, &m), &m, ret_data, ret_len);
}

int dcd_json_canonical_file_bytes(const struct dcd_json *node, uint8_t **ret_data, size_t *ret_len)
{
	struct canonical_memory m = { 0 };
	return memory_result(dcd_json_canonical_file(node, memory_write, &m), &m, ret_data, ret_len);
}
