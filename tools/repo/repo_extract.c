/* decade-repo extract: from a bundle back to a repository. Nothing is written that was not verified. */
#include "tools/repo/repo_extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/source.h"
#include "manifest/crypto/sha256.h"
#include "manifest/release/release.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_delegated.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_payload.h"
#include "tools/repo/repo_signing.h"
#include "tools/repo/repo_store.h"
#include "tools/repo/repo_text.h"
#include "updater/source/source_bundle.h"

#define FIRST_ROOT "metadata/1.root.json"

struct extract {
	struct dcd_source *source;
	uint8_t *first_root;
	size_t first_root_len;
	struct repo_store store;
	struct dcd_tuf *tuf;
	bool found;
	struct dcd_tuf_target target; /* the one release that the bundle holds */
	struct dcd_release *release;
};

static void extract_close(struct extract *x)
{
	dcd_release_free(x->release);
	dcd_tuf_free(x->tuf);
	repo_store_free(&x->store);
	free(x->first_root);
	if (x->source != NULL) {
		x->source->ops->close(x->source);
	}
}

/*
 * The chain of roots is verified from its first one on. Who brings a root of their own finds it in that chain, byte for byte, or
 * the bundle is somebody else's.
 */
static int check_anchor(const struct extract *x, const char *anchor, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *data = NULL;
	size_t len = 0;
	if (anchor == NULL) {
		return 0;
	}
	int err = repo_file_load(anchor, DCD_TUF_ROOT_MAX, &data, &len, diag);
	if (err != 0) {
		return err;
	}
	bool same = len == x->first_root_len && memcmp(data, x->first_root, len) == 0;
	for (size_t i = 0; i < x->store.count && !same; i++) {
		const struct repo_store_file *file = &x->store.files[i];
		same = strstr(file->name, ".root.json") != NULL && file->len == len && memcmp(file->data, data, len) == 0;
	}
	return same ? 0 : dcd_diag_set(diag, DCD_ERR_SIGNATURE, "%s: its roots don't follow from %s", x->source->name, anchor);
}

static int refresh(struct extract *x, struct dcd_diag *diag)
{
	int64_t now = 0;
	int err = repo_clock_now(&now, diag);
	if (err == 0) {
		err = dcd_source_load(x->source, FIRST_ROOT, DCD_TUF_ROOT_MAX, &x->first_root, &x->first_root_len, diag);
	}
	if (err != 0) {
		return err;
	}
	const struct dcd_tuf_options options = {
		.source = x->source,
		.store = &x->store.base,
		.metadata_prefix = "metadata/",
		.targets_prefix = "targets/",
		.factory_root = x->first_root,
		.factory_root_len = x->first_root_len,
		.start_time = now,
		.expiry = DCD_EXPIRY_REPORT,
	};
	err = dcd_tuf_new(&options, &x->tuf, diag);
	if (err == 0) {
		err = dcd_tuf_refresh(x->tuf, diag);
	}
	return err != 0 ? err : dcd_tuf_load_delegations(x->tuf, "", diag);
}

static int find_release(void *context, const struct dcd_tuf_target *target)
{
	struct extract *x = context;
	struct dcd_release_summary summary;
	char path[DCD_TUF_PATH_SIZE];
	if (dcd_release_summarize(target, &summary, NULL) == 0 && dcd_tuf_target_path(x->tuf, target, path, NULL) == 0 &&
	    dcd_source_has(x->source, path)) {
		x->found = true;
		x->target = *target;
	}
	return 0;
}

static int load_release(struct extract *x, struct dcd_diag *diag)
{
	int err = dcd_tuf_each_target(x->tuf, find_release, x);
	if (err == 0 && !x->found) {
		err = dcd_diag_set(diag, DCD_ERR_UNLISTED, "%s: holds no release that its metadata lists", x->source->name);
	}
	return err != 0 ? err : dcd_release_load(x->tuf, &x->target, &x->release, diag);
}

static int extract_open(struct extract *x, const char *file, const char *anchor, struct dcd_diag *diag)
{
	struct dcd_bundle_input *input = NULL;
	*x = (struct extract){ 0 };
	repo_store_init(&x->store);
	int err = dcd_bundle_input_file(file, &input, diag);
	if (err == 0) {
		err = dcd_source_bundle_open(input, &x->source, diag);
	}
	if (err == 0) {
		err = refresh(x, diag);
	}
	if (err == 0) {
		err = check_anchor(x, anchor, diag);
	}
	if (err == 0) {
		err = load_release(x, diag);
	}
	if (err == DCD_ERR_NOT_FOUND) {
		err = DCD_ERR_MALFORMED; /* its own parts: nothing to wait for */
	}
	return err;
}

/* ---- payloads ---- */

/* Calls `each` for the payloads that the bundle holds. */
static int each_payload(struct extract *x,
			int (*each)(struct extract *x, const struct dcd_release_image *image,
				    const struct dcd_release_payload *payload, const char *path, void *context,
				    struct dcd_diag *diag),
			void *context, struct dcd_diag *diag)
{
	for (size_t i = 0; i < x->release->image_count; i++) {
		const struct dcd_release_image *image = &x->release->images[i];
		for (size_t p = 0; p < image->payload_count; p++) {
			char name[DCD_RELEASE_PAYLOAD_PATH_SIZE];
			dcd_release_payload_path(&image->payloads[p], name);
			DCD_AUTO_FREE char *path = repo_text("targets/%s", name);
			int err = dcd_source_has(x->source, path) ? each(x, image, &image->payloads[p], path, context, diag) : 0;
			if (err != 0) {
				return err;
			}
		}
	}
	return 0;
}

static int check_table(struct extract *x, const struct dcd_release_image *image, const struct dcd_release_payload *payload,
		       const char *path, void *context, struct dcd_diag *diag)
{
	(void)image;
	(void)context;
	struct dcd_hash hash;
	if (payload->table_length > DCD_FORMAT_TABLE_LENGTH_MAX || payload->table_length > payload->length) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: %s has a table of an impossible length", x->source->name, path);
	}
	size_t len = (size_t)payload->table_length;
	DCD_AUTO_FREE uint8_t *table = repo_alloc(len, 1);
	int err = dcd_source_load_range(x->source, path, payload->length, 0, table, len, diag);
	if (err != 0) {
		return err;
	}
	dcd_hash_once(&dcd_sha256, table, len, &hash);
	return dcd_hash_equal(&hash, &payload->table_hash)
		       ? 0
		       : dcd_diag_set(diag, DCD_ERR_HASH, "%s: the table of %s is not the one that the manifest names",
				      x->source->name, path);
}

int repo_extract_look(const char *file, const char *anchor, struct dcd_diag *diag)
{
	struct extract x;
	int err = extract_open(&x, file, anchor, diag);
	if (err == 0) {
		err = each_payload(&x, check_table, NULL, diag);
	}
	extract_close(&x);
	return err;
}

/* ---- writing ---- */

static int write_to_fd(void *context, const uint8_t *data, size_t len)
{
	int fd = *(int *)context;
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return errno == ENOSPC ? DCD_ERR_NO_SPACE : DCD_ERR_IO;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_payload(struct extract *x, const struct dcd_release_image *image, const struct dcd_release_payload *payload,
			 const char *path, void *context, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *to = repo_text("%s/%s", (const char *)context, path);
	DCD_CLEANUP(repo_file_closep) int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		return repo_file_error(diag, "create", to);
	}
	struct dcd_sink sink = { write_to_fd, &fd };
	struct dcd_diag why = { 0 };
	int err = x->source->ops->fetch(x->source, path, payload->length, &sink, &why);
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s", why.text[0] != '\0' ? why.text : dcd_err_name(err));
	}
	if (fsync(fd) != 0) {
		return repo_file_error(diag, "write", to);
	}
	struct repo_payload written = { .fd = -1 };
	struct repo_progress progress;
	err = repo_payload_open(to, image, payload, &written, diag);
	if (err != 0) {
		return err;
	}
	repo_progress_begin(&progress, "extracting");
	err = repo_payload_check_frames(&written, &progress, diag);
	repo_progress_end(&progress);
	repo_payload_close(&written);
	return err;
}

static int write_file(const char *folder, const char *name, const void *data, size_t len, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *path = repo_text("%s/%s", folder, name);
	return repo_file_write(path, data, len, diag);
}

/* What the repository calls the verified metadata that the client stores under that name. */
static char *metadata_name(const struct extract *x, const struct dcd_json *snapshot, const char *stored)
{
	struct dcd_tuf_versions versions;
	dcd_tuf_versions(x->tuf, &versions);
	if (strcmp(stored, "snapshot.json") == 0) {
		return repo_text("metadata/%llu.snapshot.json", (unsigned long long)versions.snapshot);
	}
	if (strcmp(stored, "targets.json") == 0) {
		return repo_text("metadata/%llu.targets.json", (unsigned long long)versions.targets);
	}
	char *delegated = repo_delegated_path(snapshot, stored);
	return delegated != NULL ? delegated : repo_text("metadata/%s", stored);
}

static int write_metadata(const struct extract *x, const char *folder, struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *envelope = NULL;
	const struct repo_store_file *snapshot = repo_store_find(&x->store, "snapshot.json");
	int err = snapshot == NULL ? dcd_diag_set(diag, DCD_ERR_BUG, "the verified snapshot was not kept")
				   : dcd_json_parse(snapshot->data, snapshot->len, "snapshot.json", &envelope, diag);
	if (err == 0) {
		err = write_file(folder, FIRST_ROOT, x->first_root, x->first_root_len, diag);
	}
	for (size_t i = 0; err == 0 && i < x->store.count; i++) {
		const struct repo_store_file *file = &x->store.files[i];
		DCD_AUTO_FREE char *name = metadata_name(x, dcd_json_member(envelope, "signed"), file->name);
		err = write_file(folder, name, file->data, file->len, diag);
	}
	return err;
}

static int write_manifest(const struct extract *x, const char *folder, struct dcd_diag *diag)
{
	char path[DCD_TUF_PATH_SIZE];
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	int err = dcd_tuf_target_path(x->tuf, &x->target, path, diag);
	if (err == 0) {
		err = dcd_tuf_load_target(x->tuf, &x->target, DCD_RELEASE_MANIFEST_MAX, &data, &len, diag);
	}
	DCD_AUTO_FREE char *to = repo_text("%s/%s", folder, path);
	if (err == 0) {
		err = repo_file_make_parents(to, diag);
	}
	return err != 0 ? err : repo_file_write(to, data, len, diag);
}

static const char *const folders[] = { "metadata", "targets", "targets/payloads", "targets/releases", "." };

static int write_all(struct extract *x, const char *staging, struct dcd_diag *diag)
{
	int err = 0;
	for (size_t i = 0; err == 0 && i < sizeof folders / sizeof folders[0]; i++) {
		DCD_AUTO_FREE char *folder = repo_text("%s/%s", staging, folders[i]);
		err = repo_file_make_folders(folder, diag);
	}
	if (err == 0) {
		err = each_payload(x, write_payload, (void *)(uintptr_t)staging, diag);
	}
	if (err == 0) {
		err = write_manifest(x, staging, diag);
	}
	if (err == 0) {
		err = write_metadata(x, staging, diag);
	}
	for (size_t i = 0; err == 0 && i < sizeof folders / sizeof folders[0]; i++) {
		DCD_AUTO_FREE char *folder = repo_text("%s/%s", staging, folders[i]);
		err = repo_file_sync_folder(folder, diag);
	}
	return err;
}

/* REPO appears whole, by one rename, or not at all. */
static int put_in_place(struct extract *x, const struct repo_place *place, struct dcd_diag *diag)
{
	int err = repo_file_remove_tree(place->staging, diag);
	if (err == 0) {
		err = write_all(x, place->staging, diag);
	}
	if (err == 0) {
		err = repo_file_rename(place->staging, place->root, diag);
	}
	if (err != 0 && repo_file_remove_tree(place->staging, NULL) != 0) {
		fprintf(stderr, "decade-repo: %s: remove it by hand\n", place->staging);
	}
	return err != 0 ? err : repo_file_sync_moved(place->root, diag);
}

static int extract_locked(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	struct extract x;
	struct stat st;
	if (lstat(place->root, &st) == 0) {
		return dcd_diag_set(diag, DCD_ERR_EXISTS, "%s: is there already; name a folder that is still to be made",
				    place->root);
	}
	int err = extract_open(&x, options->file, options->root, diag);
	if (err == 0) {
		err = put_in_place(&x, place, diag);
	}
	if (err == 0) {
		printf("%s: release %s from %s%s\n", place->root, x.release->version, options->file,
		       options->root == NULL ? " (trusting its own first root; --root names yours)" : "");
	}
	extract_close(&x);
	return err;
}

int repo_extract(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	int err = repo_place_lock(place, diag);
	return err != 0 ? err : extract_locked(place, options, diag);
}
