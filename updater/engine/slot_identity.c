#include "updater/engine/slot_identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "bsdiff/apply/image_id.h"
#include "updater/engine/policy.h"

#define HASH_CHUNK (64U << 10)

/* Hashes segments one after the other. Zeros are most of many an image, so the leaf of a whole segment of them is computed once. */
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

int dcd_slot_image_id(struct dcd_engine *engine, struct dcd_blockdev *dev, uint64_t size, uint32_t segment_size, struct dcd_hash *ret,
		      struct dcd_diag *diag)
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

/* One image of the slot: which version's image is it? Null when it is none that the manifest knows. */
struct known_image {
	const char *version;
	struct dcd_hash image_id;
	uint64_t size;
};

static bool match_size(const struct dcd_release *release, const struct dcd_release_image *image, uint64_t size, const struct dcd_hash *id,
		       struct known_image *ret)
{
	if (image->size == size && dcd_hash_equal(&image->image_id, id)) {
		*ret = (struct known_image){ release->version, *id, size };
		return true;
	}
	for (size_t i = 0; i < image->payload_count; i++) {
		const struct dcd_release_payload *payload = &image->payloads[i];
		if (payload->base_version != NULL && payload->base_size == size && dcd_hash_equal(&payload->base_id, id)) {
			*ret = (struct known_image){ payload->base_version, *id, size };
			return true;
		}
	}
	return false;
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

static int identify_image(struct dcd_engine *engine, const struct dcd_release *release, const struct dcd_release_image *image, int slot,
			  struct known_image *ret, struct dcd_diag *diag)
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
		} else if (match_size(release, image, sizes[i], &id, ret)) {
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

/* True when that version is listed and its manifest has every image that was found. */
static bool has_every_image(struct dcd_tuf *tuf, const char *version, const struct dcd_slot_record *found)
{
	struct dcd_tuf_target target;
	struct dcd_release_summary summary;
	DCD_CLEANUP(dcd_release_freep) struct dcd_release *release = NULL;
	if (dcd_policy_find_version(tuf, version, &target, &summary, NULL) != 0 || dcd_release_load(tuf, &target, &release, NULL) != 0) {
		return false;
	}
	bool all = true;
	for (size_t i = 0; all && i < found->image_count; i++) {
		const struct dcd_release_image *image = dcd_release_image_find(release, found->images[i].class_name);
		all = image != NULL && dcd_hash_equal(&image->image_id, &found->images[i].image_id);
	}
	return all;
}

/*
 * The one version of all images. An image that several releases share goes by the name of only one of them, so that images of one release can
 * come with different names: the manifests of those tell.
 */
static const char *common_version(struct dcd_tuf *tuf, const struct dcd_slot_record *found, const char *const *versions)
{
	size_t same = 1;
	while (same < found->image_count && strcmp(versions[same], versions[0]) == 0) {
		same++;
	}
	if (same >= found->image_count) {
		return versions[0];
	}
	for (size_t i = 0; i < found->image_count; i++) {
		bool seen = false;
		for (size_t j = 0; j < i && !seen; j++) {
			seen = strcmp(versions[i], versions[j]) == 0;
		}
		if (!seen && has_every_image(tuf, versions[i], found)) {
			return versions[i];
		}
	}
	return NULL;
}

int dcd_slot_identify(struct dcd_engine *engine, struct dcd_tuf *tuf, const struct dcd_release *release, int slot,
		      struct dcd_slot_record *record, struct dcd_diag *diag)
{
	struct dcd_slot_record found = { .content = DCD_CONTENT_VERIFIED };
	const char *versions[DCD_SLOT_IMAGES_MAX] = { "" };
	for (size_t i = 0; i < release->image_count && i < DCD_SLOT_IMAGES_MAX; i++) {
		const struct dcd_release_image *image = &release->images[i];
		struct known_image known = { 0 };
		int err = identify_image(engine, release, image, slot, &known, diag);
		if (err == DCD_ERR_UNKNOWN_CONTENT) {
			return dcd_diag_set(diag, err, "the running slot holds no release that the repository knows");
		}
		if (err != 0) {
			return err;
		}
		versions[i] = known.version;
		set_name(found.images[i].class_name, image->class_name);
		found.images[i].image_id = known.image_id;
		found.images[i].size = known.size;
		found.images[i].segment_size = image->segment_size;
		found.image_count = i + 1;
	}
	const char *version = common_version(tuf, &found, versions);
	if (version == NULL) {
		return dcd_diag_set(diag, DCD_ERR_UNKNOWN_CONTENT, "the running slot's images are of different releases");
	}
	set_name(found.version, version);
	complete_record(tuf, &found);
	*record = found;
	return 0;
}
