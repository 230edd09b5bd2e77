/* decade-delta apply: what a device does with a payload, on files. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/hex.h"
#include "bsdiff/apply/image_id.h"
#include "bsdiff/diff/ordered_pool.h"
#include "manifest/crypto/sha256.h"
#include "tools/delta/delta_commands.h"
#include "tools/delta/mapped_file.h"
#include "tools/delta/new_file.h"
#include "tools/delta/payload_file.h"
#include "tools/delta/progress_line.h"
#include "tools/delta/segment_maker.h"

/* One thread's part. */
struct share {
	struct dcd_segment_maker maker;
	uint32_t index; /* the segment that failed */
	int err;
	int write_error; /* its errno, 0 unless writing failed */
};

struct application {
	const char *old_path;
	struct dcd_payload_file payload;
	int base_fd;
	struct share *shares;
	unsigned threads;
	struct dcd_new_file out;
	struct dcd_progress_line line;
};

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
	return 0;
}

/* As many threads as were asked for and --max-memory has room for. */
static int shares_take(struct application *a, const struct dcd_delta_options *options, struct dcd_diag *diag)
{
	const struct dcd_payload *payload = &a->payload.payload;
	uint64_t max = options->max_memory, table = a->payload.table_length, need = dcd_segment_maker_need(payload);
	if (max != 0 && (need > max || table > max - need)) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY,
				    "%s: needs %llu bytes of memory, more than the %llu allowed by --max-memory", a->payload.path,
				    (unsigned long long)(table + need), (unsigned long long)max);
	}
	unsigned threads = dcd_pool_workers(options->threads == 0 ? 1 : options->threads);
	threads = (unsigned)dcd_min_u64(threads, payload->segment_count > 0 ? payload->segment_count : 1);
	threads = max == 0 ? threads : (unsigned)dcd_min_u64(threads, (max - table) / need);
	bool cache = max == 0 || DCD_BASE_CACHE_SIZE <= (max - table) / threads - need;
	a->shares = calloc(threads, sizeof *a->shares);
	for (a->threads = 0; a->shares != NULL && a->threads < threads; a->threads++) {
		if (dcd_segment_maker_begin(&a->shares[a->threads].maker, &a->payload, a->base_fd, cache) != 0) {
			dcd_segment_maker_free(&a->shares[a->threads].maker);
			break;
		}
	}
	if (a->threads == 0) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for %llu bytes of workspace", (unsigned long long)need);
	}
	return 0;
}

/* The base's image id, for the sentence that says which base was given. */
static int base_id(struct application *a, struct dcd_hash *ret)
{
	const struct dcd_payload *payload = &a->payload.payload;
	uint8_t *segment = a->shares[0].maker.segment;
	struct dcd_image_tree tree;
	dcd_image_tree_begin(&tree, &dcd_sha256);
	for (uint64_t at = 0; at < payload->base_size;) {
		uint64_t left = payload->base_size - at;
		size_t n = left < payload->segment_size ? (size_t)left : payload->segment_size;
		int err = dcd_file_read(a->base_fd, at, segment, n);
		if (err != 0) {
			return err;
		}
		struct dcd_hash leaf;
		dcd_segment_hash(&dcd_sha256, segment, n, &leaf);
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

static int fail(struct application *a, const struct share *share, struct dcd_diag *diag)
{
	const char *payload = a->payload.path;
	if (share->write_error != 0) {
		return dcd_diag_set(diag, share->err, "%s: cannot be written: %s", a->out.path, strerror(share->write_error));
	}
	switch (share->err) {
	case DCD_ERR_WRONG_BASE:
		return wrong_base_say(a, share->index, diag);
	case DCD_ERR_HASH:
		return dcd_diag_set(diag, share->err, "%s: damaged: the frame of segment %u differs from its hash", payload,
				    share->index);
	case DCD_ERR_IO:
		return dcd_diag_set(diag, share->err, "%s or %s cannot be read", a->old_path, payload);
	case DCD_ERR_UNSUPPORTED:
		return dcd_diag_set(diag, share->err, "%s: the frame of segment %u needs a newer decade-delta", payload,
				    share->index);
	default:
		return dcd_diag_set(diag, share->err, "%s: the frame of segment %u is malformed", payload, share->index);
	}
}

/* The medium may begin now, while the next segments are made; what goes wrong there, the sync at the end reports. */
static void write_early(const struct application *a, uint64_t offset, size_t len)
{
	(void)sync_file_range(a->out.fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

static int write_at(const struct application *a, struct share *share, uint64_t offset, size_t len)
{
	const uint8_t *data = share->maker.segment;
	while (len > 0) {
		ssize_t n = pwrite(a->out.fd, data, len, (off_t)offset);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			share->write_error = n < 0 ? errno : EIO;
			bool full = share->write_error == ENOSPC || share->write_error == EDQUOT || share->write_error == EFBIG;
			return full ? DCD_ERR_NO_SPACE : DCD_ERR_IO;
		}
		data += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* A dcd_pool_job's work: any segment in any order makes the same file. */
static int segment_apply(void *context, unsigned worker, uint64_t index, void *slot)
{
	(void)slot;
	struct application *a = context;
	struct share *share = &a->shares[worker];
	struct dcd_payload_entry entry;
	share->index = (uint32_t)index;
	share->err = dcd_segment_maker_make(&share->maker, share->index, &entry);
	/* The file has its size already and holes read as zeros, so a sparse image stays sparse. */
	if (share->err == 0 && entry.kind != DCD_FRAME_ZERO) {
		share->err = write_at(a, share, entry.segment_offset, entry.segment_length);
		write_early(a, entry.segment_offset, entry.segment_length);
	}
	return share->err;
}

static int segment_tell(void *context, uint64_t index, void *slot)
{
	(void)slot;
	struct application *a = context;
	const struct dcd_payload *payload = &a->payload.payload;
	dcd_progress_line_show(&a->line, "applying", dcd_min_u64((index + 1) * payload->segment_size, payload->image_size),
			       payload->image_size);
	return 0;
}

/* With one thread that is this one: a device has no room for another's stack. */
static int segments_run(struct application *a)
{
	uint32_t count = a->payload.payload.segment_count;
	if (a->threads > 1) {
		struct dcd_pool_job job = { segment_apply, segment_tell, a, a->threads, a, 0 };
		return dcd_pool_run(&job, 0, count);
	}
	int err = 0;
	for (uint32_t i = 0; err == 0 && i < count; i++) {
		err = segment_apply(a, 0, i, NULL);
		err = err != 0 ? err : segment_tell(a, i, NULL);
	}
	return err;
}

static int segments_apply(struct application *a, struct dcd_diag *diag)
{
	const struct dcd_payload *payload = &a->payload.payload;
	if (ftruncate(a->out.fd, (off_t)payload->image_size) != 0) {
		return dcd_diag_set(diag, DCD_ERR_NO_SPACE, "%s: cannot be made %llu bytes long: %s", a->out.path,
				    (unsigned long long)payload->image_size, strerror(errno));
	}
	int err = segments_run(a);
	const struct share *failed = NULL;
	for (unsigned i = 0; i < a->threads; i++) {
		const struct share *share = &a->shares[i];
		failed = share->err != 0 && (failed == NULL || share->index < failed->index) ? share : failed;
	}
	return failed != NULL ? fail(a, failed, diag) : err == 0 ? 0 : dcd_diag_set(diag, err, "no thread could be started");
}

static int apply_opened(struct application *a, const char *new_path, const struct dcd_delta_options *options,
			struct dcd_diag *diag)
{
	int err = base_open(a, diag);
	err = err != 0 ? err : shares_take(a, options, diag);
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
	struct application a = { .old_path = old_path, .base_fd = -1 };
	int err = dcd_payload_file_open(payload_path, &a.payload, diag);
	if (err != 0) {
		return err;
	}
	err = apply_opened(&a, new_path, options, diag);
	if (a.base_fd >= 0) {
		close(a.base_fd);
	}
	for (unsigned i = 0; i < a.threads; i++) {
		dcd_segment_maker_free(&a.shares[i].maker);
	}
	free(a.shares);
	dcd_payload_file_close(&a.payload);
	return err;
}
