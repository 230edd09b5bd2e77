#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_signing.h"
#include "tools/repo/repo_text.h"

static int payload_json(struct dcd_json *payloads, const struct dcd_release_payload *payload)
{
	char path[DCD_RELEASE_PAYLOAD_PATH_SIZE];
	dcd_release_payload_path(payload, path);
	DCD_AUTO_FREE char *file = repo_text("targets/%s", path);
	struct dcd_json *object = dcd_json_new_object();
	int err = dcd_json_set_string(object, "file", file);
	err |= dcd_json_set_u64(object, "length", payload->length);
	if (payload->base_version != NULL) {
		err |= dcd_json_set_string(object, "base_version", payload->base_version);
		err |= dcd_json_set_hash(object, "base_image_id", &payload->base_id);
	}
	return err | dcd_json_append(payloads, object);
}

static int image_json(struct dcd_json *images, const struct dcd_release_image *image)
{
	struct dcd_json *payloads = dcd_json_new_array();
	int err = 0;
	for (size_t i = 0; i < image->payload_count; i++) {
		err |= payload_json(payloads, &image->payloads[i]);
	}
	struct dcd_json *object = dcd_json_new_object();
	err |= dcd_json_set_string(object, "class", image->class_name);
	err |= dcd_json_set_hash(object, "image_id", &image->image_id);
	err |= dcd_json_set_u64(object, "size", image->size);
	err |= dcd_json_set_u64(object, "segment_size", image->segment_size);
	err |= dcd_json_set(object, "payloads", payloads);
	return err | dcd_json_append(images, object);
}

static int release_json(struct dcd_json *releases, const struct dcd_release *release)
{
	struct dcd_json *images = dcd_json_new_array();
	struct dcd_json *boards = dcd_json_new_array();
	int err = 0;
	for (size_t i = 0; i < release->image_count; i++) {
		err |= image_json(images, &release->images[i]);
	}
	for (size_t i = 0; i < release->board_count; i++) {
		err |= dcd_json_append_string(boards, release->boards[i]);
	}
	struct dcd_json *object = dcd_json_new_object();
	err |= dcd_json_set_string(object, "version", release->version);
	err |= dcd_json_set_string(object, "channel", release->channel);
	err |= dcd_json_set_u64(object, "sequence_number", release->sequence_number);
	err |= dcd_json_set_u64(object, "security_version", release->security_version);
	if (release->requires_version != NULL) {
		err |= dcd_json_set_string(object, "requires_version", release->requires_version);
	}
	err |= dcd_json_set(object, "compatible", boards);
	err |= dcd_json_set(object, "images", images);
	return err | dcd_json_append(releases, object);
}

static int metadata_json(struct dcd_json *report, const struct repo_view *view)
{
	struct dcd_json *metadata = dcd_json_new_object();
	int err = 0;
	for (int role = 0; role < REPO_ROLES; role++) {
		struct dcd_json *object = dcd_json_new_object();
		err |= dcd_json_set_u64(object, "version", repo_view_version(view, (enum repo_role)role));
		err |= dcd_json_set_string(object, "expires", repo_view_expires(view, (enum repo_role)role));
		err |= dcd_json_set(metadata, repo_role_name((enum repo_role)role), object);
	}
	return err | dcd_json_set(report, "metadata", metadata);
}

static int print_json(const struct repo_view *view, struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *report = dcd_json_new_object();
	struct dcd_json *releases = dcd_json_new_array();
	int err = dcd_json_set_string(report, "product", view->product);
	for (size_t i = 0; i < view->release_count; i++) {
		err |= release_json(releases, view->releases[i].release);
	}
	err |= dcd_json_set(report, "releases", releases);
	const struct dcd_json *mirrors = dcd_json_member(repo_view_signed(view, REPO_TARGETS), "x-decade-mirrors");
	if (mirrors != NULL) {
		err |= dcd_json_set(report, "mirrors", dcd_json_copy(mirrors));
	}
	err |= metadata_json(report, view);
	DCD_AUTO_FREE char *text = err == 0 ? dcd_json_text(report, true) : NULL;
	if (text == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the list");
	}
	puts(text);
	return 0;
}

static void print_release(const struct dcd_release *release)
{
	printf("\n%s  channel %s, sequence %llu, security version %llu", release->version, release->channel,
	       (unsigned long long)release->sequence_number, (unsigned long long)release->security_version);
	if (release->requires_version != NULL) {
		printf(", requires %s", release->requires_version);
	}
	for (size_t i = 0; i < release->board_count; i++) {
		printf("%s%s", i == 0 ? ", for " : " ", release->boards[i]);
	}
	puts("");
	for (size_t i = 0; i < release->image_count; i++) {
		const struct dcd_release_image *image = &release->images[i];
		printf("    %-12s image %llu bytes\n", image->class_name, (unsigned long long)image->size);
		for (size_t p = 0; p < image->payload_count; p++) {
			const struct dcd_release_payload *payload = &image->payloads[p];
			printf("        from %-16s %14llu bytes\n",
			       payload->base_version == NULL ? "nothing (full)" : payload->base_version,
			       (unsigned long long)payload->length);
		}
	}
}

int repo_list(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	int64_t now = 0;
	DCD_CLEANUP(repo_view_closep) struct repo_view *view = NULL;
	int err = repo_clock_now(&now, diag);
	if (err == 0) {
		err = repo_view_open(place, NULL, options->root, now, &view, diag);
	}
	if (err == 0) {
		err = repo_view_load_releases(view, diag);
	}
	if (err != 0) {
		return err;
	}
	if (options->json) {
		return print_json(view, diag);
	}
	printf("%s: product %s, %zu release%s\n", place->root, view->product, view->release_count,
	       view->release_count == 1 ? "" : "s");
	const struct dcd_json *mirrors = dcd_json_member(repo_view_signed(view, REPO_TARGETS), "x-decade-mirrors");
	for (size_t i = 0; i < dcd_json_count(mirrors); i++) {
		printf("mirror %s\n", dcd_json_string(dcd_json_item(mirrors, i)));
	}
	for (size_t i = 0; i < view->release_count; i++) {
		print_release(view->releases[i].release);
	}
	return 0;
}
