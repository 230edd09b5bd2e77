/*
 * Building the signed part of TUF 1.0 metadata (specification 1.0.34, section 4). What is built here is what
 * dcd_envelope_sign() signs; nothing here knows a key's private half.
 *
 * Every document carries "x-decade-canonical": true: our client then demands that the file is byte for byte the canonical
 * form that was signed, which leaves nothing in a file that a signature doesn't cover. Other TUF clients ignore the member.
 */
#ifndef DCD_MANIFEST_SIGN_METADATA_DOCUMENT_H
#define DCD_MANIFEST_SIGN_METADATA_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/hash.h"
#include "manifest/json/json.h"
#include "manifest/sign/signer.h"

#define DCD_TUF_SPEC_VERSION "1.0.34"

/* What every document has: its version (> 0) and when it expires (seconds since 1970). */
struct dcd_document_head {
	uint64_t version;
	int64_t expires;
};

/* A role of root metadata. A signer may serve several roles. */
struct dcd_document_role {
	const char *name; /* "root", "targets", "snapshot", "timestamp" */
	uint64_t threshold;
	size_t signer_count; /* at least `threshold` */
	struct dcd_signer *const *signers;
};

/* A file that metadata names. */
struct dcd_document_file {
	uint64_t version; /* metadata only */
	uint64_t length;  /* bytes */
	struct dcd_hash sha256;
};

/* All return a document that the caller frees. DCD_ERR_USAGE (a time or threshold that can't be) or DCD_ERR_NO_MEMORY. */
DCD_NODISCARD int dcd_document_root(const struct dcd_document_head *head, const struct dcd_document_role *roles,
				    size_t role_count, struct dcd_json **ret, struct dcd_diag *diag);
/* The same from "keys" and "roles" as they stand; takes both over, also on failure. */
DCD_NODISCARD int dcd_document_root_of(const struct dcd_document_head *head, struct dcd_json *keys, struct dcd_json *roles,
				       struct dcd_json **ret, struct dcd_diag *diag);
/*
 * From `previous` (the signed part of the version before, or null): all its targets, and every member that this code doesn't
 * know, go on unchanged.
 */
DCD_NODISCARD int dcd_document_targets(const struct dcd_document_head *head, const struct dcd_json *previous,
				       struct dcd_json **ret, struct dcd_diag *diag);
DCD_NODISCARD int dcd_document_snapshot(const struct dcd_document_head *head, const struct dcd_document_file *targets,
					struct dcd_json **ret, struct dcd_diag *diag);
DCD_NODISCARD int dcd_document_timestamp(const struct dcd_document_head *head, const struct dcd_document_file *snapshot,
					 struct dcd_json **ret, struct dcd_diag *diag);

/* Puts into a snapshot what `before` and then `changed` (name -> entry, both may be null) say of files other than targets.json.
 */
DCD_NODISCARD int dcd_document_snapshot_keep(struct dcd_json *document, const struct dcd_json *before,
					     const struct dcd_json *changed, struct dcd_diag *diag);
/* A snapshot's entry for a file, or null when memory is short. */
struct dcd_json *dcd_document_meta_entry(const struct dcd_document_file *file);
/* `document` (targets) with these delegations instead of its own; takes them over, also on failure. */
DCD_NODISCARD int dcd_document_set_delegations(struct dcd_json *document, struct dcd_json *delegations, struct dcd_diag *diag);

/* Says when it is signed ("x-decade-signed"): for a timestamp, from which devices learn that time is no earlier. */
DCD_NODISCARD int dcd_document_set_signing_time(struct dcd_json *document, int64_t now, struct dcd_diag *diag);

/* A target entry for dcd_document_add_target(); `custom` (may be null) is taken over, also on failure. */
DCD_NODISCARD int dcd_document_target_entry(const struct dcd_document_file *file, struct dcd_json *custom, struct dcd_json **ret,
					    struct dcd_diag *diag);

/*
 * `document` (of dcd_document_targets()) with one more target, or the target of that path replaced: takes over both documents,
 * also on failure, and returns a new one.
 */
DCD_NODISCARD int dcd_document_add_target(struct dcd_json *document, const char *path, struct dcd_json *entry,
					  struct dcd_json **ret, struct dcd_diag *diag);

#endif
