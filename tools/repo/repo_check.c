#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "manifest/sign/utc_time.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_delegated.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_known.h"
#include "tools/repo/repo_payload.h"
#include "tools/repo/repo_signing.h"
#include "tools/repo/repo_text.h"

struct checking {
	const struct repo_place *place;
	struct repo_view *view;
	int64_t now;
	int first_err; /* the first thing found wrong; the check goes on to name the others */
	size_t wrong;
	size_t payloads;
	size_t rebuilt;
};

static void found_wrong(struct checking *c, int err, const struct dcd_diag *diag)
{
	fprintf(stderr, "decade-repo: %s\n", diag->text);
	c->first_err = c->first_err == 0 ? err : c->first_err;
	c->wrong++;
}

/* ---- targets and payloads ---- */

static int check_target(void *context, const struct dcd_tuf_target *target)
{
	struct checking *c = context;
	DCD_AUTO_FREE char *file = repo_view_target_file(target);
	DCD_AUTO_FREE char *path = repo_text("%s/%s", c->place->root, file);
	struct dcd_diag diag = { 0 };
	struct dcd_hash hash;
	uint64_t len = 0;
	int err = repo_view_missing(repo_file_hash(path, &len, &hash, &diag), &diag);
	if (err == 0 && len != target->length) {
		err = dcd_diag_set(&diag, DCD_ERR_SIZE, "%s: has %" PRIu64 " bytes, the targets metadata says %" PRIu64, path,
				   len, target->length);
	} else if (err == 0 && !dcd_hash_equal(&hash, &target->sha256)) {
		err = dcd_diag_set(&diag, DCD_ERR_HASH, "%s: its SHA-256 isn't the signed one", path);
	}
	if (err != 0) {
		found_wrong(c, err, &diag);
	}
	return 0;
}

static char *payload_file(const struct checking *c, const struct dcd_release_payload *payload)
{
	char below[DCD_RELEASE_PAYLOAD_PATH_SIZE];
	dcd_release_payload_path(payload, below);
	return repo_text("%s/targets/%s", c->place->root, below);
}

static void check_payload(struct checking *c, const struct dcd_release_image *image, const struct dcd_release_payload *expected)
{
	DCD_AUTO_FREE char *path = payload_file(c, expected);
	struct dcd_diag diag = { 0 };
	struct repo_payload payload;
	struct repo_progress progress;
	repo_progress_begin(&progress, "check");
	int err = repo_payload_open(path, image, expected, &payload, &diag);
	if (err == 0) {
		err = repo_payload_check_frames(&payload, &progress, &diag);
		repo_payload_close(&payload);
	}
	repo_progress_end(&progress);
	c->payloads++;
	if (err != 0) {
		found_wrong(c, err, &diag);
	}
}

/* What the targets metadata says of a release must be what its manifest says: devices choose by the one and install the other. */
static void check_summary(struct checking *c, const struct repo_view_release *entry)
{
	const struct dcd_release_summary *s = &entry->summary;
	const struct dcd_release *r = entry->release;
	bool same_stone = s->requires_version == NULL
				  ? r->requires_version == NULL
				  : r->requires_version != NULL && strcmp(s->requires_version, r->requires_version) == 0;
	if (strcmp(s->version, r->version) != 0 || strcmp(s->channel, r->channel) != 0 ||
	    s->sequence_number != r->sequence_number || s->security_version != r->security_version || !same_stone ||
	    strcmp(r->product, c->view->product) != 0) {
		struct dcd_diag diag;
		int err = dcd_diag_set(&diag, DCD_ERR_MALFORMED, "%s: the manifest says other things than the targets metadata",
				       entry->target.path);
		found_wrong(c, err, &diag);
	}
}

static void check_release(struct checking *c, const struct repo_view_release *entry)
{
	check_summary(c, entry);
	for (size_t i = 0; i < entry->release->image_count; i++) {
		const struct dcd_release_image *image = &entry->release->images[i];
		for (size_t p = 0; p < image->payload_count; p++) {
			check_payload(c, image, &image->payloads[p]);
		}
	}
}

/* ---- --deep ---- */

/* Rebuilds an image from its full payload into a scratch file without a name. */
static int rebuild(struct checking *c, const struct dcd_release_image *image, struct repo_mapping *ret, struct dcd_diag *diag)
{
	const struct dcd_release_payload *full = dcd_release_payload_find(image, NULL);
	DCD_AUTO_FREE char *path = payload_file(c, full);
	const char *folder = getenv("TMPDIR");
	DCD_AUTO_FREE char *scratch =
		repo_text("%s/decade-repo-XXXXXX", folder == NULL || folder[0] == '\0' ? "/var/tmp" : folder);
	DCD_CLEANUP(repo_file_closep) int fd = mkostemp(scratch, O_CLOEXEC);
	if (fd < 0) {
		return repo_file_error(diag, "make a scratch file", scratch);
	}
	struct repo_payload payload;
	struct repo_progress progress;
	repo_progress_begin(&progress, "rebuild");
	int err = repo_payload_open(path, image, full, &payload, diag);
	if (err == 0) {
		err = repo_payload_make(&payload, NULL, fd, &progress, diag);
		repo_payload_close(&payload);
	}
	repo_progress_end(&progress);
	if (err == 0) {
		err = repo_file_map(scratch, ret, diag);
	}
	unlink(scratch);
	return err;
}

/* Every delta of any release that starts from this image. */
static void deep_check_from(struct checking *c, const struct dcd_hash *base_id, const struct repo_mapping *base)
{
	for (size_t i = 0; i < c->view->release_count; i++) {
		const struct dcd_release *release = c->view->releases[i].release;
		for (size_t k = 0; k < release->image_count; k++) {
			const struct dcd_release_image *image = &release->images[k];
			const struct dcd_release_payload *expected = dcd_release_payload_find(image, base_id);
			if (expected == NULL || dcd_hash_is_zero(&expected->base_id)) {
				continue;
			}
			DCD_AUTO_FREE char *path = payload_file(c, expected);
			struct dcd_diag diag = { 0 };
			struct repo_payload payload;
			struct repo_progress progress;
			repo_progress_begin(&progress, "rebuild");
			int err = repo_payload_open(path, image, expected, &payload, &diag);
			if (err == 0) {
				err = repo_payload_make(&payload, base, -1, &progress, &diag);
				repo_payload_close(&payload);
			}
			repo_progress_end(&progress);
			c->rebuilt++;
			if (err != 0) {
				found_wrong(c, err, &diag);
			}
		}
	}
}

static bool image_seen_before(const struct checking *c, size_t release_index, size_t image_index)
{
	const struct dcd_hash *id = &c->view->releases[release_index].release->images[image_index].image_id;
	for (size_t i = 0; i <= release_index; i++) {
		const struct dcd_release *release = c->view->releases[i].release;
		size_t count = i == release_index ? image_index : release->image_count;
		for (size_t k = 0; k < count; k++) {
			if (dcd_hash_equal(&release->images[k].image_id, id)) {
				return true;
			}
		}
	}
	return false;
}

static void deep_check(struct checking *c)
{
	for (size_t i = 0; i < c->view->release_count; i++) {
		for (size_t k = 0; k < c->view->releases[i].release->image_count; k++) {
			if (image_seen_before(c, i, k)) {
				continue;
			}
			const struct dcd_release_image *image = &c->view->releases[i].release->images[k];
			struct dcd_diag diag = { 0 };
			struct repo_mapping mapping = { 0 };
			int err = rebuild(c, image, &mapping, &diag);
			c->rebuilt++;
			if (err != 0) {
				found_wrong(c, err, &diag);
				continue;
			}
			deep_check_from(c, &image->image_id, &mapping);
			repo_file_unmap(&mapping);
		}
	}
}

/* ---- the whole ---- */

static void check_expiry(struct checking *c, int64_t now)
{
	char text[DCD_UTC_TIME_SIZE];
	bool has_now = dcd_utc_time_format(now, text) == 0;
	for (int role = 0; role < REPO_ROLES; role++) {
		const char *name = repo_role_name((enum repo_role)role);
		const char *expires = repo_view_expires(c->view, (enum repo_role)role);
		/* Times in this form compare as text. */
		bool expired = !has_now || strcmp(expires, text) <= 0;
		printf("%-10s version %-6llu expires %s%s\n", name,
		       (unsigned long long)repo_view_version(c->view, (enum repo_role)role), expires, expired ? "  EXPIRED" : "");
		if (expired) {
			struct dcd_diag diag;
			int err = dcd_diag_set(&diag, DCD_ERR_EXPIRED, "metadata: %s expired at %s%s", name, expires,
					       role == REPO_ROOT ? "" : "; sign anew with `decade-repo refresh`");
			found_wrong(c, err, &diag);
		}
	}
}

static int check_delegated(void *context, const char *name, const struct dcd_json *role_signed, struct dcd_diag *diag)
{
	struct checking *c = context;
	char text[DCD_UTC_TIME_SIZE];
	const char *expires = dcd_json_string(dcd_json_member(role_signed, "expires"));
	bool expired = dcd_utc_time_format(c->now, text) != 0 || strcmp(expires, text) <= 0;
	(void)diag;
	printf("%-10s version %-6lld expires %s%s\n", name, (long long)dcd_json_integer(dcd_json_member(role_signed, "version")),
	       expires, expired ? "  EXPIRED" : "");
	if (expired) {
		struct dcd_diag why;
		int err = dcd_diag_set(
			&why, DCD_ERR_EXPIRED,
			"metadata: the delegated role %s expired at %s; sign anew with `decade-repo refresh` and its keys", name,
			expires);
		found_wrong(c, err, &why);
	}
	return 0;
}

static int check_all(struct checking *c, const struct repo_options *options, struct dcd_diag *diag)
{
	check_expiry(c, c->now);
	int err = repo_delegated_each(c->view, check_delegated, c, diag);
	size_t expired = c->wrong;
	if (err == 0) {
		err = dcd_tuf_each_target(c->view->tuf, check_target, c);
	}
	if (err != 0 || c->wrong != expired) {
		return err; /* a manifest is damaged: what it names isn't known */
	}
	err = repo_view_load_releases(c->view, diag);
	if (err != 0) {
		return err;
	}
	for (size_t i = 0; i < c->view->release_count; i++) {
		check_release(c, &c->view->releases[i]);
	}
	if (options->deep) {
		deep_check(c);
	}
	size_t unknown = 0;
	return repo_known_warn(c->view, &unknown, diag);
}

int repo_check(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	int64_t now = 0;
	DCD_CLEANUP(repo_view_closep) struct repo_view *view = NULL;
	int err = repo_clock_now(&now, diag);
	if (err == 0) {
		err = repo_view_open(place, NULL, options->root, now, &view, diag);
	}
	struct checking c = { .place = place, .view = view, .now = now };
	if (err == 0) {
		err = check_all(&c, options, diag);
	}
	if (err != 0) {
		return err;
	}
	if (c.wrong > 0) {
		return dcd_diag_set(diag, c.first_err, "%s: %zu thing%s wrong, named above", place->root, c.wrong,
				    c.wrong == 1 ? "" : "s");
	}
	printf("%s: %zu release%s, %zu payload%s", place->root, view->release_count, view->release_count == 1 ? "" : "s",
	       c.payloads, c.payloads == 1 ? "" : "s");
	if (options->deep) {
		printf(", %zu rebuilt", c.rebuilt);
	}
	puts(": all as signed");
	return 0;
}
