#include "tools/repo/repo_bundle_items.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "manifest/json/canonical.h"
#include "tools/repo/repo_bundle_tar.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"
#include "updater/source/bundle_format.h"

#define COPY_BYTES (256U << 10)
#define ROUNDS_MAX 32

static struct repo_bundle_item *add(struct repo_bundle_items *items, const char *name, uint64_t size)
{
	items->items = repo_grow(items->items, items->count + 1, sizeof *items->items);
	struct repo_bundle_item *item = &items->items[items->count++];
	*item = (struct repo_bundle_item){ .name = repo_text("%s", name), .size = size };
	return item;
}

void repo_bundle_add_memory(struct repo_bundle_items *items, const char *name, const void *data, size_t len)
{
	struct repo_bundle_item *item = add(items, name, len);
	item->data = repo_alloc(len + 1, 1);
	memcpy(item->data, data, len);
}

void repo_bundle_add_file(struct repo_bundle_items *items, const char *name, const char *path, uint64_t offset, uint64_t size)
{
	for (size_t i = 0; i < items->count; i++) {
		if (strcmp(items->items[i].name, name) == 0) {
			return;
		}
	}
	struct repo_bundle_item *item = add(items, name, size);
	item->path = repo_text("%s", path);
	item->file_offset = offset;
}

void repo_bundle_items_free(struct repo_bundle_items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		free(items->items[i].name);
		free(items->items[i].data);
		free(items->items[i].path);
	}
	free(items->items);
	*items = (struct repo_bundle_items){ 0 };
}

static uint64_t padded(uint64_t offset)
{
	return dcd_div_ceil_u64(offset, DCD_BUNDLE_BLOCK) * DCD_BUNDLE_BLOCK;
}

/* Where everything lies when the index takes `index_len` bytes. */
static int place(struct repo_bundle_items *items, uint64_t index_len, struct dcd_diag *diag)
{
	uint64_t end = DCD_BUNDLE_BLOCK + index_len;
	for (size_t i = 0; i < items->count; i++) {
		uint64_t header = 0;
		int err = repo_bundle_tar_header_length(items->items[i].name, items->items[i].size, &header, diag);
		if (err != 0) {
			return err;
		}
		items->items[i].offset = padded(end) + header;
		end = items->items[i].offset + items->items[i].size;
	}
	return 0;
}

static int entry_json(struct dcd_json *entries, const struct repo_bundle_item *item)
{
	struct dcd_json *entry = dcd_json_new_object();
	int err = dcd_json_set_string(entry, "name", item->name);
	err |= dcd_json_set_u64(entry, "offset", item->offset);
	err |= dcd_json_set_u64(entry, "size", item->size);
	return err | dcd_json_append(entries, entry);
}

static int index_text(const struct repo_bundle_items *items, const char *version, char **ret, size_t *ret_len,
		      struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *root = dcd_json_new_object();
	struct dcd_json *entries = dcd_json_new_array();
	int err = 0;
	for (size_t i = 0; i < items->count; i++) {
		err |= entry_json(entries, &items->items[i]);
	}
	err |= dcd_json_set(root, "entries", entries);
	err |= dcd_json_set_string(root, "_type", DCD_BUNDLE_INDEX_TYPE);
	err |= dcd_json_set_u64(root, "format_version", DCD_BUNDLE_FORMAT_VERSION);
	err |= dcd_json_set_string(root, "version", version);
	DCD_AUTO_FREE uint8_t *bytes = NULL;
	size_t len = 0;
	if (err != 0 || dcd_json_canonical_bytes(root, &bytes, &len) != 0) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the bundle's index");
	}
	*ret = repo_text("%.*s", (int)len, (const char *)bytes);
	*ret_len = len;
	return 0;
}

/* The index contains offsets, which depend on its length, which depends on their digits. It only ever grows, so this comes to
 * rest. */
int repo_bundle_items_index(struct repo_bundle_items *items, const char *version, char **ret, struct dcd_diag *diag)
{
	size_t len = 0;
	if (items->count > DCD_BUNDLE_ENTRIES_MAX) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%zu entries are more than the %d that a bundle has; name fewer bases",
				    items->count, DCD_BUNDLE_ENTRIES_MAX);
	}
	for (int i = 0; i < ROUNDS_MAX; i++) {
		DCD_AUTO_FREE char *text = NULL;
		size_t text_len = 0;
		int err = place(items, len, diag);
		if (err == 0) {
			err = index_text(items, version, &text, &text_len, diag);
		}
		if (err != 0) {
			return err;
		}
		if (text_len == len) {
			*ret = text;
			text = NULL;
			return 0;
		}
		len = text_len;
	}
	return dcd_diag_set(diag, DCD_ERR_BUG, "the bundle's index doesn't come to rest");
}

static int copy_part(const struct repo_bundle_item *item, struct repo_bundle_tar *tar, struct dcd_diag *diag)
{
	DCD_CLEANUP(repo_file_closep) int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	DCD_AUTO_FREE uint8_t *buf = repo_alloc(COPY_BYTES, 1);
	uint64_t done = 0;
	int err = fd < 0 ? repo_file_error(diag, "read", item->path) : 0;
	while (err == 0 && done < item->size) {
		ssize_t n = pread(fd, buf, (size_t)dcd_min_u64(item->size - done, COPY_BYTES), (off_t)(item->file_offset + done));
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return repo_file_error(diag, "read", item->path);
		}
		if (n == 0) {
			return dcd_diag_set(diag, DCD_ERR_SIZE, "%s: became shorter while it was read", item->path);
		}
		err = repo_bundle_tar_data(tar, buf, (size_t)n, diag);
		done += (uint64_t)n;
	}
	return err;
}

static int write_item(const struct repo_bundle_item *item, struct repo_bundle_tar *tar, struct dcd_diag *diag)
{
	int err = repo_bundle_tar_entry(tar, item->name, item->size, diag);
	if (err != 0 || item->size == 0) {
		return err;
	}
	return item->data != NULL ? repo_bundle_tar_data(tar, item->data, (size_t)item->size, diag) : copy_part(item, tar, diag);
}

int repo_bundle_items_write(const struct repo_bundle_items *items, const char *index, int fd, const char *path,
			    struct dcd_diag *diag)
{
	DCD_CLEANUP(repo_bundle_tar_closep) struct repo_bundle_tar *tar = NULL;
	int err = repo_bundle_tar_open(fd, path, &tar, diag);
	if (err == 0) {
		err = repo_bundle_tar_entry(tar, DCD_BUNDLE_INDEX_NAME, strlen(index), diag);
	}
	if (err == 0) {
		err = repo_bundle_tar_data(tar, index, strlen(index), diag);
	}
	for (size_t i = 0; err == 0 && i < items->count; i++) {
		err = write_item(&items->items[i], tar, diag);
	}
	if (err == 0) {
		err = repo_bundle_tar_finish(tar, diag);
	}
	if (err == 0 && fsync(fd) != 0) {
		err = repo_file_error(diag, "write", path);
	}
	return err;
}
