#include "tools/repo/repo_manifest.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "manifest/json/canonical.h"

static struct dcd_json *boards_array(const struct dcd_release *release)
{
	struct dcd_json *array = dcd_json_new_array();
	int err = 0;
	for (size_t i = 0; i < release->board_count; i++) {
		err |= dcd_json_append_string(array, release->boards[i]);
	}
	if (err != 0) {
		dcd_json_free(array);
		return NULL;
	}
	return array;
}

/* The members that manifest and custom data have in common. */
static int set_facts(struct dcd_json *object, const struct dcd_release *release)
{
	int err = dcd_json_set_string(object, "version", release->version);
	err |= dcd_json_set_string(object, "channel", release->channel);
	err |= dcd_json_set_u64(object, "sequence_number", release->sequence_number);
	err |= dcd_json_set_u64(object, "security_version", release->security_version);
	if (release->requires_version != NULL) {
		err |= dcd_json_set_string(object, "requires_version", release->requires_version);
	}
	err |= dcd_json_set(object, "compatible", boards_array(release));
	return err;
}

struct dcd_json *repo_manifest_custom(const struct dcd_release *release)
{
	struct dcd_json *custom = dcd_json_new_object();
	struct dcd_json *decade = dcd_json_new_object();
	int err = dcd_json_set_string(decade, "kind", "release");
	err |= set_facts(decade, release);
	err |= dcd_json_set(custom, "decade", decade);
	if (err != 0) {
		dcd_json_free(custom);
		return NULL;
	}
	return custom;
}

static struct dcd_json *payload_object(const struct dcd_release_payload *payload)
{
	struct dcd_json *object = dcd_json_new_object();
	int err = dcd_json_set_hash(object, "table_sha256", &payload->table_hash);
	err |= dcd_json_set_u64(object, "table_length", payload->table_length);
	err |= dcd_json_set_u64(object, "length", payload->length);
	if (!dcd_hash_is_zero(&payload->base_id)) {
		struct dcd_json *base = dcd_json_new_object();
		err |= dcd_json_set_hash(base, "image_id", &payload->base_id);
		err |= dcd_json_set_u64(base, "size", payload->base_size);
		err |= dcd_json_set_string(base, "version", payload->base_version);
		err |= dcd_json_set(object, "base", base);
	}
	if (err != 0) {
		dcd_json_free(object);
		return NULL;
	}
	return object;
}

static struct dcd_json *image_object(const struct dcd_release_image *image)
{
	struct dcd_json *payloads = dcd_json_new_array();
	int err = 0;
	for (size_t i = 0; i < image->payload_count; i++) {
		err |= dcd_json_append(payloads, payload_object(&image->payloads[i]));
	}
	struct dcd_json *object = dcd_json_new_object();
	err |= dcd_json_set_string(object, "class", image->class_name);
	err |= dcd_json_set_hash(object, "image_id", &image->image_id);
	err |= dcd_json_set_u64(object, "size", image->size);
	err |= dcd_json_set_u64(object, "segment_size", image->segment_size);
	err |= dcd_json_set(object, "payloads", payloads);
	if (err != 0) {
		dcd_json_free(object);
		return NULL;
	}
	return object;
}

static int manifest_build(const struct dcd_release *release, struct dcd_json *object)
{
	struct dcd_json *images = dcd_json_new_array();
	int err = dcd_json_set_string(object, "_type", "decade-release");
	err |= dcd_json_set_string(object, "spec_version", "1.0");
	err |= dcd_json_set_string(object, "product", release->product);
	err |= set_facts(object, release);
	for (size_t i = 0; i < release->image_count; i++) {
		err |= dcd_json_append(images, image_object(&release->images[i]));
	}
	err |= dcd_json_set(object, "images", images);
	if (release->notes != NULL) {
		err |= dcd_json_set_string(object, "notes", release->notes);
	}
	return err;
}

int repo_manifest_write(const struct dcd_release *release, uint8_t **ret_data, size_t *ret_len, struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *object = dcd_json_new_object();
	uint8_t *data = NULL;
	size_t len = 0;
	if (manifest_build(release, object) != 0 || dcd_json_canonical_file_bytes(object, &data, &len) != 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE,
				    "the manifest of %s can't be written: notes and boards must be UTF-8 without NUL bytes",
				    release->version);
	}
	struct dcd_release *parsed = NULL;
	int err = dcd_release_parse_unverified(data, len, "the new manifest", &parsed, diag);
	dcd_release_free(parsed);
	if (err != 0) {
		free(data);
		return err;
	}
	*ret_data = data;
	*ret_len = len;
	return 0;
}
