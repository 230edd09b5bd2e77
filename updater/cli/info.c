#include "updater/cli/info.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes_text.h"
#include "manifest/json/json.h"
#include "updater/cli/device.h"
#include "updater/cli/scratch.h"
#include "updater/cli/show.h"
#include "updater/source/source_bundle.h"
#include "updater/source/source_open.h"

struct info {
	struct dcd_device device;
	struct dcd_dir *scratch_dir;
	struct dcd_journal *scratch_journal;
	struct dcd_journal *journal;          /* the device's own */
	const struct dcd_bundle_index *index; /* null: a folder or a server, which is no bundle but has a release too */
	struct dcd_examination examination;
	struct dcd_report report; /* what an install would do */
	int verdict;              /* 0, or why this device wouldn't take it */
	struct dcd_diag why;
};

/* ---- as JSON ---- */

static bool is_included(const struct info *info, const struct dcd_release_payload *payload)
{
	return dcd_payload_is_offered(info->device.engine.source, "targets/", payload);
}

static int payloads_json(struct dcd_json *parent, const struct info *info, const struct dcd_release_image *image)
{
	struct dcd_json *payloads = dcd_json_new_array();
	int bad = 0;
	for (size_t i = 0; i < image->payload_count; i++) {
		const struct dcd_release_payload *payload = &image->payloads[i];
		if (!is_included(info, payload)) {
			continue;
		}
		struct dcd_json *one = dcd_json_new_object();
		if (payload->base_version != NULL) {
			bad |= dcd_json_set_string(one, "base_version", payload->base_version);
			bad |= dcd_json_set_hash(one, "base_image_id", &payload->base_id);
		}
		bad |= dcd_json_set_string(one, "kind", payload->base_version != NULL ? "delta" : "full");
		bad |= dcd_json_set_u64(one, "length", payload->length);
		bad |= dcd_json_append(payloads, one);
	}
	return bad | dcd_json_set(parent, "payloads", payloads);
}

static int images_json(struct dcd_json *parent, const struct info *info)
{
	const struct dcd_release *release = info->examination.release;
	struct dcd_json *images = dcd_json_new_array();
	int bad = 0;
	for (size_t i = 0; i < release->image_count; i++) {
		const struct dcd_release_image *image = &release->images[i];
		struct dcd_json *one = dcd_json_new_object();
		bad |= dcd_json_set_string(one, "class", image->class_name);
		bad |= dcd_json_set_hash(one, "image_id", &image->image_id);
		bad |= dcd_json_set_u64(one, "size", image->size);
		bad |= dcd_json_set_u64(one, "segment_size", image->segment_size);
		bad |= payloads_json(one, info, image);
		bad |= dcd_json_append(images, one);
	}
	return bad | dcd_json_set(parent, "images", images);
}

static int release_json(struct dcd_json *parent, const struct info *info)
{
	const struct dcd_release *release = info->examination.release;
	struct dcd_json *boards = dcd_json_new_array();
	int bad = 0;
	for (size_t i = 0; i < release->board_count; i++) {
		bad |= dcd_json_append_string(boards, release->boards[i]);
	}
	bad |= dcd_json_set(parent, "compatible", boards);
	bad |= dcd_json_set_string(parent, "product", release->product);
	bad |= dcd_json_set_string(parent, "version", release->version);
	bad |= dcd_json_set_string(parent, "channel", release->channel);
	bad |= dcd_json_set_u64(parent, "sequence_number", release->sequence_number);
	bad |= dcd_json_set_u64(parent, "security_version", release->security_version);
	if (release->requires_version != NULL) {
		bad |= dcd_json_set_string(parent, "requires_version", release->requires_version);
	}
	if (release->notes != NULL) {
		bad |= dcd_json_set_string(parent, "notes", release->notes);
	}
	if (info->examination.stale[0] != '\0') {
		bad |= dcd_json_set_string(parent, "stale", info->examination.stale);
	}
	return bad | images_json(parent, info);
}

static int verdict_json(struct dcd_json *parent, const struct info *info)
{
	int bad = dcd_json_set_bool(parent, "would_install", info->verdict == 0);
	bad |= dcd_json_set_u64(parent, "would_exit", (uint64_t)dcd_err_exit_code(info->verdict));
	if (info->verdict == 0) {
		bad |= dcd_json_set_string(parent, "payload", info->report.delta ? "delta" : "full");
		bad |= dcd_json_set_u64(parent, "bytes_best", info->report.bytes_best);
	} else {
		bad |= dcd_json_set_string(parent, "why_not", dcd_err_name(info->verdict));
		bad |= dcd_json_set_string(parent, "reason", info->why.text);
	}
	return bad;
}

static void show_json(const struct info *info, int err, const struct dcd_diag *diag)
{
	struct dcd_json *document = dcd_json_new_object();
	int bad = dcd_json_set_bool(document, "authentic", err == 0);
	if (info->index != NULL) {
		bad |= dcd_json_set_u64(document, "size", info->index->total);
	}
	if (err == 0) {
		bad |= release_json(document, info);
		bad |= verdict_json(document, info);
	} else {
		bad |= dcd_json_set_string(document, "error", dcd_err_name(err));
		bad |= dcd_json_set_string(document, "reason", diag->text);
	}
	if (err != 0 && info->index != NULL) {
		bad |= dcd_json_set_string(document, "unverified_version", info->index->version);
	}
	if (bad != 0) {
		dcd_json_free(document);
		document = NULL;
	}
	dcd_show_document(document);
}

/* ---- as text ---- */

static void show_images(const struct info *info)
{
	const struct dcd_release *release = info->examination.release;
	char text[DCD_BYTES_TEXT_SIZE];
	for (size_t i = 0; i < release->image_count; i++) {
		const struct dcd_release_image *image = &release->images[i];
		dcd_bytes_text(image->size, text);
		printf("  image %s, %s\n", image->class_name, text);
		for (size_t p = 0; p < image->payload_count; p++) {
			const struct dcd_release_payload *payload = &image->payloads[p];
			if (is_included(info, payload)) {
				dcd_bytes_text(payload->length, text);
				printf("    %s%s: %s\n", payload->base_version != NULL ? "delta from " : "full",
				       payload->base_version != NULL ? payload->base_version : "", text);
			}
		}
	}
}

static void show_text(const struct info *info)
{
	const struct dcd_release *release = info->examination.release;
	char text[DCD_BYTES_TEXT_SIZE];
	printf("%s: release %s of %s, channel %s, security version %" PRIu64 ", boards", info->device.engine.source->name,
	       release->version, release->product, release->channel, release->security_version);
	for (size_t i = 0; i < release->board_count; i++) {
		printf(" %s", release->boards[i]);
	}
	puts(release->board_count == 0 ? " any" : "");
	show_images(info);
	printf("authentic: yes, from this device's root%s%s\n", info->examination.stale[0] != '\0' ? "; " : "",
	       info->examination.stale);
	if (info->verdict == 0) {
		dcd_bytes_text(info->report.bytes_best, text);
		printf("this device would install it, reading %s as %s\n", text,
		       info->report.delta ? "a delta" : "full payloads");
	} else {
		printf("this device would not install it (%s): %s\n", dcd_err_name(info->verdict), info->why.text);
	}
}

static void show_unverified(const struct info *info)
{
	if (info->index != NULL) {
		printf("%s: says that it holds release %s, in %" PRIu64 " bytes\nauthentic: no\n",
		       info->device.engine.source->name, info->index->version, info->index->total);
	}
}

/* ---- looking ---- */

static int open_scratch(struct info *info, struct dcd_diag *diag)
{
	struct dcd_engine *engine = &info->device.engine;
	int err = dcd_scratch_dir_open(engine->metadata, &info->scratch_dir, diag);
	if (err == 0) {
		err = dcd_scratch_journal_open(engine->journal, &info->scratch_journal, diag);
	}
	if (err == 0) {
		info->journal = engine->journal;
		engine->metadata = info->scratch_dir;
		engine->journal = info->scratch_journal;
	}
	return err;
}

static int look(struct info *info, struct dcd_diag *diag)
{
	int err = open_scratch(info, diag);
	if (err != 0) {
		return err;
	}
	info->index = dcd_source_bundle_index(info->device.engine.source);
	err = dcd_engine_examine(&info->device.engine, &info->examination, diag);
	if (err == 0) {
		info->verdict = dcd_engine_check(&info->device.engine, &info->report, &info->why);
	}
	return err;
}

static void close_info(struct info *info)
{
	struct dcd_engine *engine = &info->device.engine;
	dcd_release_free(info->examination.release);
	if (info->scratch_dir != NULL) {
		info->scratch_dir->ops->close(info->scratch_dir);
		engine->metadata = info->device.metadata_dir;
	}
	if (info->scratch_journal != NULL) {
		info->scratch_journal->ops->close(info->scratch_journal);
		engine->journal = info->journal;
	}
	dcd_device_close(&info->device);
}

int dcd_run_info(const struct dcd_arguments *arguments, struct dcd_diag *diag)
{
	struct info info = { .index = NULL };
	if (arguments->source != NULL && dcd_source_kind(arguments->source) == DCD_SOURCE_BUNDLE_STREAM) {
		return dcd_diag_set(diag, DCD_ERR_USAGE,
				    "info: a stream can only be read once, to install it; name a file or a URL");
	}
	int err = dcd_device_open(arguments->config, DCD_DEVICE_EXAMINE, arguments->source, &info.device, diag);
	if (err != 0) {
		if (arguments->json) {
			show_json(&info, err, diag);
		}
		return err;
	}
	err = look(&info, diag);
	if (arguments->json) {
		show_json(&info, err, diag);
	} else if (err == 0) {
		show_text(&info);
	} else {
		show_unverified(&info);
	}
	close_info(&info);
	return err;
}
