#include "tools/repo/repo_payload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bsdiff/apply/frame.h"
#include "bsdiff/apply/image_id.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/codec/zstd_decode.h"
#include "manifest/crypto/sha256.h"
#include "tools/repo/repo_text.h"

static int read_exactly(const char *path, int fd, uint64_t offset, void *buf, size_t len, struct dcd_diag *diag)
{
	uint8_t *p = buf;
	while (len > 0) {
		ssize_t n = pread(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return repo_file_error(diag, "read", path);
		}
		if (n == 0) {
			return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: ends too early", path);
		}
		p += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Before anything is read: the sizes that the manifest signed for. */
static int check_length(const struct repo_payload *payload, const struct dcd_release_payload *expected, struct dcd_diag *diag)
{
	struct stat st;
	if (fstat(payload->fd, &st) != 0) {
		return repo_file_error(diag, "read", payload->path);
	}
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != expected->length) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: has %lld bytes, its release says %llu", payload->path,
				    (long long)st.st_size, (unsigned long long)expected->length);
	}
	if (expected->table_length > expected->length || expected->table_length > DCD_FORMAT_TABLE_LENGTH_MAX) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its release gives its table an impossible length",
				    payload->path);
	}
	return 0;
}

static int open_table(struct repo_payload *payload, const struct dcd_release_payload *expected, struct dcd_diag *diag)
{
	size_t len = (size_t)expected->table_length;
	payload->table = repo_alloc(len, 1);
	int err = read_exactly(payload->path, payload->fd, 0, payload->table, len, diag);
	if (err != 0) {
		return err;
	}
	struct dcd_hash hash;
	dcd_hash_once(&dcd_sha256, payload->table, len, &hash);
	if (!dcd_hash_equal(&hash, &expected->table_hash)) {
		return dcd_diag_set(diag, DCD_ERR_HASH, "%s: the SHA-256 of its table isn't the one that its release signed for",
				    payload->path);
	}
	err = dcd_payload_open(payload->table, len, &dcd_sha256, &payload->view);
	return err == 0 ? 0
			: dcd_diag_set(diag, err, "%s: its table breaks the payload format (%s)", payload->path,
				       dcd_err_name(err));
}

static int check_agreement(const struct repo_payload *payload, const struct dcd_release_image *image,
			   const struct dcd_release_payload *expected, struct dcd_diag *diag)
{
	const struct dcd_payload *view = &payload->view;
	if (!dcd_hash_equal(&view->image_id, &image->image_id) || view->image_size != image->size ||
	    view->segment_size != image->segment_size || !dcd_hash_equal(&view->base_id, &expected->base_id) ||
	    view->base_size != expected->base_size) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED,
				    "%s: makes another image, or from another base, than its release says", payload->path);
	}
	if (dcd_payload_frames_offset(view) + view->frames_length != expected->length) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: its frames don't end where the file does", payload->path);
	}
	return 0;
}

int repo_payload_open(const char *path, const struct dcd_release_image *image, const struct dcd_release_payload *expected,
		      struct repo_payload *ret, struct dcd_diag *diag)
{
	struct repo_payload payload = { .path = repo_text("%s", path), .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
	int err = 0;
	if (payload.fd < 0) {
		err = errno == ENOENT || errno == ENOTDIR ? dcd_diag_set(diag, DCD_ERR_UNLISTED, "%s: is missing", path)
							  : repo_file_error(diag, "read", path);
	}
	if (err == 0) {
		err = check_length(&payload, expected, diag);
	}
	if (err == 0) {
		err = open_table(&payload, expected, diag);
	}
	if (err == 0) {
		err = check_agreement(&payload, image, expected, diag);
	}
	if (err != 0) {
		repo_payload_close(&payload);
		return err;
	}
	*ret = payload;
	return 0;
}

static int describe(struct repo_payload *payload, uint64_t size, struct dcd_release_payload *ret,
		    struct dcd_release_image *ret_image, struct dcd_diag *diag)
{
	uint8_t header[DCD_FORMAT_HEADER_SIZE];
	struct dcd_release_payload said = { .length = size };
	int err = read_exactly(payload->path, payload->fd, 0, header, sizeof header, diag);
	if (err == 0 && (dcd_payload_table_length(header, sizeof header, &said.table_length) != 0 || said.table_length > size)) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: is no payload", payload->path);
	}
	if (err != 0) {
		return err;
	}
	payload->table = repo_alloc((size_t)said.table_length, 1);
	err = read_exactly(payload->path, payload->fd, 0, payload->table, (size_t)said.table_length, diag);
	if (err == 0) {
		err = dcd_payload_open(payload->table, (size_t)said.table_length, &dcd_sha256, &payload->view);
		err = err == 0 ? 0 : dcd_diag_set(diag, err, "%s: its table breaks the payload format", payload->path);
	}
	if (err == 0) {
		dcd_hash_once(&dcd_sha256, payload->table, (size_t)said.table_length, &said.table_hash);
		said.base_id = payload->view.base_id;
		said.base_size = payload->view.base_size;
		*ret = said;
		*ret_image = (struct dcd_release_image){ .image_id = payload->view.image_id,
							 .size = payload->view.image_size,
							 .segment_size = payload->view.segment_size };
	}
	return err;
}

int repo_payload_describe(const char *path, struct dcd_release_payload *ret, struct dcd_release_image *ret_image,
			  struct dcd_diag *diag)
{
	struct repo_payload payload = { .path = repo_text("%s", path), .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
	struct stat st;
	int err = payload.fd < 0 || fstat(payload.fd, &st) != 0 ? repo_file_error(diag, "read", path) : 0;
	if (err == 0) {
		err = describe(&payload, (uint64_t)st.st_size, ret, ret_image, diag);
	}
	repo_payload_close(&payload);
	return err;
}

void repo_payload_close(struct repo_payload *payload)
{
	free(payload->path);
	free(payload->table);
	repo_file_closep(&payload->fd);
	*payload = (struct repo_payload){ .fd = -1 };
}

int repo_payload_check_frames(const struct repo_payload *payload, struct repo_progress *progress, struct dcd_diag *diag)
{
	DCD_AUTO_FREE uint8_t *frame = repo_alloc(payload->view.max_frame, 1);
	uint64_t offset = dcd_payload_frames_offset(&payload->view);
	for (uint32_t i = 0; i < payload->view.segment_count; i++) {
		struct dcd_payload_entry entry;
		struct dcd_hash hash;
		dcd_payload_entry(&payload->view, i, &entry);
		if (entry.frame_length == 0) {
			continue;
		}
		int err = read_exactly(payload->path, payload->fd, offset, frame, entry.frame_length, diag);
		if (err != 0) {
			return err;
		}
		dcd_hash_once(&dcd_sha256, frame, entry.frame_length, &hash);
		if (!dcd_hash_equal(&hash, &entry.frame_hash)) {
			return dcd_diag_set(diag, DCD_ERR_HASH, "%s: the SHA-256 of frame %u isn't the one in its table",
					    payload->path, i);
		}
		offset += entry.frame_length;
		repo_progress_step(progress, "hash", i, payload->view.segment_count);
	}
	return 0;
}

/* ---- making segments ---- */

static int mapping_read(void *context, uint64_t offset, void *buf, size_t len)
{
	const struct repo_mapping *mapping = context;
	memcpy(buf, mapping->data + offset, len);
	return 0;
}

struct maker {
	const struct repo_payload *payload;
	struct dcd_frame_tools tools;
	struct dcd_decoder zstd;
	struct dcd_packer packer;
	struct dcd_reader base;
	uint8_t *memory; /* a frame, and its workspace behind it */
	size_t memory_size;
	uint8_t *segment;
	struct dcd_hash zero_hash; /* of a whole segment of zeros: a sparse image is made of these */
	int out;
};

static void maker_begin(struct maker *maker, const struct repo_payload *payload, const struct repo_mapping *base, int out)
{
	const struct dcd_payload *view = &payload->view;
	*maker = (struct maker){ .payload = payload, .zstd = dcd_zstd_decoder(), .packer = dcd_block_packer(), .out = out };
	if (base != NULL) {
		maker->base = (struct dcd_reader){ .read = mapping_read, .context = (void *)(uintptr_t)base, .size = base->len };
	}
	maker->memory_size = dcd_frame_memory_size(view, &maker->zstd);
	maker->memory = repo_alloc(maker->memory_size, 1);
	maker->segment = repo_alloc(view->segment_size, 1);
	maker->tools = (struct dcd_frame_tools){
		.alg = &dcd_sha256, .zstd = &maker->zstd, .base = base == NULL ? NULL : &maker->base, .packer = &maker->packer
	};
	dcd_segment_hash(&dcd_sha256, maker->segment, view->segment_size, &maker->zero_hash);
}

static void maker_end(struct maker *maker)
{
	free(maker->memory);
	free(maker->segment);
}

static int write_segment(const struct maker *maker, const struct dcd_payload_entry *entry, struct dcd_diag *diag)
{
	const uint8_t *p = maker->segment;
	size_t len = entry->segment_length;
	uint64_t offset = entry->segment_offset;
	while (len > 0) {
		ssize_t n = pwrite(maker->out, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return repo_file_error(diag, "write an image rebuilt from it", maker->payload->path);
		}
		p += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int make_one(struct maker *maker, const struct dcd_payload_entry *entry, uint64_t offset, struct dcd_diag *diag)
{
	if (entry->kind == DCD_FRAME_ZERO && entry->segment_length == maker->payload->view.segment_size &&
	    dcd_hash_equal(&entry->segment_hash, &maker->zero_hash)) {
		return 0; /* hashed once, and a hole already */
	}
	const char *path = maker->payload->path;
	int err = read_exactly(path, maker->payload->fd, offset, maker->memory, entry->frame_length, diag);
	if (err != 0) {
		return err;
	}
	dcd_frame_share_memory(&maker->tools, maker->memory, maker->memory_size, entry->frame_length);
	err = dcd_frame_make_segment(entry, maker->memory, entry->frame_length, &maker->tools, maker->segment);
	if (err != 0) {
		return dcd_diag_set(diag, err == DCD_ERR_WRONG_BASE ? DCD_ERR_HASH : err,
				    "%s: the segment at byte %llu doesn't come out right (%s)", path,
				    (unsigned long long)entry->segment_offset, dcd_err_name(err));
	}
	bool hole = entry->kind == DCD_FRAME_ZERO;
	return maker->out < 0 || hole ? 0 : write_segment(maker, entry, diag);
}

int repo_payload_make(const struct repo_payload *payload, const struct repo_mapping *base, int out,
		      struct repo_progress *progress, struct dcd_diag *diag)
{
	if (out >= 0 && ftruncate(out, (off_t)payload->view.image_size) != 0) {
		return repo_file_error(diag, "rebuild an image from it", payload->path);
	}
	struct maker maker;
	maker_begin(&maker, payload, base, out);
	uint64_t offset = dcd_payload_frames_offset(&payload->view);
	int err = 0;
	for (uint32_t i = 0; err == 0 && i < payload->view.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&payload->view, i, &entry);
		err = make_one(&maker, &entry, offset, diag);
		offset += entry.frame_length;
		repo_progress_step(progress, "decode", entry.segment_offset, payload->view.image_size);
	}
	maker_end(&maker);
	return err;
}
