#include "updater/journal/journal_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "manifest/crypto/sha256.h"
#include "manifest/json/json.h"

#define MAGIC "decade-journal 1 "
#define HEX_DIGITS (2 * DCD_HASH_SIZE)
/* Magic, hash, space: what stands before the hashed bytes. */
#define PREFIX_SIZE (sizeof MAGIC - 1 + HEX_DIGITS + 1)
#define SEQUENCE_DIGITS_MAX 19
#define INTEGER_MAX ((uint64_t)INT64_MAX)

/* ---- encode ---- */

/* `text` has room for at most `size` bytes, and its NUL is among them or it is cut there. */
static int set_text(struct dcd_json *object, const char *key, const char *text, size_t size)
{
	char clean[DCD_TEXT_SIZE];
	size_t len = strnlen(text, size - 1);
	memcpy(clean, text, len);
	clean[len] = '\0';
	for (size_t i = 0; i < len;) {
		size_t step = dcd_utf8_length(clean + i);
		if (step == 0) {
			clean[i] = '?';
			step = 1;
		}
		i += step;
	}
	return dcd_json_set_string(object, key, clean);
}

static int encode_image(struct dcd_json *images, const struct dcd_slot_image *image)
{
	struct dcd_json *object = dcd_json_new_object();
	int err = set_text(object, "class", image->class_name, sizeof image->class_name);
	if (err == 0) {
		err = dcd_json_set_hash(object, "image-id", &image->image_id);
	}
	if (err == 0) {
		err = dcd_json_set_u64(object, "size", image->size);
	}
	if (err == 0) {
		err = dcd_json_set_u64(object, "segment-size", image->segment_size);
	}
	if (err != 0) {
		dcd_json_free(object);
		return err;
	}
	return dcd_json_append(images, object);
}

static int encode_images(struct dcd_json *object, const struct dcd_slot_record *record)
{
	struct dcd_json *images = dcd_json_new_array();
	int err = images == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (size_t i = 0; err == 0 && i < record->image_count; i++) {
		err = encode_image(images, &record->images[i]);
	}
	if (err != 0) {
		dcd_json_free(images);
		return err;
	}
	return dcd_json_set(object, "images", images);
}

static int encode_slot(struct dcd_json *slots, const struct dcd_slot_record *record)
{
	struct dcd_json *object = dcd_json_new_object();
	int err = dcd_json_set_string(object, "content", dcd_content_name(record->content));
	if (err == 0) {
		err = set_text(object, "version", record->version, sizeof record->version);
	}
	if (err == 0) {
		err = dcd_json_set_hash(object, "manifest-hash", &record->manifest_hash);
	}
	if (err == 0) {
		err = dcd_json_set_u64(object, "sequence-number", record->sequence_number);
	}
	if (err == 0) {
		err = dcd_json_set_u64(object, "security-version", record->security_version);
	}
	if (err == 0) {
		err = encode_images(object, record);
	}
	if (err != 0) {
		dcd_json_free(object);
		return err;
	}
	return dcd_json_append(slots, object);
}

static int encode_slots(struct dcd_json *root, const struct dcd_device_state *state)
{
	struct dcd_json *slots = dcd_json_new_array();
	int err = slots == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (int i = 0; err == 0 && i < DCD_SLOT_COUNT; i++) {
		err = encode_slot(slots, &state->slot[i]);
	}
	if (err != 0) {
		dcd_json_free(slots);
		return err;
	}
	return dcd_json_set(root, "slots", slots);
}

static int encode_known_bad(struct dcd_json *root, const struct dcd_device_state *state)
{
	struct dcd_json *list = dcd_json_new_array();
	int err = list == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (size_t i = 0; err == 0 && i < state->known_bad_count; i++) {
		char hex[DCD_HASH_HEX_SIZE];
		dcd_hash_to_hex(&state->known_bad[i], hex);
		err = dcd_json_append_string(list, hex);
	}
	if (err != 0) {
		dcd_json_free(list);
		return err;
	}
	return dcd_json_set(root, "known-bad", list);
}

/* A clock before 1970 is a clock that isn't set. */
static uint64_t time_of(int64_t seconds)
{
	return seconds > 0 ? (uint64_t)seconds : 0;
}

static int encode_last(struct dcd_json *root, const struct dcd_outcome *last)
{
	struct dcd_json *object = dcd_json_new_object();
	int err = dcd_json_set_string(object, "outcome", dcd_outcome_name(last->kind));
	if (err == 0) {
		err = dcd_json_set_string(object, "error", dcd_err_name(last->err));
	}
	if (err == 0) {
		err = set_text(object, "version", last->version, sizeof last->version);
	}
	if (err == 0) {
		err = set_text(object, "reason", last->reason, sizeof last->reason);
	}
	if (err == 0) {
		err = dcd_json_set_u64(object, "time", time_of(last->time));
	}
	if (err != 0) {
		dcd_json_free(object);
		return err;
	}
	return dcd_json_set(root, "last", object);
}

static int encode_root(struct dcd_json *root, const struct dcd_device_state *state)
{
	int err = dcd_json_set_string(root, "phase", dcd_phase_name(state->phase));
	if (err == 0) {
		err = dcd_json_set_u64(root, "target", (uint64_t)state->target);
	}
	if (err == 0) {
		err = dcd_json_set_u64(root, "security-floor", state->security_floor);
	}
	if (err == 0) {
		err = dcd_json_set_u64(root, "time-floor", time_of(state->time_floor));
	}
	if (err == 0) {
		err = encode_slots(root, state);
	}
	if (err == 0) {
		err = encode_known_bad(root, state);
	}
	return err != 0 ? err : encode_last(root, &state->last);
}

/* What decode would refuse must not reach the disk: a device that can't read its own journal is stuck. */
static bool state_storable(const struct dcd_device_state *state)
{
	bool ok = state->phase >= DCD_PHASE_IDLE && state->phase <= DCD_PHASE_PENDING && state->target >= 0 &&
		  state->target < DCD_SLOT_COUNT && state->security_floor <= INTEGER_MAX &&
		  state->known_bad_count <= DCD_KNOWN_BAD_MAX && state->last.kind >= DCD_OUTCOME_NONE &&
		  state->last.kind <= DCD_OUTCOME_REPAIRED;
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		const struct dcd_slot_record *record = &state->slot[i];
		ok = ok && record->content >= DCD_CONTENT_UNKNOWN && record->content <= DCD_CONTENT_VERIFIED &&
		     record->sequence_number <= INTEGER_MAX && record->security_version <= INTEGER_MAX &&
		     record->image_count <= DCD_SLOT_IMAGES_MAX;
		for (size_t j = 0; ok && j < record->image_count; j++) {
			ok = record->images[j].size <= INTEGER_MAX;
		}
	}
	return ok;
}

/* Puts head and JSON text together. */
static int frame(const char *json, uint64_t sequence, uint8_t **ret_data, size_t *ret_len)
{
	size_t capacity = PREFIX_SIZE + SEQUENCE_DIGITS_MAX + strlen(json) + 3;
	char *data = malloc(capacity);
	if (data == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	size_t body_len = (size_t)snprintf(data + PREFIX_SIZE, capacity - PREFIX_SIZE, "%" PRIu64 "\n%s\n", sequence, json);
	struct dcd_hash hash;
	dcd_hash_once(&dcd_sha256, data + PREFIX_SIZE, body_len, &hash);
	memcpy(data, MAGIC, sizeof MAGIC - 1);
	dcd_hash_to_hex(&hash, data + sizeof MAGIC - 1);
	data[PREFIX_SIZE - 1] = ' ';
	*ret_data = (uint8_t *)data;
	*ret_len = PREFIX_SIZE + body_len;
	return 0;
}

int dcd_journal_encode(const struct dcd_device_state *state, uint64_t sequence, uint8_t **ret_data, size_t *ret_len,
		       struct dcd_diag *diag)
{
	if (!state_storable(state) || sequence > DCD_JOURNAL_SEQUENCE_MAX) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "a device state with impossible values was not stored");
	}
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *root = dcd_json_new_object();
	int err = root == NULL ? DCD_ERR_NO_MEMORY : encode_root(root, state);
	DCD_AUTO_FREE char *json = err == 0 ? dcd_json_text(root, true) : NULL;
	if (json == NULL || frame(json, sequence, ret_data, ret_len) != 0) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the journal");
	}
	return 0;
}

/* ---- decode ---- */

/* Strings fit their array with the NUL, or are refused by their length. */
static int get_text(const struct dcd_json *object, const char *key, const char *what, char *ret, size_t size,
		    struct dcd_diag *diag)
{
	const char *text;
	int err = dcd_json_get_string(object, key, what, size - 1, &text, diag);
	if (err == 0) {
		memcpy(ret, text, strlen(text) + 1);
	}
	return err;
}

static const char *phase_name(int value)
{
	return dcd_phase_name((enum dcd_phase)value);
}

static const char *outcome_name(int value)
{
	return dcd_outcome_name((enum dcd_outcome_kind)value);
}

static const char *content_name(int value)
{
	return dcd_content_name((enum dcd_slot_content)value);
}

/* The value in 0..max whose name the member holds. */
static int get_name(const struct dcd_json *object, const char *key, const char *what, const char *(*name_of)(int value), int max,
		    int *ret, struct dcd_diag *diag)
{
	const char *text;
	int err = dcd_json_get_string(object, key, what, 32, &text, diag);
	if (err != 0) {
		return err;
	}
	for (int value = 0; value <= max; value++) {
		if (strcmp(name_of(value), text) == 0) {
			*ret = value;
			return 0;
		}
	}
	return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: '%s' is no known %s", what, text, key);
}

static int decode_image(const struct dcd_json *object, const char *what, struct dcd_slot_image *ret, struct dcd_diag *diag)
{
	uint64_t segment_size;
	int err = get_text(object, "class", what, ret->class_name, sizeof ret->class_name, diag);
	if (err == 0) {
		err = dcd_json_get_hash(object, "image-id", what, &ret->image_id, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(object, "size", what, 0, INTEGER_MAX, &ret->size, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(object, "segment-size", what, 0, UINT32_MAX, &segment_size, diag);
	}
	if (err == 0) {
		ret->segment_size = (uint32_t)segment_size;
	}
	return err;
}

static int decode_images(const struct dcd_json *object, const char *what, struct dcd_slot_record *ret, struct dcd_diag *diag)
{
	const struct dcd_json *images;
	int err = dcd_json_get_array(object, "images", what, &images, diag);
	if (err == 0 && dcd_json_count(images) > DCD_SLOT_IMAGES_MAX) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: a slot has more than %d images", what, DCD_SLOT_IMAGES_MAX);
	}
	size_t count = err == 0 ? dcd_json_count(images) : 0;
	for (size_t i = 0; err == 0 && i < count; i++) {
		err = decode_image(dcd_json_item(images, i), what, &ret->images[i], diag);
	}
	ret->image_count = count;
	return err;
}

static int decode_slot(const struct dcd_json *object, const char *what, struct dcd_slot_record *ret, struct dcd_diag *diag)
{
	int content = 0;
	int err = get_name(object, "content", what, content_name, DCD_CONTENT_VERIFIED, &content, diag);
	ret->content = (enum dcd_slot_content)content;
	if (err == 0) {
		err = get_text(object, "version", what, ret->version, sizeof ret->version, diag);
	}
	if (err == 0) {
		err = dcd_json_get_hash(object, "manifest-hash", what, &ret->manifest_hash, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(object, "sequence-number", what, 0, INTEGER_MAX, &ret->sequence_number, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(object, "security-version", what, 0, INTEGER_MAX, &ret->security_version, diag);
	}
	return err != 0 ? err : decode_images(object, what, ret, diag);
}

static int decode_slots(const struct dcd_json *root, const char *what, struct dcd_device_state *ret, struct dcd_diag *diag)
{
	const struct dcd_json *slots;
	int err = dcd_json_get_array(root, "slots", what, &slots, diag);
	if (err == 0 && dcd_json_count(slots) != DCD_SLOT_COUNT) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: there are not %d slots in it", what, DCD_SLOT_COUNT);
	}
	for (int i = 0; err == 0 && i < DCD_SLOT_COUNT; i++) {
		err = decode_slot(dcd_json_item(slots, (size_t)i), what, &ret->slot[i], diag);
	}
	return err;
}

static int decode_known_bad(const struct dcd_json *root, const char *what, struct dcd_device_state *ret, struct dcd_diag *diag)
{
	const struct dcd_json *list;
	int err = dcd_json_get_array(root, "known-bad", what, &list, diag);
	if (err != 0) {
		return err;
	}
	size_t count = dcd_json_count(list);
	for (size_t i = 0; i < count; i++) {
		const struct dcd_json *item = dcd_json_item(list, i);
		if (count > DCD_KNOWN_BAD_MAX || !dcd_json_is_string(item) ||
		    !dcd_hash_from_hex(dcd_json_string(item), &ret->known_bad[i])) {
			return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: known-bad is no list of at most %d hashes", what,
					    DCD_KNOWN_BAD_MAX);
		}
	}
	ret->known_bad_count = count;
	return 0;
}

static int decode_last(const struct dcd_json *root, const char *what, struct dcd_outcome *ret, struct dcd_diag *diag)
{
	const struct dcd_json *object;
	const char *error_name = "";
	int kind = 0;
	uint64_t seconds = 0;
	int err = dcd_json_get_object(root, "last", what, &object, diag);
	if (err == 0) {
		err = get_name(object, "outcome", what, outcome_name, DCD_OUTCOME_REPAIRED, &kind, diag);
	}
	if (err == 0) {
		err = dcd_json_get_string(object, "error", what, 64, &error_name, diag);
	}
	if (err == 0) {
		err = get_text(object, "version", what, ret->version, sizeof ret->version, diag);
	}
	if (err == 0) {
		err = get_text(object, "reason", what, ret->reason, sizeof ret->reason, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(object, "time", what, 0, INTEGER_MAX, &seconds, diag);
	}
	ret->kind = (enum dcd_outcome_kind)kind;
	/* A newer program's error is shown as "bug" by an older one; it is no reason to refuse the journal. */
	ret->err = dcd_err_from_name(error_name);
	ret->time = (int64_t)seconds;
	return err;
}

static int decode_root(const struct dcd_json *root, const char *what, struct dcd_device_state *ret, struct dcd_diag *diag)
{
	int phase = 0;
	uint64_t target = 0, time_floor = 0;
	int err = get_name(root, "phase", what, phase_name, DCD_PHASE_PENDING, &phase, diag);
	if (err == 0) {
		err = dcd_json_get_u64(root, "target", what, 0, DCD_SLOT_COUNT - 1, &target, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(root, "security-floor", what, 0, INTEGER_MAX, &ret->security_floor, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(root, "time-floor", what, 0, INTEGER_MAX, &time_floor, diag);
	}
	if (err == 0) {
		err = decode_slots(root, what, ret, diag);
	}
	if (err == 0) {
		err = decode_known_bad(root, what, ret, diag);
	}
	ret->phase = (enum dcd_phase)phase;
	ret->target = (int)target;
	ret->time_floor = (int64_t)time_floor;
	return err != 0 ? err : decode_last(root, what, &ret->last, diag);
}

/* The decimal number that ends with a newline, and what comes after it; false for any other spelling than encode's. */
static bool sequence_read(const uint8_t *data, size_t len, uint64_t *ret, size_t *ret_used)
{
	uint64_t value = 0;
	size_t digits = 0;
	while (digits < len && digits < SEQUENCE_DIGITS_MAX && data[digits] >= '0' && data[digits] <= '9') {
		value = value * 10 + (uint64_t)(data[digits] - '0'); /* 19 digits stay below 2^64 */
		digits++;
	}
	if (digits == 0 || digits == len || data[digits] != '\n' || (digits > 1 && data[0] == '0') ||
	    value > DCD_JOURNAL_SEQUENCE_MAX) {
		return false;
	}
	*ret = value;
	*ret_used = digits + 1;
	return true;
}

/* The body behind the hash, when that matches it. */
static bool prefix_ok(const uint8_t *data, size_t len)
{
	if (len <= PREFIX_SIZE || len > DCD_JOURNAL_MAX || memcmp(data, MAGIC, sizeof MAGIC - 1) != 0 ||
	    data[PREFIX_SIZE - 1] != ' ') {
		return false;
	}
	struct dcd_hash stated, actual;
	if (!dcd_hex_decode((const char *)data + sizeof MAGIC - 1, HEX_DIGITS, stated.bytes)) {
		return false;
	}
	dcd_hash_once(&dcd_sha256, data + PREFIX_SIZE, len - PREFIX_SIZE, &actual);
	return dcd_hash_equal(&stated, &actual);
}

int dcd_journal_decode(const uint8_t *data, size_t len, const char *what, struct dcd_device_state *ret, uint64_t *ret_sequence,
		       struct dcd_diag *diag)
{
	if (!prefix_ok(data, len)) {
		return dcd_diag_set(diag, DCD_ERR_JOURNAL, "%s is damaged (its SHA-256 does not match)", what);
	}
	uint64_t sequence;
	size_t used;
	if (!sequence_read(data + PREFIX_SIZE, len - PREFIX_SIZE, &sequence, &used)) {
		return dcd_diag_set(diag, DCD_ERR_JOURNAL, "%s has no sequence number", what);
	}
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *root = NULL;
	int err = dcd_json_parse(data + PREFIX_SIZE + used, len - PREFIX_SIZE - used, what, &root, diag);
	DCD_AUTO_FREE struct dcd_device_state *state = calloc(1, sizeof *state);
	if (err == DCD_ERR_NO_MEMORY || state == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the journal");
	}
	if (err == 0) {
		err = decode_root(root, what, state, diag);
	}
	if (err != 0) {
		return dcd_diag_prefix(diag, DCD_ERR_JOURNAL, "journal");
	}
	*ret = *state;
	*ret_sequence = sequence;
	return 0;
}
