#include "tests/sim/sim_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/le.h"
#include "bsdiff/diff/encode.h"
#include "bsdiff/format.h"
#include "manifest/crypto/sha256.h"
#include "manifest/release/release.h"
#include "manifest/sign/envelope.h"
#include "manifest/sign/metadata_document.h"
#include "tests/sim/sim_bundle.h"
#include "tests/sim/sim_key.h"
#include "tests/sim/sim_memo.h"
#include "tools/repo/repo_manifest.h"

#define BUCKETS 4096
#define SLACK_BYTE 0xC5
#define KEYS_MAX 3
#define FAR_AHEAD 40
#define ZERO_SEGMENT ((size_t)3 * SIM_SEGMENT)

enum role { ROLE_ROOT, ROLE_TARGETS, ROLE_SNAPSHOT, ROLE_TIMESTAMP, ROLES };

static const char *const role_names[ROLES] = { "root", "targets", "snapshot", "timestamp" };

/* Root has three keys, of which two must sign, so that one may be lost; the others have one. */
struct role_keys {
	struct dcd_signer *signer[KEYS_MAX];
	size_t count, threshold;
};

struct served {
	struct served *next; /* in the bucket, newest first */
	char path[160];
	int generation;
	struct sim_blob *bytes;
};

struct sim_world {
	uint64_t seed;
	int keys_made;
	struct role_keys keys[ROLES];
	struct role_keys old_root; /* of the version before, whose keys vouch for the next */
	uint64_t versions[ROLES];
	struct dcd_json *targets; /* signed part of the newest targets.json */
	struct served *buckets[BUCKETS];
	int generation;
	int64_t now;
	int64_t days_valid;
	struct sim_release *releases[SIM_RELEASES_MAX];
	int release_count;
	struct dcd_document_file targets_file;
	uint64_t forward; /* by how much a thief has raised the versions of timestamp and snapshot */
};

static void check(int err, const struct dcd_diag *diag)
{
	if (err != 0) {
		(void)fprintf(stderr, "sim world: %s (%s)\n", diag->text, dcd_err_name(err));
		abort();
	}
}

/* ---- files ---- */

static unsigned bucket_of(const char *path)
{
	unsigned hash = 5381;
	for (; *path != '\0'; path++) {
		hash = hash * 33 + (unsigned char)*path;
	}
	return hash % BUCKETS;
}

void sim_world_serve(struct sim_world *world, const char *path, struct sim_blob *bytes)
{
	struct served *served = calloc(1, sizeof *served);
	if (served == NULL) {
		abort();
	}
	unsigned bucket = bucket_of(path);
	(void)snprintf(served->path, sizeof served->path, "%s", path);
	served->generation = world->generation;
	served->bytes = bytes;
	served->next = world->buckets[bucket];
	world->buckets[bucket] = served;
	size_t len = strlen(path);
	if (len > 5 && strcmp(path + len - 5, ".json") == 0) {
		sim_memo_serve(bytes->data, bytes->len);
	}
}

const struct sim_blob *sim_world_file(const struct sim_world *world, const char *path, int generation)
{
	for (const struct served *at = world->buckets[bucket_of(path)]; at != NULL; at = at->next) {
		if (at->generation <= generation && strcmp(at->path, path) == 0) {
			return at->bytes;
		}
	}
	return NULL;
}

static bool was_served(const struct sim_world *world, const char *path, const struct sim_blob *bytes)
{
	for (const struct served *at = world->buckets[bucket_of(path)]; at != NULL; at = at->next) {
		if (strcmp(at->path, path) == 0 && at->bytes->len == bytes->len &&
		    memcmp(at->bytes->data, bytes->data, bytes->len) == 0) {
			return true;
		}
	}
	return false;
}

bool sim_world_knows_metadata(const struct sim_world *world, const char *name, const struct sim_blob *bytes)
{
	char path[160];
	(void)snprintf(path, sizeof path, "metadata/%s", name);
	if (was_served(world, path, bytes)) {
		return true;
	}
	for (uint64_t v = 1; v <= world->versions[ROLE_SNAPSHOT] + FAR_AHEAD + 1; v++) {
		(void)snprintf(path, sizeof path, "metadata/%llu.%s", (unsigned long long)v, name);
		if (was_served(world, path, bytes)) {
			return true;
		}
	}
	return false;
}

/* ---- signing ---- */

static struct dcd_document_head head_of(const struct sim_world *world, enum role role)
{
	int64_t days = world->days_valid > 0 && role != ROLE_ROOT ? world->days_valid : 20 * 365;
	return (struct dcd_document_head){ .version = world->versions[role], .expires = world->now + days * SIM_DAY };
}

/* As many as must sign, each once. */
static size_t add_signers(const struct role_keys *keys, struct dcd_signer **signers, size_t count)
{
	for (size_t i = 0; i < keys->threshold; i++) {
		bool there = false;
		for (size_t j = 0; j < count; j++) {
			there = there || signers[j] == keys->signer[i];
		}
		if (!there) {
			signers[count++] = keys->signer[i];
		}
	}
	return count;
}

static struct dcd_document_file sign(struct sim_world *world, enum role role, const struct dcd_json *document)
{
	struct dcd_diag diag = { 0 };
	struct dcd_signer *signers[2 * KEYS_MAX];
	size_t count = add_signers(&world->keys[role], signers, 0);
	if (role == ROLE_ROOT) {
		count = add_signers(&world->old_root, signers, count);
	}
	uint8_t *data = NULL;
	size_t len = 0;
	char path[160];
	check(dcd_envelope_sign(document, signers, count, &data, &len, &diag), &diag);
	if (role == ROLE_TIMESTAMP) {
		(void)snprintf(path, sizeof path, "metadata/timestamp.json");
	} else {
		(void)snprintf(path, sizeof path, "metadata/%llu.%s.json", (unsigned long long)world->versions[role],
			       role_names[role]);
	}
	sim_world_serve(world, path, sim_blob_new(data, len));
	struct dcd_document_file file = { .version = world->versions[role], .length = len };
	dcd_hash_once(&dcd_sha256, data, len, &file.sha256);
	free(data);
	return file;
}

static void sign_root(struct sim_world *world)
{
	struct dcd_diag diag = { 0 };
	struct dcd_document_role roles[ROLES];
	struct dcd_json *document = NULL;
	for (int r = 0; r < ROLES; r++) {
		const struct role_keys *keys = &world->keys[r];
		roles[r] = (struct dcd_document_role){ role_names[r], keys->threshold, keys->count, keys->signer };
	}
	world->versions[ROLE_ROOT]++;
	struct dcd_document_head head = head_of(world, ROLE_ROOT);
	check(dcd_document_root(&head, roles, ROLES, &document, &diag), &diag);
	(void)sign(world, ROLE_ROOT, document);
	dcd_json_free(document);
}

static void sign_upper(struct sim_world *world)
{
	struct dcd_diag diag = { 0 };
	struct dcd_json *snapshot = NULL, *timestamp = NULL;
	world->versions[ROLE_SNAPSHOT]++;
	world->versions[ROLE_TIMESTAMP]++;
	struct dcd_document_head head = head_of(world, ROLE_SNAPSHOT);
	check(dcd_document_snapshot(&head, &world->targets_file, &snapshot, &diag), &diag);
	struct dcd_document_file file = sign(world, ROLE_SNAPSHOT, snapshot);
	head = head_of(world, ROLE_TIMESTAMP);
	check(dcd_document_timestamp(&head, &file, &timestamp, &diag), &diag);
	(void)sign(world, ROLE_TIMESTAMP, timestamp);
	dcd_json_free(snapshot);
	dcd_json_free(timestamp);
}

static void sign_targets(struct sim_world *world, const char *path, struct dcd_json *entry)
{
	struct dcd_diag diag = { 0 };
	struct dcd_json *document = NULL;
	world->versions[ROLE_TARGETS]++;
	struct dcd_document_head head = head_of(world, ROLE_TARGETS);
	check(dcd_document_targets(&head, world->targets, &document, &diag), &diag);
	if (entry != NULL) {
		struct dcd_json *extended = NULL;
		check(dcd_document_add_target(document, path, entry, &extended, &diag), &diag);
		document = extended;
	}
	world->targets_file = sign(world, ROLE_TARGETS, document);
	dcd_json_free(world->targets);
	world->targets = document;
}

/* ---- releases ---- */

static uint64_t noise(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* What a month of work changes: a few short runs here and there, one page anew; some pages are zeros. */
static void make_image(struct sim_world *world, struct sim_release *release, int class_index)
{
	uint64_t random = (world->seed + 1) * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)world->release_count * 31 +
			  (uint64_t)class_index + 1;
	uint8_t *image = release->image[class_index];
	size_t size = class_index == 0 ? SIM_ROOTFS_MAX - 1500 : SIM_BOOT_MAX - 700;
	release->size[class_index] = size;
	if (world->release_count == 0) {
		for (size_t i = 0; i < size; i++) {
			image[i] = (uint8_t)(noise(&random) >> 40);
		}
		if (class_index == 0) {
			memset(image + ZERO_SEGMENT, 0, SIM_SEGMENT);
		}
		return;
	}
	memcpy(image, world->releases[world->release_count - 1]->image[class_index], size);
	for (int edit = 0; edit < 6; edit++) {
		size_t at = noise(&random) % (size - 64);
		for (size_t i = 0; i < 24; i++) {
			image[at + i] = (uint8_t)(noise(&random) >> 40);
		}
	}
	size_t page = noise(&random) % (size / 512) * 512;
	for (size_t i = page; i < page + 512 && i < size; i++) {
		image[i] = (uint8_t)(noise(&random) >> 40);
	}
}

/* Of one content and one size: an install writes it once from frames, and copies it. */
static void make_alike(struct sim_release *release)
{
	memset(release->image[0], 0, sizeof release->image[0]);
	memcpy(release->image[0], release->image[1], release->size[1]);
	release->size[0] = release->size[1];
}

/* No frame is really packed; but who goes by header and table can't know. */
static void demand(struct sim_blob *bytes, uint32_t features, struct dcd_release_payload *payload)
{
	dcd_le32_put(bytes->data + DCD_HEADER_FEATURES, features);
	dcd_le32_put(bytes->data + DCD_HEADER_PACK_MEMORY, 1 << 20);
	for (size_t at = DCD_FORMAT_HEADER_SIZE; at < payload->table_length; at += DCD_FORMAT_ENTRY_SIZE) {
		if (bytes->data[at + DCD_ENTRY_KIND] == DCD_FRAME_DELTA) {
			bytes->data[at + DCD_ENTRY_FILTER] |= DCD_FILTER_REPACKED;
		}
	}
	dcd_hash_once(&dcd_sha256, bytes->data, (size_t)payload->table_length, &payload->table_hash);
}

/* As a later encoder might: the first stream of each delta frame is another one. */
static void modernize(struct sim_blob *bytes, struct dcd_release_payload *payload)
{
	size_t frame = (size_t)payload->table_length;
	for (size_t at = DCD_FORMAT_HEADER_SIZE; at < payload->table_length; at += DCD_FORMAT_ENTRY_SIZE) {
		uint8_t *entry = bytes->data + at;
		uint32_t len = dcd_le32_get(entry + DCD_ENTRY_FRAME_LENGTH);
		if (entry[DCD_ENTRY_KIND] == DCD_FRAME_DELTA) {
			struct dcd_hash hash;
			bytes->data[frame + 1] = DCD_STREAM_COUNT;
			dcd_hash_once(&dcd_sha256, bytes->data + frame, len, &hash);
			memcpy(entry + DCD_ENTRY_FRAME_HASH, hash.bytes, sizeof hash.bytes);
		}
		frame += len;
	}
	dcd_hash_once(&dcd_sha256, bytes->data, (size_t)payload->table_length, &payload->table_hash);
}

static struct dcd_release_payload encode(struct sim_world *world, struct sim_release *release, int class_index,
					 const struct sim_release *base, const struct sim_publication *publication)
{
	uint32_t features = base != NULL || publication->full_too ? publication->features : 0;
	struct dcd_diag diag = { 0 };
	const struct dcd_encode_options options = { .segment_size = SIM_SEGMENT, .effort = 1, .threads = 1, .alg = &dcd_sha256 };
	struct dcd_encode_result result;
	struct dcd_bytes image = { release->image[class_index], release->size[class_index] };
	struct dcd_bytes base_bytes = { base == NULL ? NULL : base->image[class_index],
					base == NULL ? 0 : base->size[class_index] };
	int fd = memfd_create("payload", MFD_CLOEXEC);
	if (fd < 0) {
		abort();
	}
	check(dcd_encode_payload(base == NULL ? NULL : &base_bytes, &image, fd, &options, &result, &diag), &diag);
	release->image_id[class_index] = result.image_id;
	struct dcd_release_payload payload = { .table_hash = result.table_hash,
					       .table_length = result.table_length,
					       .length = result.payload_length };
	if (base != NULL) {
		payload.base_id = base->image_id[class_index];
		payload.base_size = base->size[class_index];
		payload.base_version = base->version;
	} else {
		release->full_bytes += result.payload_length;
	}
	char below[DCD_RELEASE_PAYLOAD_PATH_SIZE], path[160];
	struct sim_blob *bytes = sim_blob_new(NULL, 0);
	bytes = realloc(bytes, sizeof *bytes + result.payload_length);
	if (bytes == NULL || pread(fd, bytes->data, result.payload_length, 0) != (ssize_t)result.payload_length) {
		abort();
	}
	bytes->len = result.payload_length;
	close(fd);
	if (features != 0) {
		demand(bytes, features, &payload);
	}
	if (publication->newer_frames) {
		modernize(bytes, &payload);
	}
	dcd_release_payload_path(&payload, below);
	(void)snprintf(path, sizeof path, "targets/%s", below);
	sim_world_serve(world, path, bytes);
	return payload;
}

/* `listed`: what the targets metadata says of it. */
static void describe(struct sim_world *world, struct sim_release *made, const struct dcd_release *release,
		     const struct dcd_release *listed)
{
	struct dcd_diag diag = { 0 };
	uint8_t *data = NULL;
	size_t len = 0;
	char path[160], hex[DCD_HASH_HEX_SIZE];
	check(repo_manifest_write(release, &data, &len, &diag), &diag);
	struct dcd_document_file file = { .length = len };
	dcd_hash_once(&dcd_sha256, data, len, &file.sha256);
	made->manifest_hash = file.sha256;
	dcd_hash_to_hex(&file.sha256, hex);
	(void)snprintf(path, sizeof path, "targets/releases/%s.%s.json", hex, made->version);
	sim_world_serve(world, path, sim_blob_new(data, len));
	free(data);
	struct dcd_json *entry = NULL;
	check(dcd_document_target_entry(&file, repo_manifest_custom(listed), &entry, &diag), &diag);
	(void)snprintf(path, sizeof path, "releases/%s.json", made->version);
	sign_targets(world, path, entry);
}

static const char *or_else(const char *text, const char *otherwise)
{
	return text != NULL ? text : otherwise;
}

int sim_world_publish(struct sim_world *world, const struct sim_publication *publication)
{
	const char *const boards[] = { or_else(publication->board, SIM_BOARD) };
	const char *const listed_boards[] = { or_else(publication->listed_board, boards[0]) };
	struct sim_release *made = calloc(1, sizeof *made);
	int index = world->release_count;
	if (made == NULL || index == SIM_RELEASES_MAX) {
		abort();
	}
	world->generation++;
	world->days_valid = publication->days_valid;
	(void)snprintf(made->version, sizeof made->version, "1.%d", index);
	made->bad = publication->bad;
	made->security_version = publication->security_version;
	struct dcd_release_payload payloads[SIM_CLASSES][64];
	struct dcd_release_image images[SIM_CLASSES];
	int first = index - publication->bases < 0 ? 0 : index - publication->bases;
	for (int c = 0; c < SIM_CLASSES; c++) {
		make_image(world, made, c);
	}
	if (publication->zeros) {
		memset(made->image[0] + ZERO_SEGMENT, 0, SIM_SEGMENT);
	}
	if (publication->alike) {
		make_alike(made);
	}
	for (int c = 0; c < SIM_CLASSES; c++) {
		size_t count = 0;
		payloads[c][count++] = encode(world, made, c, NULL, publication);
		for (int base = index - 1; base >= first; base--) {
			payloads[c][count++] = encode(world, made, c, world->releases[base], publication);
		}
		images[c] = (struct dcd_release_image){ sim_class_names[c], made->image_id[c], made->size[c], SIM_SEGMENT, count,
							payloads[c] };
	}
	world->releases[world->release_count++] = made;
	struct dcd_release release = {
		.product = or_else(publication->product, SIM_PRODUCT),
		.version = made->version,
		.channel = or_else(publication->channel, SIM_CHANNEL),
		.sequence_number = (uint64_t)index + 1,
		.security_version = made->security_version,
		.board_count = 1,
		.boards = boards,
		.requires_version = publication->requires_version,
		.image_count = SIM_CLASSES,
		.images = images,
	};
	if (publication->stone >= 0) {
		(void)snprintf(made->requires_version, sizeof made->requires_version, "%s",
			       world->releases[publication->stone]->version);
		release.requires_version = made->requires_version;
	}
	struct dcd_release listed = release;
	listed.boards = listed_boards;
	describe(world, made, &release, &listed);
	sign_upper(world);
	if (publication->bundle) {
		sim_bundle_serve(world, made, &release);
	}
	return index;
}

static struct dcd_signer *new_key(struct sim_world *world, enum dcd_key_algorithm algorithm)
{
	struct dcd_diag diag = { 0 };
	struct dcd_signer *signer = NULL;
	check(sim_key_signer(world->seed, world->keys_made++, algorithm, &signer, &diag), &diag);
	return signer;
}

static void new_keys(struct sim_world *world, enum role role, enum dcd_key_algorithm algorithm)
{
	struct role_keys *keys = &world->keys[role];
	keys->count = role == ROLE_ROOT ? KEYS_MAX : 1;
	keys->threshold = role == ROLE_ROOT ? KEYS_MAX - 1 : 1;
	for (size_t i = 0; i < keys->count; i++) {
		keys->signer[i] = new_key(world, algorithm);
	}
}

static void forget_keys(struct role_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++) {
		dcd_signer_close(keys->signer[i]);
	}
	*keys = (struct role_keys){ 0 };
}

/* Its last key is gone: nobody can sign with it again. The others vouch for the root in which another one stands at its place. */
static void replace_lost_root_key(struct sim_world *world, enum dcd_key_algorithm algorithm)
{
	struct role_keys *keys = &world->keys[ROLE_ROOT];
	dcd_signer_close(keys->signer[keys->count - 1]);
	keys->signer[keys->count - 1] = new_key(world, algorithm);
	sign_root(world);
}

static void replace_root_keys(struct sim_world *world, enum dcd_key_algorithm algorithm)
{
	world->old_root = world->keys[ROLE_ROOT];
	new_keys(world, ROLE_ROOT, algorithm);
	sign_root(world);
	forget_keys(&world->old_root);
}

static void raise_versions(struct sim_world *world, uint64_t forward)
{
	world->versions[ROLE_SNAPSHOT] += forward - world->forward;
	world->versions[ROLE_TIMESTAMP] += forward - world->forward;
	world->forward = forward;
}

void sim_world_fast_forward(struct sim_world *world)
{
	world->generation++;
	raise_versions(world, FAR_AHEAD);
	sign_upper(world);
}

void sim_world_rotate(struct sim_world *world, const struct sim_rotation *rotation)
{
	world->generation++;
	raise_versions(world, 0);
	int first = rotation->timestamp_only ? ROLE_TIMESTAMP : rotation->targets ? ROLE_TARGETS : ROLE_SNAPSHOT;
	for (int r = first; r < ROLES; r++) {
		forget_keys(&world->keys[r]);
		new_keys(world, (enum role)r, rotation->algorithm);
	}
	if (rotation->root_key_lost) {
		replace_lost_root_key(world, rotation->algorithm);
	} else {
		replace_root_keys(world, rotation->algorithm);
	}
	if (rotation->targets) {
		sign_targets(world, NULL, NULL);
	}
	sign_upper(world);
}

struct sim_world *sim_world_new(uint64_t seed)
{
	struct sim_world *world = calloc(1, sizeof *world);
	if (world == NULL) {
		abort();
	}
	world->seed = seed;
	world->now = SIM_EPOCH;
	for (int r = 0; r < ROLES; r++) {
		new_keys(world, (enum role)r, DCD_KEY_ECDSA_P256);
	}
	sign_root(world);
	return world;
}

void sim_world_free(struct sim_world *world)
{
	for (int b = 0; b < BUCKETS; b++) {
		for (struct served *at = world->buckets[b], *next; at != NULL; at = next) {
			next = at->next;
			sim_blob_drop(at->bytes);
			free(at);
		}
	}
	for (int i = 0; i < world->release_count; i++) {
		free(world->releases[i]);
	}
	for (int r = 0; r < ROLES; r++) {
		forget_keys(&world->keys[r]);
	}
	dcd_json_free(world->targets);
	free(world);
}

uint64_t sim_world_version(const struct sim_world *world, const char *role)
{
	int r = 0;
	while (strcmp(role_names[r], role) != 0) {
		r++;
	}
	return world->versions[r];
}

int sim_world_generation(const struct sim_world *world)
{
	return world->generation;
}

int64_t sim_world_now(const struct sim_world *world)
{
	return world->now;
}

void sim_world_set_now(struct sim_world *world, int64_t now)
{
	world->now = now;
}

int sim_world_release_count(const struct sim_world *world)
{
	return world->release_count;
}

const struct sim_release *sim_world_release(const struct sim_world *world, int index)
{
	return world->releases[index];
}

const struct sim_blob *sim_world_factory_root(const struct sim_world *world)
{
	return sim_world_file(world, "metadata/1.root.json", 0);
}

/* ---- slots ---- */

int sim_world_slot_release(const struct sim_world *world, const struct sim_image *image, int slot)
{
	for (int i = world->release_count - 1; i >= 0; i--) {
		const struct sim_release *release = world->releases[i];
		bool equal = true;
		for (int c = 0; c < SIM_CLASSES && equal; c++) {
			equal = memcmp(image->dev[slot * SIM_CLASSES + c], release->image[c], release->size[c]) == 0;
		}
		if (equal) {
			return i;
		}
	}
	return -1;
}

void sim_world_fill_slot(const struct sim_world *world, struct sim_image *image, int slot, int release)
{
	for (int c = 0; c < SIM_CLASSES; c++) {
		uint8_t *dev = image->dev[slot * SIM_CLASSES + c];
		size_t size = world->releases[0]->size[c];
		memset(dev, 0x3C, size);
		memset(dev + size, SLACK_BYTE, SIM_DEV_MAX - size);
		if (release >= 0) {
			memcpy(dev, world->releases[release]->image[c], world->releases[release]->size[c]);
		}
	}
}

bool sim_world_slack_intact(const struct sim_world *world, const struct sim_image *image)
{
	for (int d = 0; d < SIM_SLOT_DEVS; d++) {
		for (size_t i = world->releases[0]->size[d % SIM_CLASSES]; i < SIM_DEV_MAX; i++) {
			if (image->dev[d][i] != SLACK_BYTE) {
				return false;
			}
		}
	}
	return true;
}
