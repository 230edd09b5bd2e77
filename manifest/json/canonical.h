/*
 * Canonical JSON as TUF signs it: the OLPC form, as securesystemslib's encode_canonical() writes it. Keys sorted by code point,
 * no white space, '"' and '\' the only escapes, everything else raw UTF-8, integers in decimal.
 * (http://wiki.laptop.org/go/Canonical_JSON)
 */
#ifndef DCD_MANIFEST_JSON_CANONICAL_H
#define DCD_MANIFEST_JSON_CANONICAL_H

#include "manifest/json/json.h"

/*
 * Sends the canonical form of `node` to `write` in pieces. 0, what `write` returned, DCD_ERR_MALFORMED (a value that has no
 * canonical form) or DCD_ERR_NO_MEMORY.
 */
DCD_NODISCARD int dcd_json_canonical(const struct dcd_json *node, int (*write)(void *context, const void *data, size_t len),
				     void *context);

/* The same into memory that the caller frees (no NUL at the end). */
DCD_NODISCARD int dcd_json_canonical_bytes(const struct dcd_json *node, uint8_t **ret_data, size_t *ret_len);

/*
 * The same document as a file. Canonical JSON leaves control characters raw, which JSON itself forbids (a key in PEM form has
 * line ends), so a file that is to be read by any JSON parser escapes them: \b \t \n \f \r, the others below U+0020 as \u00xx in
 * lower case. Equal to the canonical form where there are none; what Python's json.dumps(sort_keys=True, separators=(",", ":"),
 * ensure_ascii=False) writes.
 */
DCD_NODISCARD int dcd_json_canonical_file(const struct dcd_json *node, int (*write)(void *context, const void *data, size_t len),
					  void *context);
DCD_NODISCARD int dcd_json_canonical_file_bytes(const struct dcd_json *node, uint8_t **ret_data, size_t *ret_len);

#endif
