#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "manifest/crypto/sha256.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_delegated.h"
#include "tools/repo/repo_encode.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_manifest.h"
#include "tools/repo/repo_publish.h"
#include "tools/repo/repo_resign.h"
#include "tools/repo/repo_signing.h"
#include "tools/repo/repo_supervise.h"
#include "tools/repo/repo_text.h"

#define NOTES_MAX (64U << 10)

struct release_work {
	struct repo_place *place;
	const struct repo_options *options;
	struct repo_view *view;
	struct repo_signing signing;
	struct repo_publish publish;
	struct repo_cache cache;
	struct dcd_release release; /* what is being made; its strings are the options' and the ones below */
	char *notes;
	struct dcd_release_image images[DCD_RELEASE_IMAGES_MAX];
	struct repo_encoded_image encoded[DCD_RELEASE_IMAGES_MAX];
};

static int check_options(const struct repo_options *options, struct dcd_diag *diag)
{
	if (options->version == NULL) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "release needs --version V");
	}
	if (options->image_count == 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "release needs at least one --image CLASS=FILE");
	}
	return 0;
}

/* Keys are tried before the hour of encoding, not after it. */
static int load_keys(struct release_work *work, struct dcd_diag *diag)
{
	static const enum repo_role roles[] = { REPO_TARGETS, REPO_SNAPSHOT, REPO_TIMESTAMP };
	int err = 0;
	for (size_t i = work->options->name != NULL ? 1 : 0; err == 0 && i < sizeof roles / sizeof roles[0]; i++) {
		err = repo_signing_load(&work->signing, work->options, roles[i], work->view, diag);
	}
	return err;
}

static uint64_t security_version(const struct repo_view *view, const struct repo_options *options)
{
	for (size_t i = 0; i < view->release_count; i++) {
		const struct dcd_release_summary *newest = &view->releases[i].summary;
		if (strcmp(newest->channel, options->channel) != 0) {
			continue;
		}
		if (options->security_version == REPO_SECURITY_UNSET) {
			return newest->security_version;
		}
		if (options->security_version < newest->security_version) {
			fprintf(stderr,
				"decade-repo: warning: devices that confirmed %s (security version %llu) will refuse this "
				"release\n",
				newest->version, (unsigned long long)newest->security_version);
		}
		break;
	}
	return options->security_version == REPO_SECURITY_UNSET ? 0 : options->security_version;
}

static int fill_facts(struct release_work *work, struct dcd_diag *diag)
{
	const struct repo_options *options = work->options;
	const struct repo_view *view = work->view;
	if (repo_view_find(view, options->version) != NULL) {
		return dcd_diag_set(diag, DCD_ERR_EXISTS,
				    "release %s exists already; a release never changes, give it a new version",
				    options->version);
	}
	if (options->requires_version != NULL && repo_view_find(view, options->requires_version) == NULL) {
		fprintf(stderr, "decade-repo: warning: the stepping stone %s isn't in this repository\n",
			options->requires_version);
	}
	int err = 0;
	if (options->notes != NULL) {
		size_t len = 0;
		err = repo_file_load(options->notes, NOTES_MAX, &work->notes, &len, diag);
		if (err == DCD_ERR_NOT_FOUND || err == DCD_ERR_SIZE) {
			err = dcd_diag_set(diag, DCD_ERR_USAGE, "--notes %s: must be a text file of at most 64 KiB",
					   options->notes);
		} else if (err == 0 && strlen(work->notes) != len) {
			err = dcd_diag_set(diag, DCD_ERR_USAGE, "--notes %s: has NUL bytes; must be UTF-8 text", options->notes);
		}
	}
	work->release = (struct dcd_release){
		.product = view->product,
		.version = options->version,
		.channel = options->channel,
		.sequence_number = view->release_count == 0 ? 1 : view->releases[0].summary.sequence_number + 1,
		.security_version = security_version(view, options),
		.requires_version = options->requires_version,
		.notes = work->notes,
		.board_count = options->board_count,
		.boards = options->boards,
		.images = work->images,
	};
	return err;
}

static int encode_images(struct release_work *work, struct dcd_diag *diag)
{
	for (size_t i = 0; i < work->options->image_count; i++) {
		int err = repo_encode_image(work->view, &work->publish, &work->cache, work->options, &work->options->images[i],
					    &work->encoded[i], diag);
		if (err != 0) {
			return err;
		}
		work->images[i] = work->encoded[i].image;
		work->release.image_count++;
	}
	return 0;
}

static int write_manifest(struct release_work *work, struct dcd_document_file *ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	int err = repo_manifest_write(&work->release, &data, &len, diag);
	if (err != 0) {
		return err;
	}
	struct dcd_document_file file = { .length = len };
	dcd_hash_once(&dcd_sha256, data, len, &file.sha256);
	char hex[DCD_HASH_HEX_SIZE];
	dcd_hash_to_hex(&file.sha256, hex);
	DCD_AUTO_FREE char *relative = repo_text("targets/releases/%s.%s.json", hex, work->release.version);
	err = repo_publish_write(&work->publish, relative, data, len, diag);
	if (err == 0) {
		*ret = file;
	}
	return err;
}

/* The next version of a role's targets, with the release in it. */
static int make_targets(struct release_work *work, const struct dcd_json *before, const struct dcd_document_file *manifest,
			struct dcd_json **ret, struct dcd_diag *diag)
{
	uint64_t version = (uint64_t)dcd_json_integer(dcd_json_member(before, "version")) + 1;
	struct dcd_document_head head;
	int err = repo_signing_head(&work->signing, REPO_TARGETS, version, &head, diag);
	struct dcd_json *previous = NULL;
	struct dcd_json *entry = NULL;
	if (err == 0) {
		err = dcd_document_targets(&head, before, &previous, diag);
	}
	struct dcd_json *custom = err == 0 ? repo_manifest_custom(&work->release) : NULL;
	if (err == 0 && custom == NULL) {
		dcd_json_free(previous);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the targets metadata");
	}
	if (err == 0) {
		err = dcd_document_target_entry(manifest, custom, &entry, diag);
		if (err != 0) {
			dcd_json_free(previous);
		}
	}
	DCD_AUTO_FREE char *path = repo_text("releases/%s.json", work->release.version);
	return err == 0 ? dcd_document_add_target(previous, path, entry, ret, diag) : err;
}

static int write_targets(struct release_work *work, const struct dcd_document_file *manifest, struct dcd_document_file *ret,
			 struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
	int err = make_targets(work, repo_view_signed(work->view, REPO_TARGETS), manifest, &document, diag);
	DCD_AUTO_FREE char *name =
		repo_text("%llu.targets.json", (unsigned long long)repo_view_version(work->view, REPO_TARGETS) + 1);
	return err == 0 ? repo_signing_write(&work->signing, &work->publish, REPO_TARGETS, name, document, ret, diag) : err;
}

/* --name: the delegated role lists the release, and the top-level targets stay as they are. */
static int write_delegated(struct release_work *work, const struct dcd_document_file *manifest, struct dcd_document_file *ret,
			   struct dcd_diag *diag)
{
	const struct dcd_json *targets = repo_view_signed(work->view, REPO_TARGETS);
	const char *name = work->options->name;
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *envelope = NULL;
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
	int err = repo_delegated_load(work->view, name, &envelope, diag);
	if (err == 0 && (envelope == NULL || repo_delegated_role(targets, name) == NULL)) {
		err = dcd_diag_set(diag, DCD_ERR_USAGE, "--name %s: no such delegated role; see `decade-repo delegate`", name);
	}
	DCD_AUTO_FREE char *path = repo_text("releases/%s.json", work->release.version);
	if (err == 0 && !repo_delegated_covers(repo_delegated_role(targets, name), path)) {
		err = dcd_diag_set(diag, DCD_ERR_USAGE, "--name %s: %s is in none of the paths that the role was given", name,
				   path);
	}
	if (err == 0) {
		err = make_targets(work, dcd_json_member(envelope, "signed"), manifest, &document, diag);
	}
	if (err == 0) {
		err = repo_delegated_write(&work->signing, &work->publish, work->options, targets, name, document, diag);
	}
	return err == 0 ? repo_same_file(work->view, REPO_TARGETS, ret, diag) : err;
}

static int sign_and_publish(struct release_work *work, struct dcd_diag *diag)
{
	struct dcd_document_file manifest;
	struct dcd_document_file targets;
	int err = write_manifest(work, &manifest, diag);
	if (err == 0) {
		err = (work->options->name != NULL ? write_delegated : write_targets)(work, &manifest, &targets, diag);
	}
	if (err == 0) {
		err = repo_signing_write_upper(&work->signing, &work->publish, &targets,
					       repo_view_version(work->view, REPO_SNAPSHOT) + 1,
					       repo_view_version(work->view, REPO_TIMESTAMP) + 1, diag);
	}
	if (err == 0) {
		err = repo_publish_check(&work->publish, work->signing.now, diag);
	}
	return err == 0 ? repo_publish_commit(&work->publish, diag) : err;
}

static void print_result(const struct release_work *work)
{
	printf("release %s of %s, channel %s, sequence %llu, security version %llu\n", work->release.version,
	       work->release.product, work->release.channel, (unsigned long long)work->release.sequence_number,
	       (unsigned long long)work->release.security_version);
	printf("%-12s %-16s %14s  %s\n", "image", "payload from", "bytes", "of full");
	for (size_t i = 0; i < work->release.image_count; i++) {
		repo_encoded_image_print(&work->encoded[i]);
	}
}

static int prepare(struct release_work *work, struct dcd_diag *diag)
{
	int err = repo_clock_now(&work->signing.now, diag);
	if (err == 0) {
		err = repo_view_open(work->place, NULL, NULL, work->signing.now, &work->view, diag);
	}
	if (err == 0) {
		err = repo_view_load_releases(work->view, diag);
	}
	if (err == 0) {
		err = load_keys(work, diag);
	}
	if (err == 0) {
		err = fill_facts(work, diag);
	}
	if (err == 0) {
		err = repo_cache_open(work->options->cache, work->place->root, &work->cache, diag);
	}
	work->cache.max_bytes = work->options->cache_bytes;
	work->cache.max_days = work->options->cache_days;
	return err == 0 ? repo_publish_begin(work->place, &work->publish, diag) : err;
}

static int release_work(void *context, struct dcd_diag *diag)
{
	struct release_work *work = context;
	work->signing.expires_days = work->options->expires_days;
	int err = prepare(work, diag);
	if (err == 0) {
		err = encode_images(work, diag);
	}
	if (err == 0) {
		err = sign_and_publish(work, diag);
	}
	if (err == 0) {
		repo_cache_tidy(&work->cache);
		print_result(work);
	}
	repo_cache_close(&work->cache);
	for (size_t i = 0; i < DCD_RELEASE_IMAGES_MAX; i++) {
		repo_encoded_image_free(&work->encoded[i]);
	}
	free(work->notes);
	repo_publish_free(&work->publish);
	repo_signing_free(&work->signing);
	repo_view_close(work->view);
	return err;
}

int repo_release(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	int err = check_options(options, diag);
	if (err == 0) {
		err = repo_place_check_keys(place, options->keys, diag);
	}
	if (err != 0) {
		return err;
	}
	DCD_AUTO_FREE struct release_work *work = repo_alloc(1, sizeof *work);
	work->place = place;
	work->options = options;
	return repo_supervise(place, release_work, work, diag);
}
