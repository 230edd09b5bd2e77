/* decade-delta apply: what a device does with a payload, on files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "bsdiff/apply/image_id.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/codec/zstd_decode.h"
#include "manifest/crypto/sha256.h"
#include "tools/delta/base_cache.h"
#include "tools/delta/delta_commands.h"
#include "tools/delta/mapped_file.h"
#include "tools/delta/new_file.h"
#include "tools/delta/payload_file.h"
#include "tools/delta/progress_line.h"

struct application {
	const char *old_path;
	struct dcd_payload_file payload;
	struct dcd_decoder zstd;
	struct dcd_packer packer;
	int base_fd;
	struct dcd_reader base_file;
	struct dcd_base_cache cache;
	struct dcd_reader base; /* through the cache */
	uint8_t *segment;
	uint8_t *memory; /* a frame, and its workspace behind it */
	size_t memory_size;
	struct dcd_new_file out;
	struct dcd_progress_line line;
	bool zero_known;
	struct dcd_hash zero_leaf; /* of a whole zero segment, once one has been made and checked */
};

static int base_read(void *context, uint64_t offset, void *buf, size_t len)
{
	const struct application *a = context;
	return dcd_file_read(a->base_fd, offset, buf, len);
}

static int base_open(struct application *a, struct dcd_diag *diag)
{
	const struct dcd_payload *payload = &a->payload.payload;
	a->base_fd = open(a->old_path, O_RDONLY | O_CLOEXEC);
	if (a->base_fd < 0) {
		return dcd_diag_set(diag, errno == ENOENT ? DCD_ERR_NOT_FOUND : DCD_ERR_IO, "%s: %s", a->old_path,
				    strerror(errno));
	}
	uint64_t size;
	int err = dcd_file_size(a->base_fd, a->old_path, &size, diag);
	if (err != 0) {
		return err;
	}
	/* A slot may be larger than the image in it, and a full payload needs nothing of OLD. */
	if (size < payload->base_size) {
		return dcd_diag_set(diag, DCD_ERR_WRONG_BASE,
				    "%s: has %llu bytes, but the payload was made against an image of %llu bytes: give that one",
				    a->old_path, (unsigned long long)size, (unsigned long long)payload->base_size);
	}
	a->base_file = (struct dcd_reader){ base_read, a, payload->base_size };
	a->cache.file = &a->base_file;
	a->base = dcd_base_cache_reader(&a->cache);
	return 0;
}

static int memory_take(struct application *a, uint64_t max_memory, struct dcd_diag *diag)
{
	const struct dcd_payload *payload = &a->payload.payload;
	a->memory_size = dcd_frame_memory_size(payload, &a->zstd);
	uint64_t need = a->payload.table_length + payload->segment_size + a->memory_size;
	if (max_memory != 0 && need > max_memory) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY,
				    "%s: needs %llu bytes of memory, more than the %llu allowed by --max-memory", a->payload.path,
				    (unsigned long long)need, (unsigned long long)max_memory);
	}
	a->memory = aligned_alloc(16, a->memory_size);
	a->segment = malloc(payload->segment_size);
	if (a->segment == NULL || a->memory == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for %llu bytes of workspace", (unsigned long long)need);
	}
	/* Where the limit leaves no room for it, or the machine none, it is done without, only slower. */
	if (payload->base_size > 0 && (max_memory == 0 || DCD_BASE_CACHE_SIZE <= max_memory - need)) {
		a->cache.pages = malloc(DCD_BASE_CACHE_SIZE);
	}
	return 0;
}

/* The base's image id, for the sentence that says which base was given. */
static int base_id(struct application *a, struct dcd_hash *ret)
{
	const struct dcd_payload *payload = &a->payload.payload;
	struct dcd_image_tree tree;
	dcd_image_tree_begin(&tree, &dcd_sha256);
	for (uint64_t at = 0; at < payload->base_size;) {
		uint64_t left = payload->base_size - at;
		size_t n = left < payload->segment_size ? (size_t)left : payload->segment_size;
		int err = dcd_file_read(a->base_fd, at, a->segment, n);
		if (err != 0) {
			return err;
		}
		struct dcd_hash leaf;
		dcd_segment_hash(&dcd_sha256, a->segment, n, &leaf);
		dcd_image_tree_add(&tree, &leaf);
		at += n;
	}
	dcd_image_tree_id(&tree, payload->base_size, payload->segment_size, ret);
	return 0;
}

static int wrong_base_say(struct application *a, uint32_t index, struct dcd_diag *diag)
{
	struct dcd_hash id;
	char wanted[DCD_HASH_HEX_SIZE], found[DCD_HASH_HEX_SIZE] = "unreadable";
	dcd_hash_to_hex(&a->payload.payload.base_id, wanted);
	if (base_id(a, &id) == 0) {
		dcd_hash_to_hex(&id, found);
	}
	return dcd_diag_set(diag, DCD_ERR_WRONG_BASE,
			    "%s: not the base of %s: segment %u comes out wrong; it has image id %s, the payload needs %s",
			    a->old_path, a->payload.path, index, found, wanted);
}

static int segment_fail(struct application *a, uint32_t index, int err, struct dcd_diag *diag)
{
	switch (err) {
	case DCD_ERR_WRONG_BASE:
		return wrong_base_say(a, index, diag);
	case DCD_ERR_HASH:
		return dcd_diag_set(diag, err, "%s: damaged: the frame of segment %u differs from its hash", a->payload.path,
				    index);
	case DCD_ERR_IO:
		return dcd_diag_set(diag, err, "%s: cannot be read", a->old_path);
	case DCD_ERR_UNSUPPORTED:
		return dcd_diag_set(diag, err, "%s: the frame of segment %u needs a newer decade-delta", a->payload.path, index);
	default:
		return dcd_diag_set(diag, err, "%s: the frame of segment %u is malformed", a->payload.path, index);
	}
}

/* The medium may begin now, while the next segments are made; what goes wrong there, the sync at the end reports. */
static void write_early(const struct application *a, uint64_t offset, size_t len)
{
	(void)sync_file_range(a->out.fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

static int write_at(const struct application *a, uint64_t offset, const uint8_t *data, size_t len, struct dcd_diag *diag)
{
	while (len > 0) {
		ssize_t n = pwrite(a->out.fd, data, len, (off_t)offset);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			int err = n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) ? DCD_ERR_NO_SPACE : DCD_ERR_IO;
			return dcd_diag_set(diag, err, "%s: cannot be written: %s", a->out.path, strerror(errno));
		}
		data += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int segment_apply(struct application *a, uint32_t index, uint64_t *frame_offset, struct dcd_diag *diag)
{
	struct dcd_payload_entry entry;
	dcd_payload_entry(&a->payload.payload, index, &entry);
	if (dcd_file_read(a->payload.fd, *frame_offset, a->memory, entry.frame_length) != 0) {
		return dcd_diag_set(diag, DCD_ERR_IO, "%s: cannot be read", a->payload.path);
	}
	*frame_offset += entry.frame_length;
	bool whole_zero = entry.kind == DCD_FRAME_ZERO && entry.segment_length == a->payload.payload.segment_size;
	if (whole_zero && a->zero_known && dcd_hash_equal(&entry.segment_hash, &a->zero_leaf)) {
		return 0; /* hashing the same zeros again would be most of the work for a sparse image */
	}
	struct dcd_frame_tools tools = { .alg = &dcd_sha256, .zstd = &a->zstd, .base = &a->base, .packer = &a->packer };
	dcd_frame_share_memory(&tools, a->memory, a->memory_size, entry.frame_length);
	int err = dcd_frame_make_segment(&entry, a->memory, entry.frame_length, &tools, a->segment);
	if (err != 0) {
		return segment_fail(a, index, err, diag);
	}
	if (whole_zero) {
		a->zero_known = true;
		a->zero_leaf = entry.segment_hash;
	}
	/* The file has its size already and holes read as zeros, so a sparse image stays sparse. */
	if (entry.kind != DCD_FRAME_ZERO) {
		err = write_at(a, entry.segment_offset, a->segment, entry.segment_length, diag);
		write_early(a, entry.segment_offset, entry.segment_length);
	}
	dcd_progress_line_show(&a->line, "applying", entry.segment_offset + entry.segment_length, a->payload.payload.image_size);
	return err;
}

static int segments_apply(struct application *a, struct dcd_diag *diag)
{
	const struct dcd_payload *payload = &a->payload.payload;
	if (ftruncate(a->out.fd, (off_t)payload->image_size) != 0) {
		return dcd_diag_set(diag, DCD_ERR_NO_SPACE, "%s: cannot be made %llu bytes long: %s", a->out.path,
				    (unsigned long long)payload->image_size, strerror(errno));
	}
	uint64_t frame_offset = dcd_payload_frames_offset(payload);
	for (uint32_t i = 0; i < payload->segment_count; i++) {
		int err = segment_apply(a, i, &frame_offset, diag);
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

static int apply_opened(struct application *a, const char *new_path, uint64_t max_memory, struct dcd_diag *diag)
{
	int err = base_open(a, diag);
	err = err != 0 ? err : memory_take(a, max_memory, diag);
	err = err != 0 ? err : dcd_new_file_create(new_path, &a->out, diag);
	if (err != 0) {
		return err;
	}
	dcd_progress_line_begin(&a->line);
	err = segments_apply(a, diag);
	dcd_progress_line_end(&a->line);
	if (err != 0) {
		dcd_new_file_drop(&a->out);
		return err;
	}
	/* Every segment matched the table and the table the image id: the whole is what was meant. */
	return dcd_new_file_commit(&a->out, diag);
}

int dcd_delta_command_apply(const char *old_path, const char *payload_path, const char *new_path,
			    const struct dcd_delta_options *options, struct dcd_diag *diag)
{
	struct application a = { .old_path = old_path, .zstd = dcd_zstd_decoder(), .packer = dcd_block_packer(), .base_fd = -1 };
	int err = dcd_payload_file_open(payload_path, &a.payload, diag);
	if (err != 0) {
		return err;
	}
	err = apply_opened(&a, new_path, options->max_memory, diag);
	if (a.base_fd >= 0) {
		close(a.base_fd);
	}
	free(a.cache.pages);
	free(a.segment);
	free(a.memory);
	dcd_payload_file_close(&a.payload);
	return err;
}
