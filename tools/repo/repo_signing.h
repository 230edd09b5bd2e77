/* Keys of a folder, and the next version of the metadata signed with them. */
#ifndef DCD_TOOLS_REPO_SIGNING_H
#define DCD_TOOLS_REPO_SIGNING_H

#include "manifest/sign/metadata_document.h"
#include "manifest/sign/signer.h"
#include "tools/repo/repo_keys.h"
#include "tools/repo/repo_options.h"
#include "tools/repo/repo_publish.h"
#include "tools/repo/repo_view.h"

struct repo_signing {
	struct repo_keys keys;
	struct repo_signers signers[REPO_ROLES]; /* none: not loaded, it isn't needed */
	/* What the next snapshot says of delegated roles: as the present one (the view's), but for what has changed (owned). */
	const struct dcd_json *meta_before;
	struct dcd_json *meta_changed;
	int64_t now; /* seconds since 1970: what expiry counts from */
	const uint64_t *expires_days;
};

/* The clock: SOURCE_DATE_EPOCH where it is set (reproducible repositories), else the system's. */
DCD_NODISCARD int repo_clock_now(int64_t *ret, struct dcd_diag *diag);

/*
 * Finds who can sign for a role by the root of `view`, at least as many as its threshold. Without a view: KEYS/ROLE.pem, whoever
 * it is. Where the keys lie is in `options`.
 */
DCD_NODISCARD int repo_signing_load(struct repo_signing *signing, const struct repo_options *options, enum repo_role role,
				    const struct repo_view *view, struct dcd_diag *diag);
/* The same by a root's signed part that isn't published yet; adds to those that are loaded. */
DCD_NODISCARD int repo_signing_load_by(struct repo_signing *signing, const struct repo_options *options, enum repo_role role,
				       const struct dcd_json *root, struct dcd_diag *diag);
/* Where the keys are, from the command line. The functions above do it themselves. */
void repo_signing_keys(struct repo_signing *signing, const struct repo_options *options);
void repo_signing_free(struct repo_signing *signing);

DCD_NODISCARD int repo_signing_head(const struct repo_signing *signing, enum repo_role role, uint64_t version,
				    struct dcd_document_head *ret, struct dcd_diag *diag);

/* Signs a document and prepares it as metadata/`name`; tells what the metadata above it has to say of it. */
DCD_NODISCARD int repo_signing_write(const struct repo_signing *signing, struct repo_publish *publish, enum repo_role role,
				     const char *name, const struct dcd_json *document, struct dcd_document_file *ret,
				     struct dcd_diag *diag);

/* The same by anybody, within `max` bytes. */
DCD_NODISCARD int repo_signing_write_as(const struct repo_signers *signers, struct repo_publish *publish, size_t max,
					const char *name, const struct dcd_json *document, struct dcd_document_file *ret,
					struct dcd_diag *diag);

/* Each over the file below it. */
DCD_NODISCARD int repo_signing_write_snapshot(const struct repo_signing *signing, struct repo_publish *publish,
					      const struct dcd_document_file *targets, uint64_t version,
					      struct dcd_document_file *ret, struct dcd_diag *diag);
DCD_NODISCARD int repo_signing_write_timestamp(const struct repo_signing *signing, struct repo_publish *publish,
					       const struct dcd_document_file *snapshot, uint64_t version, struct dcd_diag *diag);

/* Snapshot `version` over a targets file, and timestamp `timestamp_version` over that. */
DCD_NODISCARD int repo_signing_write_upper(const struct repo_signing *signing, struct repo_publish *publish,
					   const struct dcd_document_file *targets, uint64_t snapshot_version,
					   uint64_t timestamp_version, struct dcd_diag *diag);

#endif
