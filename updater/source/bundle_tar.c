#include "updater/source/bundle_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "base/cleanup.h"
#include "updater/source/bundle_index.h"

/* In a ustar header. */
#define SIZE_OFFSET 124     /* eleven octal digits */
#define CHECKSUM_OFFSET 148 /* six octal digits, NUL, space */
#define TYPE_OFFSET 156

/*
 * The checksum covers every byte of a block but its own eight, which tar readers take in many spellings. Only the writer's is
 * taken here, so that no byte of a bundle can be changed without being noticed.
 */
static int checksum_is_plain(const uint8_t *block)
{
	const uint8_t *field = block + CHECKSUM_OFFSET;
	for (int i = 0; i < 6; i++) {
		if (field[i] < '0' || field[i] > '7') {
			return 0;
		}
	}
	return field[6] == '\0' && field[7] == ' ';
}

/* A block of pax records for the header behind it, filled up with zeros. */
static int records_are_plain(const uint8_t *header)
{
	size_t length = 0;
	for (int i = 0; i < 11; i++) {
		uint8_t digit = header[SIZE_OFFSET + i];
		if (digit < '0' || digit > '7' || length > DCD_BUNDLE_BLOCK) {
			return 0;
		}
		length = length * 8 + (size_t)(digit - '0');
	}
	if (header[TYPE_OFFSET] != 'x' || length == 0 || length > DCD_BUNDLE_BLOCK) {
		return 0;
	}
	for (size_t i = length; i < DCD_BUNDLE_BLOCK; i++) {
		if (header[DCD_BUNDLE_BLOCK + i] != 0) {
			return 0;
		}
	}
	return 1;
}

static int blocks_are_plain(const uint8_t *data, size_t len)
{
	if (len == DCD_BUNDLE_HEADER_SHORT) {
		return checksum_is_plain(data);
	}
	return len == DCD_BUNDLE_HEADER_LONG && checksum_is_plain(data) && records_are_plain(data) &&
	       checksum_is_plain(data + 2 * (size_t)DCD_BUNDLE_BLOCK);
}

static void close_archive(struct archive **archive)
{
	(void)archive_read_free(*archive);
}

static int check_entry(struct archive *archive, struct archive_entry *entry, struct dcd_diag *diag)
{
	int format = archive_format(archive);
	if (format != ARCHIVE_FORMAT_TAR_USTAR && format != ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "an entry of another kind of tar (%s)",
				    archive_format_name(archive));
	}
	if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != NULL ||
	    archive_entry_symlink(entry) != NULL) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED,
				    "an entry that is a link, a folder or a device; only files belong in a bundle");
	}
	if (archive_entry_sparse_count(entry) != 0) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "a sparse entry; a bundle has none");
	}
	const char *name = archive_entry_pathname(entry);
	if (name == NULL || !dcd_bundle_name_ok(name)) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "an entry whose name can't be in a repository");
	}
	if (!archive_entry_size_is_set(entry) || archive_entry_size(entry) < 0) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "an entry without a size");
	}
	return 0;
}

static int open_and_read(struct archive *archive, const uint8_t *data, size_t len, struct dcd_bundle_header *ret,
			 struct dcd_diag *diag)
{
	struct archive_entry *entry = NULL;
	/* No filters: a compressed archive is none. libarchive doesn't write to the memory it is given. */
	int result = archive_read_support_format_tar(archive);
	if (result == ARCHIVE_OK) {
		result = archive_read_open_memory(archive, (void *)(uintptr_t)data, len);
	}
	if (result == ARCHIVE_OK) {
		result = archive_read_next_header(archive, &entry);
	}
	if (result != ARCHIVE_OK) { /* a warning is one byte too strange already */
		const char *why = archive_error_string(archive);
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "something that is no tar header (%s)",
				    why != NULL ? why : "it is empty");
	}
	int err = check_entry(archive, entry, diag);
	if (err != 0) {
		return err;
	}
	if (archive_filter_bytes(archive, 0) != (la_int64_t)len) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "a header that ends where it shouldn't");
	}
	const char *name = archive_entry_pathname(entry);
	memcpy(ret->name, name, strlen(name) + 1);
	ret->size = (uint64_t)archive_entry_size(entry);
	return 0;
}

int dcd_bundle_header_read(const uint8_t *data, size_t len, struct dcd_bundle_header *ret, struct dcd_diag *diag)
{
	if (!blocks_are_plain(data, len)) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "something that is no tar header of a bundle");
	}
	DCD_CLEANUP(close_archive) struct archive *archive = archive_read_new();
	if (archive == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to read a tar header");
	}
	return open_and_read(archive, data, len, ret, diag);
}
