#include "manifest/release/release_parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "bsdiff/format.h"
#include "manifest/crypto/sha256.h"

/* What a caller gets is the first member; the strings live in the document beside it. */
struct release_parsed {
	struct dcd_release release;
	struct dcd_json *document;
	struct dcd_release_image *images;
	const char **boards;
};

void dcd_release_free(struct dcd_release *release)
{
	struct release_parsed *parsed = (struct release_parsed *)release;
	if (parsed != NULL) {
		for (size_t i = 0; parsed->images != NULL && i < release->image_count; i++) {
			free((void *)parsed->images[i].payloads);
		}
		free(parsed->images);
		free(parsed->boards);
		dcd_json_free(parsed->document);
		free(parsed);
	}
}

void dcd_release_freep(struct dcd_release **release)
{
	dcd_release_free(*release);
}

int release_get_name(const struct dcd_json *object, const char *key, const char *what, const char **ret, struct dcd_diag *diag)
{
	const char *name = NULL;
	int err = dcd_json_get_string(object, key, what, DCD_RELEASE_STRING_MAX, &name, diag);
	if (err == 0 && !dcd_release_name_ok(name)) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED,
				    "%s: \"%s\" must be printable ASCII without spaces and '/', not beginning with '.'", what,
				    key);
	}
	if (err == 0) {
		*ret = name;
	}
	return err;
}

int release_get_optional_name(const struct dcd_json *object, const char *key, const char *what, const char **ret,
			      struct dcd_diag *diag)
{
	if (dcd_json_member(object, key) == NULL) {
		*ret = NULL;
		return 0;
	}
	return release_get_name(object, key, what, ret, diag);
}

int release_get_boards(const struct dcd_json *object, const char *what, const struct dcd_json **ret, struct dcd_diag *diag)
{
	const struct dcd_json *boards = NULL;
	if (dcd_json_member(object, "compatible") == NULL) {
		*ret = NULL;
		return 0;
	}
	int err = dcd_json_get_array(object, "compatible", what, &boards, diag);
	if (err != 0) {
		return err;
	}
	size_t count = dcd_json_count(boards);
	if (count > DCD_RELEASE_BOARDS_MAX) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: \"compatible\" has more than %u boards", what,
				    DCD_RELEASE_BOARDS_MAX);
	}
	for (size_t i = 0; i < count; i++) {
		const char *board = dcd_json_string(dcd_json_item(boards, i));
		if (board == NULL || !dcd_release_name_ok(board)) {
			return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: board %zu of \"compatible\" is not a name", what, i);
		}
	}
	*ret = count > 0 ? boards : NULL;
	return 0;
}

static int parse_base(const struct dcd_json *object, const char *what, struct dcd_release_payload *ret, struct dcd_diag *diag)
{
	const struct dcd_json *base = NULL;
	if (dcd_json_member(object, "base") == NULL) {
		return 0;
	}
	int err = dcd_json_get_object(object, "base", what, &base, diag);
	if (err == 0) {
		err = dcd_json_get_hash(base, "image_id", what, &ret->base_id, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(base, "size", what, 1, INT64_MAX, &ret->base_size, diag);
	}
	if (err == 0) {
		err = release_get_name(base, "version", what, &ret->base_version, diag);
	}
	/* Zero is how a full payload is told from a delta, so no base may have it. */
	if (err == 0 && dcd_hash_is_zero(&ret->base_id)) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: a base with an image id of zeros", what);
	}
	return err;
}

static int parse_payload(const struct dcd_json *object, const struct dcd_release_image *image, const char *what,
			 struct dcd_release_payload *ret, struct dcd_diag *diag)
{
	/* The image's size and segment size are bounded, so that none of this can overflow. */
	uint64_t segments = dcd_div_ceil_u64(image->size, image->segment_size);
	uint64_t table_length = DCD_FORMAT_HEADER_SIZE + segments * DCD_FORMAT_ENTRY_SIZE;
	uint64_t longest = table_length + segments * DCD_FRAME_LENGTH_MAX(image->segment_size);
	int err = dcd_json_get_hash(object, "table_sha256", what, &ret->table_hash, diag);
	if (err == 0) {
		err = dcd_json_get_u64(object, "table_length", what, table_length, table_length, &ret->table_length, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(object, "length", what, table_length, longest, &ret->length, diag);
	}
	return err != 0 ? err : parse_base(object, what, ret, diag);
}

/* A base, or the absence of one, may come once: the device's choice must not depend on an order. */
static bool has_base(const struct dcd_release_image *image, const struct dcd_hash *base_id)
{
	for (size_t i = 0; i < image->payload_count; i++) {
		if (dcd_hash_equal(&image->payloads[i].base_id, base_id)) {
			return true;
		}
	}
	return false;
}

static int parse_payloads(const struct dcd_json *object, const char *what, struct dcd_release_image *image, struct dcd_diag *diag)
{
	static const struct dcd_hash no_base;
	const struct dcd_json *list = NULL;
	int err = dcd_json_get_array(object, "payloads", what, &list, diag);
	size_t count = dcd_json_count(list);
	if (err == 0 && (count == 0 || count > DCD_RELEASE_PAYLOADS_MAX)) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: image %s has %zu payloads, not 1 to %u", what, image->class_name,
				   count, DCD_RELEASE_PAYLOADS_MAX);
	}
	if (err != 0) {
		return err;
	}
	struct dcd_release_payload *payloads = calloc(count, sizeof payloads[0]);
	if (payloads == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for its payloads", what);
	}
	image->payloads = payloads;
	for (size_t i = 0; err == 0 && i < count; i++) {
		err = parse_payload(dcd_json_item(list, i), image, what, &payloads[i], diag);
		if (err == 0 && has_base(image, &payloads[i].base_id)) {
			err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: image %s has two payloads for one base", what,
					   image->class_name);
		}
		image->payload_count = i + 1;
	}
	if (err == 0 && !has_base(image, &no_base)) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: image %s has no full payload", what, image->class_name);
	}
	return err;
}

static int parse_sizes(const struct dcd_json *object, const char *what, struct dcd_release_image *image, struct dcd_diag *diag)
{
	uint64_t segment_size = 0;
	int err = dcd_json_get_u64(object, "segment_size", what, DCD_SEGMENT_SIZE_MIN, DCD_SEGMENT_SIZE_MAX, &segment_size, diag);
	if (err == 0 && (segment_size & (segment_size - 1)) != 0) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: \"segment_size\" %llu is not a power of two", what,
				   (unsigned long long)segment_size);
	}
	if (err == 0) {
		image->segment_size = (uint32_t)segment_size;
		err = dcd_json_get_u64(object, "size", what, 0, segment_size * DCD_SEGMENT_COUNT_MAX, &image->size, diag);
	}
	return err;
}

static int parse_image(const struct dcd_json *object, const char *what, const struct dcd_release *release,
		       struct dcd_release_image *ret, struct dcd_diag *diag)
{
	int err = release_get_name(object, "class", what, &ret->class_name, diag);
	if (err == 0 && dcd_release_image_find(release, ret->class_name) != NULL) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: two images of class %s", what, ret->class_name);
	}
	if (err == 0) {
		err = dcd_json_get_hash(object, "image_id", what, &ret->image_id, diag);
	}
	if (err == 0 && dcd_hash_is_zero(&ret->image_id)) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: image %s has an image id of zeros", what, ret->class_name);
	}
	if (err == 0) {
		err = parse_sizes(object, what, ret, diag);
	}
	return err != 0 ? err : parse_payloads(object, what, ret, diag);
}

static int parse_images(struct release_parsed *parsed, const char *what, struct dcd_diag *diag)
{
	const struct dcd_json *list = NULL;
	int err = dcd_json_get_array(parsed->document, "images", what, &list, diag);
	size_t count = dcd_json_count(list);
	if (err == 0 && (count == 0 || count > DCD_RELEASE_IMAGES_MAX)) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: %zu images, not 1 to %u", what, count, DCD_RELEASE_IMAGES_MAX);
	}
	if (err != 0) {
		return err;
	}
	parsed->images = calloc(count, sizeof parsed->images[0]);
	if (parsed->images == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for its images", what);
	}
	parsed->release.images = parsed->images;
	for (size_t i = 0; err == 0 && i < count; i++) {
		err = parse_image(dcd_json_item(list, i), what, &parsed->release, &parsed->images[i], diag);
		parsed->release.image_count = i + 1;
	}
	return err;
}

static int parse_boards(struct release_parsed *parsed, const char *what, struct dcd_diag *diag)
{
	const struct dcd_json *list = NULL;
	int err = release_get_boards(parsed->document, what, &list, diag);
	if (err != 0 || list == NULL) {
		return err;
	}
	size_t count = dcd_json_count(list);
	parsed->boards = calloc(count, sizeof parsed->boards[0]);
	if (parsed->boards == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for its boards", what);
	}
	for (size_t i = 0; i < count; i++) {
		parsed->boards[i] = dcd_json_string(dcd_json_item(list, i));
	}
	parsed->release.boards = parsed->boards;
	parsed->release.board_count = count;
	return 0;
}

static int parse_kind(const struct dcd_json *document, const char *what, struct dcd_diag *diag)
{
	const char *type = NULL;
	const char *version = NULL;
	int err = dcd_json_get_string(document, "_type", what, DCD_RELEASE_STRING_MAX, &type, diag);
	if (err == 0 && strcmp(type, "decade-release") != 0) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: not a release manifest", what);
	}
	if (err == 0) {
		err = dcd_json_get_string(document, "spec_version", what, DCD_RELEASE_STRING_MAX, &version, diag);
	}
	if (err == 0 && strncmp(version, "1.", 2) != 0) {
		err = dcd_diag_set(diag, DCD_ERR_UNSUPPORTED, "%s: manifest format %s is newer than this version knows", what,
				   version);
	}
	return err;
}

static int parse_names(struct release_parsed *parsed, const char *what, struct dcd_diag *diag)
{
	struct dcd_release *release = &parsed->release;
	const struct dcd_json *document = parsed->document;
	int err = release_get_name(document, "product", what, &release->product, diag);
	if (err == 0) {
		err = release_get_name(document, "version", what, &release->version, diag);
	}
	if (err == 0) {
		err = release_get_name(document, "channel", what, &release->channel, diag);
	}
	if (err == 0) {
		err = release_get_optional_name(document, "requires_version", what, &release->requires_version, diag);
	}
	if (err == 0 && dcd_json_member(document, "notes") != NULL) {
		err = dcd_json_get_string(document, "notes", what, DCD_RELEASE_NOTES_MAX, &release->notes, diag);
	}
	return err;
}

static int parse_document(struct release_parsed *parsed, const char *what, struct dcd_diag *diag)
{
	struct dcd_release *release = &parsed->release;
	const struct dcd_json *document = parsed->document;
	int err = parse_kind(document, what, diag);
	if (err == 0) {
		err = parse_names(parsed, what, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(document, "sequence_number", what, 1, INT64_MAX, &release->sequence_number, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(document, "security_version", what, 0, INT64_MAX, &release->security_version, diag);
	}
	if (err == 0) {
		err = parse_boards(parsed, what, diag);
	}
	return err != 0 ? err : parse_images(parsed, what, diag);
}

int release_parse(const uint8_t *data, size_t len, const char *what, struct dcd_release **ret, struct dcd_diag *diag)
{
	if (len > DCD_RELEASE_MANIFEST_MAX) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: larger than %u bytes", what, DCD_RELEASE_MANIFEST_MAX);
	}
	struct release_parsed *parsed = calloc(1, sizeof *parsed);
	if (parsed == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to read it", what);
	}
	int err = dcd_json_parse(data, len, what, &parsed->document, diag);
	if (err == 0) {
		err = parse_document(parsed, what, diag);
	}
	if (err != 0) {
		dcd_release_free(&parsed->release);
		return err;
	}
	dcd_hash_once(&dcd_sha256, data, len, &parsed->release.manifest_hash);
	*ret = &parsed->release;
	return 0;
}

int dcd_release_parse_unverified(const uint8_t *data, size_t len, const char *what, struct dcd_release **ret,
				 struct dcd_diag *diag)
{
	return release_parse(data, len, what, ret, diag);
}
