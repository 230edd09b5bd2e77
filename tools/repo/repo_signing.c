#include "tools/repo/repo_signing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "manifest/crypto/sha256.h"
#include "manifest/sign/envelope.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"

#define DAY_SECONDS 86400

int repo_clock_now(int64_t *ret, struct dcd_diag *diag)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	if (text == NULL || text[0] == '\0') {
		*ret = (int64_t)time(NULL);
		return 0;
	}
	char *end = NULL;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "SOURCE_DATE_EPOCH is '%s': must be seconds since 1970", text);
	}
	*ret = value;
	return 0;
}

void repo_signing_keys(struct repo_signing *signing, const struct repo_options *options)
{
	signing->keys.folder = options->keys;
	signing->keys.sign_with = options->sign_with;
	signing->keys.lms = (struct repo_lms_options){ .repository = options->repo, .moved = options->keys_moved };
}

int repo_signing_load_by(struct repo_signing *signing, const struct repo_options *options, enum repo_role role,
			 const struct dcd_json *root, struct dcd_diag *diag)
{
	const char *name = repo_role_name(role);
	repo_signing_keys(signing, options);
	return repo_keys_for_role(&signing->keys, dcd_json_member(root, "keys"),
				  dcd_json_member(dcd_json_member(root, "roles"), name), name, &signing->signers[role], diag);
}

int repo_signing_load(struct repo_signing *signing, const struct repo_options *options, enum repo_role role,
		      const struct repo_view *view, struct dcd_diag *diag)
{
	struct repo_signers *signers = &signing->signers[role];
	if (signers->count > 0) {
		return 0;
	}
	if (view != NULL) {
		signing->meta_before = dcd_json_member(repo_view_signed(view, REPO_SNAPSHOT), "meta");
		return repo_signing_load_by(signing, options, role, repo_view_signed(view, REPO_ROOT), diag);
	}
	DCD_AUTO_FREE char *path = repo_text("%s/%s.pem", options->keys, repo_role_name(role));
	int err = repo_keys_load_file(&signing->keys, path, &signers->list[0], diag);
	signers->count = err == 0 ? 1 : 0;
	return err;
}

void repo_signing_free(struct repo_signing *signing)
{
	repo_keys_free(&signing->keys);
	dcd_json_free(signing->meta_changed);
	signing->meta_changed = NULL;
}

int repo_signing_head(const struct repo_signing *signing, enum repo_role role, uint64_t version, struct dcd_document_head *ret,
		      struct dcd_diag *diag)
{
	int64_t seconds = (int64_t)signing->expires_days[role] * DAY_SECONDS;
	if (signing->now > INT64_MAX - seconds) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "the clock is beyond what a date can say");
	}
	*ret = (struct dcd_document_head){ .version = version, .expires = signing->now + seconds };
	return 0;
}

int repo_signing_write_as(const struct repo_signers *signers, struct repo_publish *publish, size_t max, const char *name,
			  const struct dcd_json *document, struct dcd_document_file *ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	int err = dcd_envelope_sign(document, signers->list, signers->count, &data, &len, diag);
	if (err != 0) {
		return err;
	}
	if (len > max) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s would have %zu bytes, more than the %zu that devices accept", name,
				    len, max);
	}
	*ret = (struct dcd_document_file){ .version = (uint64_t)dcd_json_integer(dcd_json_member(document, "version")),
					   .length = len };
	dcd_hash_once(&dcd_sha256, data, len, &ret->sha256);
	DCD_AUTO_FREE char *relative = repo_text("metadata/%s", name);
	return repo_publish_write(publish, relative, data, len, diag);
}

int repo_signing_write(const struct repo_signing *signing, struct repo_publish *publish, enum repo_role role, const char *name,
		       const struct dcd_json *document, struct dcd_document_file *ret, struct dcd_diag *diag)
{
	static const size_t max[REPO_ROLES] = { DCD_TUF_ROOT_MAX, DCD_TUF_TARGETS_MAX, DCD_TUF_SNAPSHOT_MAX,
						DCD_TUF_TIMESTAMP_MAX };
	return repo_signing_write_as(&signing->signers[role], publish, max[role], name, document, ret, diag);
}

int repo_signing_write_snapshot(const struct repo_signing *signing, struct repo_publish *publish,
				const struct dcd_document_file *targets, uint64_t version, struct dcd_document_file *ret,
				struct dcd_diag *diag)
{
	struct dcd_document_head head;
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
	DCD_AUTO_FREE char *name = repo_text("%llu.snapshot.json", (unsigned long long)version);
	int err = repo_signing_head(signing, REPO_SNAPSHOT, version, &head, diag);
	if (err == 0) {
		err = dcd_document_snapshot(&head, targets, &document, diag);
	}
	if (err == 0) {
		err = dcd_document_snapshot_keep(document, signing->meta_before, signing->meta_changed, diag);
	}
	return err == 0 ? repo_signing_write(signing, publish, REPO_SNAPSHOT, name, document, ret, diag) : err;
}

int repo_signing_write_timestamp(const struct repo_signing *signing, struct repo_publish *publish,
				 const struct dcd_document_file *snapshot, uint64_t version, struct dcd_diag *diag)
{
	struct dcd_document_head head;
	struct dcd_document_file file;
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
	int err = repo_signing_head(signing, REPO_TIMESTAMP, version, &head, diag);
	if (err == 0) {
		err = dcd_document_timestamp(&head, snapshot, &document, diag);
	}
	if (err == 0) {
		err = dcd_document_set_signing_time(document, signing->now, diag);
	}
	return err == 0 ? repo_signing_write(signing, publish, REPO_TIMESTAMP, "timestamp.json", document, &file, diag) : err;
}

int repo_signing_write_upper(const struct repo_signing *signing, struct repo_publish *publish,
			     const struct dcd_document_file *targets, uint64_t snapshot_version, uint64_t timestamp_version,
			     struct dcd_diag *diag)
{
	struct dcd_document_file file = { 0 };
	int err = repo_signing_write_snapshot(signing, publish, targets, snapshot_version, &file, diag);
	return err == 0 ? repo_signing_write_timestamp(signing, publish, &file, timestamp_version, diag) : err;
}
