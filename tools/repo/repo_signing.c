#include "tools/repo/repo_signing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "manifest/crypto/sha256.h"
#include "manifest/sign/envelope.h"
#include "manifest/sign/key_signer.h"
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

/* A signature that the root doesn't ask for would only be found out by the fleet. */
static int check_listed(const struct dcd_signer *signer, enum repo_role role, const struct repo_view *view, struct dcd_diag *diag)
{
	const struct dcd_json *roles = dcd_json_member(repo_view_signed(view, REPO_ROOT), "roles");
	const struct dcd_json *ids = dcd_json_member(dcd_json_member(roles, repo_role_name(role)), "keyids");
	for (size_t i = 0; i < dcd_json_count(ids); i++) {
		const char *id = dcd_json_string(dcd_json_item(ids, i));
		if (id != NULL && strcmp(id, signer->keyid) == 0) {
			return 0;
		}
	}
	return dcd_diag_set(diag, DCD_ERR_SIGNATURE,
			    "%s: the repository's root doesn't accept this key for %s; use the keys of its `init`", signer->name,
			    repo_role_name(role));
}

int repo_signing_load(struct repo_signing *signing, const char *keys, enum repo_role role, const struct repo_view *view,
		      struct dcd_diag *diag)
{
	int err = 0;
	if (signing->signers[role] == NULL) {
		DCD_AUTO_FREE char *path = repo_text("%s/%s.pem", keys, repo_role_name(role));
		if (!repo_file_exists(path)) {
			return dcd_diag_set(diag, DCD_ERR_USAGE,
					    "%s: no such key; --keys must name the folder of this repository's keys", path);
		}
		err = dcd_key_signer_load(path, &signing->signers[role], diag);
	}
	if (err == 0 && view != NULL) {
		err = check_listed(signing->signers[role], role, view, diag);
	}
	return err;
}

void repo_signing_free(struct repo_signing *signing)
{
	for (int role = 0; role < REPO_ROLES; role++) {
		dcd_signer_close(signing->signers[role]);
		signing->signers[role] = NULL;
	}
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

int repo_signing_write(const struct repo_signing *signing, struct repo_publish *publish, enum repo_role role, const char *name,
		       const struct dcd_json *document, struct dcd_document_file *ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	int err = dcd_envelope_sign(document, &signing->signers[role], 1, &data, &len, diag);
	if (err != 0) {
		return err;
	}
	static const size_t max[REPO_ROLES] = { DCD_TUF_ROOT_MAX, DCD_TUF_TARGETS_MAX, DCD_TUF_SNAPSHOT_MAX,
						DCD_TUF_TIMESTAMP_MAX };
	if (len > max[role]) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s would have %zu bytes, more than the %zu that devices accept", name,
				    len, max[role]);
	}
	*ret = (struct dcd_document_file){ .version = (uint64_t)dcd_json_integer(dcd_json_member(document, "version")),
					   .length = len };
	dcd_hash_once(&dcd_sha256, data, len, &ret->sha256);
	DCD_AUTO_FREE char *relative = repo_text("metadata/%s", name);
	return repo_publish_write(publish, relative, data, len, diag);
}

static int write_snapshot(const struct repo_signing *signing, struct repo_publish *publish,
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
	return err == 0 ? repo_signing_write(signing, publish, REPO_SNAPSHOT, name, document, ret, diag) : err;
}

int repo_signing_write_upper(const struct repo_signing *signing, struct repo_publish *publish,
			     const struct dcd_document_file *targets, uint64_t snapshot_version, uint64_t timestamp_version,
			     struct dcd_diag *diag)
{
	struct dcd_document_file file = { 0 };
	int err = write_snapshot(signing, publish, targets, snapshot_version, &file, diag);
	if (err != 0) {
		return err;
	}
	struct dcd_document_head head;
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
	err = repo_signing_head(signing, REPO_TIMESTAMP, timestamp_version, &head, diag);
	if (err == 0) {
		err = dcd_document_timestamp(&head, &file, &document, diag);
	}
	return err == 0 ? repo_signing_write(signing, publish, REPO_TIMESTAMP, "timestamp.json", document, &file, diag) : err;
}
