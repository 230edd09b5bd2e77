/*
 * JSON, read strictly: the one adapter around jansson. What is refused: duplicate keys, numbers that are not 64-bit integers,
 * invalid UTF-8, NUL in strings, nesting deeper than DCD_JSON_DEPTH_MAX, anything but white space after the document.
 *
 * A `struct dcd_json` node belongs to its document; only the document (what parse or new_* returned) is freed.
 */
#ifndef DCD_MANIFEST_JSON_JSON_H
#define DCD_MANIFEST_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/hash.h"

#define DCD_JSON_DEPTH_MAX 32 /* objects and arrays around a value */

struct dcd_json; /* opaque: a jansson value */

/* ---- reading ---- */

/* `what` names the document in messages. DCD_ERR_MALFORMED or DCD_ERR_NO_MEMORY. */
DCD_NODISCARD int dcd_json_parse(const uint8_t *data, size_t len, const char *what, struct dcd_json **ret, struct dcd_diag *diag);
void dcd_json_free(struct dcd_json *document);
/* For DCD_CLEANUP(dcd_json_freep). */
void dcd_json_freep(struct dcd_json **document);

bool dcd_json_is_object(const struct dcd_json *node);
bool dcd_json_is_array(const struct dcd_json *node);
bool dcd_json_is_string(const struct dcd_json *node);
bool dcd_json_is_integer(const struct dcd_json *node);
bool dcd_json_is_bool(const struct dcd_json *node);
bool dcd_json_is_null(const struct dcd_json *node);

/* Member of an object, or null (also when `object` is null or none). */
const struct dcd_json *dcd_json_member(const struct dcd_json *object, const char *key);
size_t dcd_json_count(const struct dcd_json *array_or_object);
const struct dcd_json *dcd_json_item(const struct dcd_json *array, size_t index);

/*
 * Members with a type and bounds. A missing or wrong one is DCD_ERR_MALFORMED with a sentence that names `what` and the key.
 * Strings belong to the document.
 */
DCD_NODISCARD int dcd_json_get_object(const struct dcd_json *object, const char *key, const char *what,
				      const struct dcd_json **ret, struct dcd_diag *diag);
DCD_NODISCARD int dcd_json_get_array(const struct dcd_json *object, const char *key, const char *what,
				     const struct dcd_json **ret, struct dcd_diag *diag);
DCD_NODISCARD int dcd_json_get_string(const struct dcd_json *object, const char *key, const char *what, size_t max_len,
				      const char **ret, struct dcd_diag *diag);
DCD_NODISCARD int dcd_json_get_u64(const struct dcd_json *object, const char *key, const char *what, uint64_t min, uint64_t max,
				   uint64_t *ret, struct dcd_diag *diag); /* max at most INT64_MAX */
DCD_NODISCARD int dcd_json_get_hash(const struct dcd_json *object, const char *key, const char *what, struct dcd_hash *ret,
				    struct dcd_diag *diag);

/* The value of a string, integer or boolean node, or null / 0 / false. */
const char *dcd_json_string(const struct dcd_json *node);
int64_t dcd_json_integer(const struct dcd_json *node);
bool dcd_json_bool(const struct dcd_json *node);

/* Iterates an object's members: `for (void *it = dcd_json_iter(o); it != NULL; it = dcd_json_iter_next(o, it))`. */
void *dcd_json_iter(const struct dcd_json *object);
void *dcd_json_iter_next(const struct dcd_json *object, void *iter);
const char *dcd_json_iter_key(void *iter);
const struct dcd_json *dcd_json_iter_value(void *iter);

/* ---- writing ---- */

/* All return null when memory is short; setters take null values as that failure, so a chain needs one check at its end. */
struct dcd_json *dcd_json_new_object(void);
struct dcd_json *dcd_json_new_array(void);
/* `object`/`array` takes over `value`. 0 or DCD_ERR_NO_MEMORY; `value` is consumed either way. */
DCD_NODISCARD int dcd_json_set(struct dcd_json *object, const char *key, struct dcd_json *value);
DCD_NODISCARD int dcd_json_set_string(struct dcd_json *object, const char *key, const char *value);
DCD_NODISCARD int dcd_json_set_u64(struct dcd_json *object, const char *key, uint64_t value);
DCD_NODISCARD int dcd_json_set_bool(struct dcd_json *object, const char *key, bool value);
DCD_NODISCARD int dcd_json_set_hash(struct dcd_json *object, const char *key, const struct dcd_hash *value);
DCD_NODISCARD int dcd_json_append(struct dcd_json *array, struct dcd_json *value);
DCD_NODISCARD int dcd_json_append_string(struct dcd_json *array, const char *value);
/* A deep copy, or null when memory is short. */
struct dcd_json *dcd_json_copy(const struct dcd_json *node);

/* Indented text for people, or one line; the caller frees it. Null when memory is short. */
char *dcd_json_text(const struct dcd_json *node, bool indent);

#endif
