#include "manifest/tuf/tuf_metadata.h"

#include <string.h>

#include "manifest/json/canonical.h"
#include "manifest/tuf/tuf_time.h"

#define TUF_STRING_MAX 1024 /* bytes of a key id, a type, a version of the specification */

void tuf_metadata_free(struct tuf_metadata *metadata)
{
	if (metadata != NULL) {
		dcd_json_free(metadata->document);
		free(metadata);
	}
}

void tuf_metadata_freep(struct tuf_metadata **metadata)
{
	tuf_metadata_free(*metadata);
}

static int check_type(const struct dcd_json *body, const char *type, const char *what, struct dcd_diag *diag)
{
	const char *text = NULL;
	int err = dcd_json_get_string(body, "_type", what, TUF_STRING_MAX, &text, diag);
	if (err == 0 && strcmp(text, type) != 0) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: this is %.64s metadata where %s was expected", what, text, type);
	}
	return err;
}

/* §4.3: a client must refuse a major version that it doesn't know. */
static int check_spec_version(const struct dcd_json *body, const char *what, struct dcd_diag *diag)
{
	const char *text = NULL;
	int err = dcd_json_get_string(body, "spec_version", what, TUF_STRING_MAX, &text, diag);
	if (err == 0 && strncmp(text, "1.", 2) != 0) {
		err = dcd_diag_set(diag, DCD_ERR_UNSUPPORTED,
				   "%s: version %.32s of the TUF specification is not known, only 1.x is", what, text);
	}
	return err;
}

static int read_expires(struct tuf_metadata *metadata, const char *what, struct dcd_diag *diag)
{
	int err = dcd_json_get_string(metadata->body, "expires", what, TUF_STRING_MAX, &metadata->expires_text, diag);
	if (err == 0 && !tuf_time_parse(metadata->expires_text, &metadata->expires)) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: \"expires\" is not a time of the form 2031-01-01T00:00:00Z",
				   what);
	}
	return err;
}

/*
 * A key id that signs twice has no meaning in TUF, and would let a stranger add to a file unnoticed. The values of the signatures
 * are looked at when they are verified: one that we can't read may belong to a scheme that isn't ours.
 */
static int check_signatures(const struct dcd_json *signatures, const char *what, struct dcd_diag *diag)
{
	size_t count = dcd_json_count(signatures);
	if (count > TUF_SIGNATURES_MAX) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: more than %u signatures", what, TUF_SIGNATURES_MAX);
	}
	for (size_t i = 0; i < count; i++) {
		const struct dcd_json *one = dcd_json_item(signatures, i);
		const char *keyid = dcd_json_string(dcd_json_member(one, "keyid"));
		if (keyid == NULL || dcd_json_string(dcd_json_member(one, "sig")) == NULL) {
			return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: signature %zu has no \"keyid\" or no \"sig\"", what, i);
		}
		for (size_t before = 0; before < i; before++) {
			if (strcmp(dcd_json_string(dcd_json_member(dcd_json_item(signatures, before), "keyid")), keyid) == 0) {
				return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: two signatures by key %.16s…", what, keyid);
			}
		}
	}
	return 0;
}

/* A cursor over the file's bytes that canonical JSON is compared with, piece by piece. */
struct canonical_match {
	const struct tuf_bytes *bytes;
	size_t at;
};

static int canonical_compare(void *context, const void *data, size_t len)
{
	struct canonical_match *match = context;
	if (len > match->bytes->len - match->at || memcmp(match->bytes->data + match->at, data, len) != 0) {
		return DCD_ERR_MALFORMED;
	}
	match->at += len;
	return 0;
}

static int check_spelling(const struct tuf_metadata *metadata, const struct tuf_bytes *bytes, const char *what,
			  struct dcd_diag *diag)
{
	if (!dcd_json_bool(dcd_json_member(metadata->body, "x-decade-canonical"))) {
		return 0;
	}
	struct canonical_match match = { .bytes = bytes };
	int err = dcd_json_canonical_file(metadata->document, canonical_compare, &match);
	if (err == DCD_ERR_NO_MEMORY) {
		return dcd_diag_set(diag, err, "%s: no memory to check it", what);
	}
	if (err != 0 || match.at != bytes->len) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: not the canonical JSON that it says it is, from byte %zu on",
				    what, match.at);
	}
	return 0;
}

static int metadata_read(struct tuf_metadata *metadata, const struct tuf_bytes *bytes, const char *type, const char *what,
			 struct dcd_diag *diag)
{
	int err = dcd_json_parse(bytes->data, bytes->len, what, &metadata->document, diag);
	if (err == 0) {
		err = dcd_json_get_array(metadata->document, "signatures", what, &metadata->signatures, diag);
	}
	if (err == 0) {
		err = dcd_json_get_object(metadata->document, "signed", what, &metadata->body, diag);
	}
	if (err == 0) {
		err = check_spelling(metadata, bytes, what, diag);
	}
	if (err == 0) {
		err = check_signatures(metadata->signatures, what, diag);
	}
	if (err == 0) {
		err = check_type(metadata->body, type, what, diag);
	}
	if (err == 0) {
		err = check_spec_version(metadata->body, what, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(metadata->body, "version", what, 1, INT64_MAX, &metadata->version, diag);
	}
	return err != 0 ? err : read_expires(metadata, what, diag);
}

int tuf_metadata_parse(const struct tuf_bytes *bytes, const char *type, const char *what, struct tuf_metadata **ret,
		       struct dcd_diag *diag)
{
	TUF_AUTO_METADATA struct tuf_metadata *metadata = calloc(1, sizeof *metadata);
	if (metadata == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to read it", what);
	}
	int err = metadata_read(metadata, bytes, type, what, diag);
	if (err == 0) {
		*ret = metadata;
		metadata = NULL;
	}
	return err;
}
