#include "updater/engine/slot_identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "bsdiff/apply/image_id.h"
#include "updater/engine/policy.h"

#define HASH_CHUNK (64U << 10)

/* Hashes segments one after the other. Zeros are most of many an image, so the leaf of a whole segment of them is computed once.
 */
struct segment_hasher {
	struct dcd_engine *engine;
	struct dcd_blockdev *dev;
	uint8_t *chunk; /* HASH_CHUNK bytes */
	uint8_t *zeros; /* HASH_CHUNK bytes */
	uint64_t zero_length;
	struct dcd_hash zero_leaf;
};

static void update_zeros(struct segment_hasher *hasher, struct dcd_hash_state *state, uint64_t length)
{
	for (uint64_t done = 0; done < length; done += HASH_CHUNK) {
		hasher->engine->alg->update(state, hasher->zeros, (size_t)dcd_min_u64(length - done, HASH_CHUNK));
	}
}

static int hash_segment(struct segment_hasher *hasher, uint64_t offset, uint64_t length, struct dcd_hash *ret)
{
	const struct dcd_hash_alg *alg = hasher->engine->alg;
	struct dcd_hash_state state;
	uint64_t leading_zeros = 0; /* not hashed yet */
	dcd_segment_hash_begin(alg, &state);
	for (uint64_t done = 0; done < length;) {
		size_t n = (size_t)dcd_min_u64(length - done, HASH_CHUNK);
		int err = hasher->dev->ops->read_medium(hasher->dev, offset + done, hasher->chunk, n);
		if (err != 0) {
			return err;
		}
		if (leading_zeros == done && dcd_all_zero(hasher->chunk, n)) {
			leading_zeros += n;
		} else {
			if (leading_zeros == done) {
				update_zeros(hasher, &state, leading_zeros);
			}
			alg->update(&state, hasher->chunk, n);
		}
		done += n;
	}
	if (leading_zeros == length && hasher->zero_length == length) {
		*ret = hasher->zero_leaf;
		return 0;
	}
	if (leading_zeros == length) {
		update_zeros(hasher, &state, length);
	}
	dcd_segment_hash_end(alg, &state, ret);
	if (leading_zeros == length) {
		hasher->zero_length = length;
		hasher->zero_leaf = *ret;
	}
	return 0;
}

int dcd_slot_image_id(struct dcd_engine *engine, struct dcd_blockdev *dev, uint64_t size, uint32_t segment_size,
		      struct dcd_hash *ret, struct dcd_diag *diag)
{
	if (size > dev->size) {
		return dcd_diag_set(diag, DCD_ERR_SLOT_TOO_SMALL, "%s has %llu bytes, fewer than the image's %llu", dev->name,
				    (unsigned long long)dev->size, (unsigned long long)size);
	}
	DCD_AUTO_FREE uint8_t *chunk = malloc(HASH_CHUNK);
	DCD_AUTO_FREE uint8_t *zeros = calloc(1, HASH_CHUNK);
	struct segment_hasher hasher = { .engine = engine, .dev = dev, .chunk = chunk, .zeros = zeros };
	if (chunk == NULL || zeros == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to hash %s", dev->name);
	}
	struct dcd_image_tree tree;
	struct dcd_progress progress = { .stage = DCD_STAGE_SCANNING, .total = size };
	dcd_image_tree_begin(&tree, engine->alg);
	for (uint64_t offset = 0; offset < size;) {
		uint64_t length = dcd_min_u64(size - offset, segment_size);
		struct dcd_hash leaf;
		int err = hash_segment(&hasher, offset, length, &leaf);
		if (err != 0) {
			return dcd_diag_set(diag, err, "%s: reading at %llu failed", dev->name, (unsigned long long)offset);
		}
		dcd_image_tree_add(&tree, &leaf);
		offset += length;
		progress.done = offset;
		if (engine->progress.report != NULL && engine->progress.report(engine->progress.context, &progress) != 0) {
			return dcd_diag_set(diag, DCD_ERR_CANCELLED, "cancelled while hashing %s", dev->name);
		}
	}
	dcd_image_tree_id(&tree, size, segment_size, ret);
	return 0;
}

/* Whether the image is the release's own, or the base of one of its deltas. */
static bool is_known(const struct dcd_release_image *image, uint64_t size, const struct dcd_hash *id)
{
	bool known = image->size == size && dcd_hash_equal(&image->image_id, id);
	for (size_t i = 0; i < image->payload_count && !known; i++) {
		const struct dcd_release_payload *payload = &image->payloads[i];
		known = payload->base_version != NULL && payload->base_size == size && dcd_hash_equal(&payload->base_id, id);
	}
	return known;
}

static size_t distinct_sizes(const struct dcd_release_image *image, uint64_t *sizes)
{
	size_t count = 0;
	sizes[count++] = image->size;
	for (size_t i = 0; i < image->payload_count && count < DCD_IDENTIFY_SIZES_MAX; i++) {
		bool seen = image->payloads[i].base_version == NULL;
		for (size_t j = 0; j < count && !seen; j++) {
			seen = sizes[j] == image->payloads[i].base_size;
		}
		if (!seen) {
			sizes[count++] = image->payloads[i].base_size;
		}
	}
	return count;
}

static int identify_image(struct dcd_engine *engine, const struct dcd_release_image *image, int slot, struct dcd_slot_image *ret,
			  struct dcd_diag *diag)
{
	struct dcd_blockdev *dev = NULL;
	int err = engine->slots.open(engine->slots.context, slot, image->class_name, false, &dev, diag);
	if (err != 0) {
		return err;
	}
	uint64_t sizes[DCD_IDENTIFY_SIZES_MAX];
	size_t count = distinct_sizes(image, sizes);
	err = DCD_ERR_UNKNOWN_CONTENT;
	for (size_t i = 0; i < count && err == DCD_ERR_UNKNOWN_CONTENT; i++) {
		struct dcd_hash id;
		if (sizes[i] > dev->size) {
			continue;
		}
		int hash_err = dcd_slot_image_id(engine, dev, sizes[i], image->segment_size, &id, diag);
		if (hash_err != 0) {
			err = hash_err;
		} else if (is_known(image, sizes[i], &id)) {
			ret->image_id = id;
			ret->size = sizes[i];
			err = 0;
		}
	}
	dev->ops->close(dev);
	return err;
}

static void set_name(char name[DCD_NAME_SIZE], const char *from)
{
	size_t len = strnlen(from, DCD_NAME_SIZE - 1);
	memcpy(name, from, len);
	memset(name + len, 0, DCD_NAME_SIZE - len);
}

/* The rest of the record, as far as the repository still lists that release. */
static void complete_record(const struct dcd_tuf *tuf, struct dcd_slot_record *record)
{
	struct dcd_tuf_target target;
	struct dcd_release_summary summary;
	if (dcd_policy_find_version(tuf, record->version, &target, &summary, NULL) == 0) {
		record->manifest_hash = target.sha256;
		record->sequence_number = summary.sequence_number;
		record->security_version = summary.security_version;
	}
}

/* ---- which release is it? ---- */

/* How many of the slot's images the manifest ascribes to that version. */
static size_t count_images(const struct dcd_release *release, const struct dcd_slot_record *record, const char *version)
{
	size_t count = 0;
	for (size_t i = 0; i < record->image_count; i++) {
		const struct dcd_release_image *image = &release->images[i];
		const struct dcd_hash *id = &record->images[i].image_id;
		bool found = strcmp(release->version, version) == 0 && dcd_hash_equal(&image->image_id, id);
		for (size_t p = 0; p < image->payload_count && !found; p++) {
			const struct dcd_release_payload *payload = &image->payloads[p];
			found = payload->base_version != NULL && strcmp(payload->base_version, version) == 0 &&
				dcd_hash_equal(&payload->base_id, id);
		}
		count += found ? 1U : 0U;
	}
	return count;
}

static uint64_t sequence_of(const struct dcd_tuf *tuf, const char *version)
{
	struct dcd_tuf_target target;
	struct dcd_release_summary summary;
	return dcd_policy_find_version(tuf, version, &target, &summary, NULL) == 0 ? summary.sequence_number : 0;
}

struct candidate {
	const char *version;
	size_t images;
	uint64_t sequence;
};

static void consider(const struct dcd_tuf *tuf, const struct dcd_release *release, const struct dcd_slot_record *record,
		     const char *version, struct candidate *best)
{
	struct candidate c = { version, count_images(release, record, version), sequence_of(tuf, version) };
	if (c.images > best->images || (c.images == best->images && c.images > 0 && c.sequence < best->sequence)) {
		*best = c;
	}
}

enum answer { NO, YES, NOBODY_KNOWS };

/* Whether that version's own manifest has every image that was found. A stream has gone past the manifests. */
static enum answer has_every_image(struct dcd_engine *engine, struct dcd_tuf *tuf, const char *version,
				   const struct dcd_slot_record *found)
{
	struct dcd_tuf_target target;
	struct dcd_release_summary summary;
	char path[DCD_TUF_PATH_SIZE];
	DCD_CLEANUP(dcd_release_freep) struct dcd_release *release = NULL;
	if (dcd_policy_find_version(tuf, version, &target, &summary, NULL) != 0) {
		return NO;
	}
	if (engine->source->sequential || dcd_tuf_target_path(tuf, &target, path, NULL) != 0 ||
	    !dcd_source_has(engine->source, path)) {
		return NOBODY_KNOWS;
	}
	if (dcd_release_load(tuf, &target, &release, NULL) != 0) {
		return NO;
	}
	for (size_t i = 0; i < found->image_count; i++) {
		const struct dcd_release_image *image = dcd_release_image_find(release, found->images[i].class_name);
		if (image == NULL || !dcd_hash_equal(&image->image_id, &found->images[i].image_id)) {
			return NO;
		}
	}
	return YES;
}

/*
 * Releases share images: a kernel that didn't change has the same id in all of them, and the manifest names it as the base of
 * one. So images of one release can come with different names, and the manifests of those tell. Without them it is the release
 * that most of the images are ascribed to, the oldest of these. Null: none.
 */
static const char *find_version(struct dcd_engine *engine, struct dcd_tuf *tuf, const struct dcd_release *release,
				const struct dcd_slot_record *record)
{
	struct candidate best = { release->version, count_images(release, record, release->version), UINT64_MAX };
	bool doubt = false;
	if (best.images == record->image_count) {
		return release->version;
	}
	for (size_t i = 0; i < record->image_count; i++) {
		const struct dcd_release_image *image = &release->images[i];
		for (size_t p = 0; p < image->payload_count; p++) {
			const char *version = image->payloads[p].base_version;
			if (version == NULL || !dcd_hash_equal(&image->payloads[p].base_id, &record->images[i].image_id)) {
				continue;
			}
			consider(tuf, release, record, version, &best);
			enum answer answer =
				best.images == record->image_count ? YES : has_every_image(engine, tuf, version, record);
			if (answer == YES) {
				return best.images == record->image_count ? best.version : version;
			}
			doubt = doubt || answer == NOBODY_KNOWS;
		}
	}
	return doubt ? best.version : NULL;
}

int dcd_slot_identify(struct dcd_engine *engine, struct dcd_tuf *tuf, const struct dcd_release *release, int slot,
		      struct dcd_slot_record *ret, struct dcd_diag *diag)
{
	*ret = (struct dcd_slot_record){ .content = DCD_CONTENT_UNKNOWN };
	for (size_t i = 0; i < release->image_count && i < DCD_SLOT_IMAGES_MAX; i++) {
		const struct dcd_release_image *image = &release->images[i];
		struct dcd_slot_image known = { .segment_size = image->segment_size };
		int err = identify_image(engine, image, slot, &known, diag);
		if (err == 0) {
			set_name(known.class_name, image->class_name);
			ret->images[ret->image_count++] = known;
		} else if (err != DCD_ERR_UNKNOWN_CONTENT) {
			return err;
		}
	}
	if (ret->image_count == 0 || ret->image_count < release->image_count) {
		return dcd_diag_set(diag, DCD_ERR_UNKNOWN_CONTENT, "the running slot holds no release that the repository knows");
	}
	const char *version = find_version(engine, tuf, release, ret);
	if (version == NULL) {
		return dcd_diag_set(diag, DCD_ERR_UNKNOWN_CONTENT, "the running slot's images are of different releases");
	}
	ret->content = DCD_CONTENT_VERIFIED;
	set_name(ret->version, version);
	complete_record(tuf, ret);
	return 0;
}
