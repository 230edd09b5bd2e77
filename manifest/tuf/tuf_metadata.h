/* What every metadata file has (TUF 1.0.34 §4.2, §4.3): the envelope of signatures and the common members of its signed part. */
#ifndef DCD_MANIFEST_TUF_TUF_METADATA_H
#define DCD_MANIFEST_TUF_TUF_METADATA_H

#include "base/cleanup.h"
#include "base/diag.h"
#include "manifest/json/json.h"

/* A file as it came: from the source or from the store. */
struct tuf_bytes {
	uint8_t *data;
	size_t len;
};

static inline void tuf_bytes_release(struct tuf_bytes *bytes)
{
	free(bytes->data);
}

#define TUF_AUTO_BYTES DCD_CLEANUP(tuf_bytes_release)

#define TUF_SIGNATURES_MAX 1024U

struct tuf_metadata {
	struct dcd_json *document;
	const struct dcd_json *signatures; /* array of objects with "keyid" and "sig", key ids distinct */
	const struct dcd_json *body;       /* the signed part */
	uint64_t version;
	int64_t expires;          /* seconds since 1970 */
	const char *expires_text; /* as written */
};

/*
 * Parses a file whose "_type" must be `type`; `what` names it in messages. Nothing of it is trusted yet: see tuf_role_verify().
 * DCD_ERR_MALFORMED; DCD_ERR_UNSUPPORTED for another major version of the specification.
 *
 * Where the signed part has "x-decade-canonical": true, the file must be byte for byte the canonical file form
 * (manifest/json/canonical.h) of its document. TUF signs a document, not its spelling; with this member white space and the order
 * of members are covered as well.
 */
DCD_NODISCARD int tuf_metadata_parse(const struct tuf_bytes *bytes, const char *type, const char *what, struct tuf_metadata **ret,
				     struct dcd_diag *diag);
void tuf_metadata_free(struct tuf_metadata *metadata);
void tuf_metadata_freep(struct tuf_metadata **metadata);

#define TUF_AUTO_METADATA DCD_CLEANUP(tuf_metadata_freep)

#endif
