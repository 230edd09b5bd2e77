#include "tools/repo/repo_bundle_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"
#include "updater/source/bundle_format.h"

#define USTAR_SIZE_END (8ULL << 30) /* from here on a size takes a pax record */

struct repo_bundle_tar {
	struct archive *archive;
	char *path;
	int fd;
	bool given_up; /* what is half written is thrown away, so nothing more is written */
};

static void close_archive(struct archive **archive)
{
	if (*archive != NULL) {
		(void)archive_write_free(*archive);
	}
}

static la_ssize_t write_bytes(struct archive *archive, void *context, const void *data, size_t len)
{
	const struct repo_bundle_tar *tar = context;
	/* Freeing an unfinished archive would fill its entry up, gigabytes of it perhaps. */
	ssize_t n = -1;
	errno = EIO;
	while (!tar->given_up && (n = write(tar->fd, data, len)) < 0 && errno == EINTR) {
	}
	if (n < 0) {
		archive_set_error(archive, errno, "%s", strerror(errno));
	}
	return n;
}

static void free_entry(struct archive_entry **entry)
{
	archive_entry_free(*entry);
}

static int failed(struct archive *archive, const char *path, struct dcd_diag *diag)
{
	errno = archive_errno(archive);
	if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO) {
		return repo_file_error(diag, "write", path);
	}
	const char *why = archive_error_string(archive);
	return dcd_diag_set(diag, DCD_ERR_HOST, "%s: can't write it: %s", path, why != NULL ? why : "libarchive says no more");
}

/* Restricted pax is ustar wherever ustar can say it. Nothing may stand behind the end of the archive. */
static int set_up(struct archive *archive)
{
	return archive_write_set_format_pax_restricted(archive) == ARCHIVE_OK &&
			       archive_write_add_filter_none(archive) == ARCHIVE_OK &&
			       archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK
		       ? 0
		       : DCD_ERR_HOST;
}

/* Names and sizes are all that differs from entry to entry. */
static int write_header(struct archive *archive, const char *name, uint64_t size)
{
	DCD_CLEANUP(free_entry) struct archive_entry *entry = archive_entry_new();
	if (entry == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	archive_entry_set_pathname(entry, name);
	archive_entry_set_size(entry, (la_int64_t)size);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_uid(entry, 0);
	archive_entry_set_gid(entry, 0);
	archive_entry_set_mtime(entry, 0, 0);
	return archive_write_header(archive, entry) == ARCHIVE_OK ? 0 : DCD_ERR_HOST;
}

static la_ssize_t count_bytes(struct archive *archive, void *context, const void *data, size_t len)
{
	(void)archive;
	(void)data;
	*(uint64_t *)context += len;
	return (la_ssize_t)len;
}

int repo_bundle_tar_header_length(const char *name, uint64_t size, uint64_t *ret, struct dcd_diag *diag)
{
	uint64_t length = 0;
	if (size >= USTAR_SIZE_END) {
		*ret = DCD_BUNDLE_HEADER_LONG; /* the name's record, if it needs one, fits into the same block */
		return 0;
	}
	DCD_CLEANUP(close_archive) struct archive *archive = archive_write_new();
	if (archive == NULL || set_up(archive) != 0 || archive_write_set_bytes_per_block(archive, 0) != ARCHIVE_OK ||
	    archive_write_open(archive, &length, NULL, count_bytes, NULL) != ARCHIVE_OK || write_header(archive, name, 0) != 0 ||
	    archive_write_finish_entry(archive) != ARCHIVE_OK) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: can't be an entry of a bundle", name);
	}
	*ret = length;
	return 0;
}

int repo_bundle_tar_open(int fd, const char *path, struct repo_bundle_tar **ret, struct dcd_diag *diag)
{
	struct repo_bundle_tar *tar = repo_alloc(1, sizeof *tar);
	tar->path = repo_text("%s", path);
	tar->fd = fd;
	tar->archive = archive_write_new();
	if (tar->archive == NULL || set_up(tar->archive) != 0 ||
	    archive_write_open(tar->archive, tar, NULL, write_bytes, NULL) != ARCHIVE_OK) {
		repo_bundle_tar_close(tar);
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: libarchive can't write a pax tar", path);
	}
	*ret = tar;
	return 0;
}

int repo_bundle_tar_entry(struct repo_bundle_tar *tar, const char *name, uint64_t size, struct dcd_diag *diag)
{
	return write_header(tar->archive, name, size) == 0 ? 0 : failed(tar->archive, tar->path, diag);
}

int repo_bundle_tar_data(struct repo_bundle_tar *tar, const void *data, size_t len, struct dcd_diag *diag)
{
	return archive_write_data(tar->archive, data, len) == (la_ssize_t)len ? 0 : failed(tar->archive, tar->path, diag);
}

int repo_bundle_tar_finish(struct repo_bundle_tar *tar, struct dcd_diag *diag)
{
	return archive_write_close(tar->archive) == ARCHIVE_OK ? 0 : failed(tar->archive, tar->path, diag);
}

void repo_bundle_tar_close(struct repo_bundle_tar *tar)
{
	if (tar != NULL) {
		tar->given_up = true;
		close_archive(&tar->archive);
		free(tar->path);
		free(tar);
	}
}

void repo_bundle_tar_closep(struct repo_bundle_tar **tar)
{
	repo_bundle_tar_close(*tar);
}
