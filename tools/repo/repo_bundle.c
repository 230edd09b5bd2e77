/* decade-repo bundle: one release, and the payloads that its devices need, as one file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes_text.h"
#include "base/cleanup.h"
#include "tools/repo/repo_bundle_items.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_delegated.h"
#include "tools/repo/repo_extract.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_payload.h"
#include "tools/repo/repo_signing.h"
#include "tools/repo/repo_text.h"
#include "updater/source/bundle_format.h"
#include "updater/source/bundle_index.h"

/* One payload that goes into the bundle. */
struct chosen {
	const struct dcd_release_image *image;
	const struct dcd_release_payload *payload;
};

struct bundle_run {
	const struct repo_place *place;
	const struct repo_options *options;
	struct repo_view *view;
	const struct repo_view_release *release;
	struct chosen *chosen; /* image by image, the full payload last */
	size_t chosen_count;
	struct repo_bundle_items items;
	uint64_t delta_bytes;
	uint64_t full_bytes;
};

/* ---- choosing ---- */

static void choose(struct bundle_run *run, const struct dcd_release_image *image, const struct dcd_release_payload *payload)
{
	for (size_t i = 0; i < run->chosen_count; i++) {
		if (run->chosen[i].image == image && run->chosen[i].payload == payload) {
			return;
		}
	}
	run->chosen = repo_grow(run->chosen, run->chosen_count + 1, sizeof *run->chosen);
	run->chosen[run->chosen_count++] = (struct chosen){ image, payload };
	*(payload->base_version == NULL ? &run->full_bytes : &run->delta_bytes) += payload->length;
}

/* Whether a device that runs `base` gets by without the full payload; its delta is chosen. */
static bool choose_delta(struct bundle_run *run, const struct dcd_release_image *image, const struct repo_view_release *base)
{
	const struct dcd_release_image *before = dcd_release_image_find(base->release, image->class_name);
	const struct dcd_release_payload *payload = before == NULL ? NULL : dcd_release_payload_find(image, &before->image_id);
	if (payload == NULL) {
		fprintf(stderr, "decade-repo: release %s has no delta of '%s' from %s; the full payload takes its place\n",
			run->release->summary.version, image->class_name, base->summary.version);
		return false;
	}
	choose(run, image, payload);
	return true;
}

static int choose_image(struct bundle_run *run, const struct dcd_release_image *image, struct dcd_diag *diag)
{
	const struct repo_options *options = run->options;
	bool need_full = !options->no_full || options->base_count == 0;
	for (size_t i = 0; i < options->base_count; i++) {
		const struct repo_view_release *base = repo_view_find(run->view, options->base_versions[i]);
		if (base == NULL) {
			return dcd_diag_set(diag, DCD_ERR_USAGE, "--base %s: the repository has no such release",
					    options->base_versions[i]);
		}
		if (!choose_delta(run, image, base)) {
			need_full = true;
		}
	}
	if (need_full) {
		choose(run, image, dcd_release_payload_find(image, NULL));
	}
	return 0;
}

static int choose_release(struct bundle_run *run, struct dcd_diag *diag)
{
	const struct repo_options *options = run->options;
	run->release = repo_view_find(run->view, options->version);
	if (run->release == NULL) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "--version %s: the repository has no such release", options->version);
	}
	for (size_t i = 0; i < options->board_count; i++) {
		if (!dcd_release_fits(run->release->release, options->boards[i])) {
			return dcd_diag_set(diag, DCD_ERR_WRONG_BOARD, "release %s is not for board '%s'", options->version,
					    options->boards[i]);
		}
	}
	int err = 0;
	for (size_t i = 0; err == 0 && i < run->release->release->image_count; i++) {
		err = choose_image(run, &run->release->release->images[i], diag);
	}
	return err;
}

/* ---- collecting ---- */

static int add_stored(struct bundle_run *run, enum repo_role role, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *stored = repo_text("%s.json", repo_role_name(role));
	DCD_AUTO_FREE char *name =
		role == REPO_TIMESTAMP ? repo_text("metadata/timestamp.json")
				       : repo_text("metadata/%llu.%s.json",
						   (unsigned long long)repo_view_version(run->view, role), repo_role_name(role));
	const struct repo_store_file *file = repo_store_find(&run->view->store, stored);
	if (file == NULL) {
		return dcd_diag_set(diag, DCD_ERR_BUG, "the verified %s was not kept", stored);
	}
	repo_bundle_add_memory(&run->items, name, file->data, file->len);
	return 0;
}

static int add_root(struct bundle_run *run, uint64_t version, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *name = repo_text("metadata/%llu.root.json", (unsigned long long)version);
	DCD_AUTO_FREE char *path = repo_text("%s/%s", run->place->root, name);
	DCD_AUTO_FREE char *data = NULL;
	size_t len = 0;
	int err = repo_file_load(path, DCD_TUF_ROOT_MAX, &data, &len, diag);
	if (err == 0) {
		repo_bundle_add_memory(&run->items, name, data, len);
	}
	return repo_view_missing(err, diag);
}

/* Every delegated role, in the order in which the client came to them: a device looks at all that may list releases. */
static int add_delegated(struct bundle_run *run, struct dcd_diag *diag)
{
	const struct repo_store *store = &run->view->store;
	for (size_t i = 0; i < store->count; i++) {
		DCD_AUTO_FREE char *name = repo_delegated_path(repo_view_signed(run->view, REPO_SNAPSHOT), store->files[i].name);
		if (name == NULL) {
			continue;
		}
		if (!dcd_bundle_name_ok(name)) {
			return dcd_diag_set(diag, DCD_ERR_UNSUPPORTED, "%s: a role of that name can't be in a bundle", name);
		}
		repo_bundle_add_memory(&run->items, name, store->files[i].data, store->files[i].len);
	}
	return 0;
}

/* What was verified is what goes in, byte for byte: a publish beside us can't mix two states of the repository. */
static int collect_metadata(struct bundle_run *run, struct dcd_diag *diag)
{
	int err = 0;
	for (uint64_t version = 1; err == 0 && version <= repo_view_version(run->view, REPO_ROOT); version++) {
		err = add_root(run, version, diag);
	}
	static const enum repo_role roles[] = { REPO_TIMESTAMP, REPO_SNAPSHOT, REPO_TARGETS };
	for (size_t i = 0; err == 0 && i < sizeof roles / sizeof roles[0]; i++) {
		err = add_stored(run, roles[i], diag);
	}
	if (err == 0) {
		err = add_delegated(run, diag);
	}
	DCD_AUTO_FREE uint8_t *manifest = NULL;
	size_t len = 0;
	if (err == 0) {
		err = dcd_tuf_load_target(run->view->tuf, &run->release->target, DCD_RELEASE_MANIFEST_MAX, &manifest, &len, diag);
	}
	if (err == 0) {
		DCD_AUTO_FREE char *name = repo_view_target_file(&run->release->target);
		repo_bundle_add_memory(&run->items, name, manifest, len);
	}
	return err;
}

static void add_half(struct bundle_run *run, const struct chosen *chosen, const char *suffix, uint64_t offset, uint64_t size)
{
	char path[DCD_RELEASE_PAYLOAD_PATH_SIZE];
	dcd_release_payload_path(chosen->payload, path);
	DCD_AUTO_FREE char *file = repo_text("%s/targets/%s", run->place->root, path);
	DCD_AUTO_FREE char *name =
		repo_text("targets/%.*s%s", (int)(strlen(path) - (sizeof DCD_BUNDLE_PAYLOAD_SUFFIX - 1)), path, suffix);
	repo_bundle_add_file(&run->items, name, file, offset, size);
}

/* A bundle of damaged payloads would only be found out in the field. */
static int check_payload(const struct bundle_run *run, const struct chosen *chosen, struct dcd_diag *diag)
{
	char path[DCD_RELEASE_PAYLOAD_PATH_SIZE];
	dcd_release_payload_path(chosen->payload, path);
	DCD_AUTO_FREE char *file = repo_text("%s/targets/%s", run->place->root, path);
	struct repo_payload payload = { .fd = -1 };
	struct repo_progress progress;
	int err = repo_payload_open(file, chosen->image, chosen->payload, &payload, diag);
	if (err != 0) {
		return err;
	}
	repo_progress_begin(&progress, "checking payloads");
	err = repo_payload_check_frames(&payload, &progress, diag);
	repo_progress_end(&progress);
	repo_payload_close(&payload);
	return err;
}

static int collect_payloads(struct bundle_run *run, struct dcd_diag *diag)
{
	for (size_t i = 0; i < run->chosen_count; i++) {
		int err = check_payload(run, &run->chosen[i], diag);
		if (err != 0) {
			return err;
		}
	}
	for (size_t i = 0; i < run->chosen_count; i++) {
		add_half(run, &run->chosen[i], DCD_BUNDLE_TABLE_SUFFIX, 0, run->chosen[i].payload->table_length);
	}
	for (size_t i = 0; i < run->chosen_count; i++) {
		const struct dcd_release_payload *payload = run->chosen[i].payload;
		add_half(run, &run->chosen[i], DCD_BUNDLE_FRAMES_SUFFIX, payload->table_length,
			 payload->length - payload->table_length);
	}
	return 0;
}

/* ---- writing ---- */

/* FILE appears whole or not at all; what an interrupted run left is overwritten by the next one. */
static int open_beside(const char *path, int *ret, struct dcd_diag *diag)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0) {
		repo_file_closep(&fd);
		return repo_file_error(diag, "create", path);
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: is no regular file", path);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return dcd_diag_set(diag, DCD_ERR_BUSY, "%s: another decade-repo is writing it", path);
	}
	if (ftruncate(fd, 0) != 0) {
		int err = repo_file_error(diag, "write", path);
		close(fd);
		return err;
	}
	*ret = fd;
	return 0;
}

static int write_and_check(struct bundle_run *run, const char *index, int fd, const char *path, struct dcd_diag *diag)
{
	int err = repo_bundle_items_write(&run->items, index, fd, path, diag);
	if (err == 0) {
		/* With the device's eyes: what it would refuse is never handed out. */
		err = repo_extract_look(path, NULL, diag);
	}
	return err;
}

static int write_bundle(struct bundle_run *run, const char *file, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *beside = repo_text("%s.new", file);
	DCD_AUTO_FREE char *index = NULL;
	DCD_CLEANUP(repo_file_closep) int fd = -1;
	int err = repo_bundle_items_index(&run->items, run->options->version, &index, diag);
	if (err == 0) {
		err = open_beside(beside, &fd, diag);
	}
	if (err != 0) {
		return err;
	}
	err = write_and_check(run, index, fd, beside, diag);
	if (err == 0) {
		err = repo_file_rename(beside, file, diag);
	}
	if (err != 0) {
		(void)unlink(beside);
		return err;
	}
	return repo_file_sync_moved(file, diag);
}

static void say(const struct bundle_run *run, const char *file)
{
	char delta[DCD_BYTES_TEXT_SIZE], full[DCD_BYTES_TEXT_SIZE];
	struct stat st;
	dcd_bytes_text(run->delta_bytes, delta);
	dcd_bytes_text(run->full_bytes, full);
	printf("%s: release %s, %zu image%s, deltas %s, full payloads %s, %lld bytes in all\n", file, run->options->version,
	       run->release->release->image_count, run->release->release->image_count == 1 ? "" : "s", delta, full,
	       stat(file, &st) == 0 ? (long long)st.st_size : 0);
}

static int make_bundle(struct bundle_run *run, struct dcd_diag *diag)
{
	int64_t now = 0;
	int err = repo_clock_now(&now, diag);
	if (err == 0) {
		err = repo_view_open(run->place, NULL, run->options->root, now, &run->view, diag);
	}
	if (err == 0) {
		err = repo_view_load_releases(run->view, diag);
	}
	if (err == 0) {
		err = choose_release(run, diag);
	}
	if (err == 0) {
		err = collect_metadata(run, diag);
	}
	if (err == 0) {
		err = collect_payloads(run, diag);
	}
	if (err == 0) {
		err = write_bundle(run, run->options->output, diag);
	}
	return err;
}

int repo_bundle(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	struct bundle_run run = { .place = place, .options = options };
	if (options->version == NULL || options->output == NULL) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "needs --version V and -o FILE; see `decade-repo bundle --help`");
	}
	int err = make_bundle(&run, diag);
	if (err == 0) {
		say(&run, options->output);
	}
	repo_bundle_items_free(&run.items);
	free(run.chosen);
	repo_view_close(run.view);
	return err;
}
