#include "updater/source/bundle_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/source.h"
#include "manifest/json/json.h"
#include "updater/source/bundle_format.h"

#define RELEASES "targets/releases/"
#define HASH_AND_DOT 65 /* "<64 hex digits>." before the manifest's own name */

bool dcd_bundle_name_ok(const char *name)
{
	size_t len = strnlen(name, DCD_BUNDLE_NAME_MAX + 1);
	for (size_t i = 0; i < len; i++) {
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '\\') {
			return false;
		}
	}
	return len <= DCD_BUNDLE_NAME_MAX && dcd_source_path_ok(name);
}

static uint64_t padded(uint64_t offset)
{
	uint64_t rest = offset % DCD_BUNDLE_BLOCK;
	return rest == 0 ? offset : offset + (DCD_BUNDLE_BLOCK - rest);
}

/* Every entry behind the one before it, with room for exactly a header. All is below INT64_MAX, so nothing here can wrap. */
static int place_entry(const struct dcd_bundle_entry *entry, uint64_t *end, const char *what, struct dcd_diag *diag)
{
	uint64_t header = padded(*end);
	uint64_t length = entry->offset < header ? 0 : entry->offset - header;
	if (length != DCD_BUNDLE_HEADER_SHORT && length != DCD_BUNDLE_HEADER_LONG) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its index places %s where it can't be", what, entry->name);
	}
	if (!dcd_add_u64(entry->offset, entry->size, end) || *end > INT64_MAX - DCD_BUNDLE_GAP_MAX) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its index makes %s larger than a file can be", what,
				    entry->name);
	}
	return 0;
}

static int read_entry(const struct dcd_json *item, const char *what, struct dcd_bundle_entry *ret, struct dcd_diag *diag)
{
	struct dcd_bundle_entry entry = { 0 };
	int err = dcd_json_get_string(item, "name", what, DCD_BUNDLE_NAME_MAX, &entry.name, diag);
	if (err == 0 && (!dcd_bundle_name_ok(entry.name) || strcmp(entry.name, DCD_BUNDLE_INDEX_NAME) == 0)) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its index has an entry '%s', which can't be in a bundle", what,
				   entry.name);
	}
	if (err == 0) {
		err = dcd_json_get_u64(item, "offset", what, 0, INT64_MAX, &entry.offset, diag);
	}
	if (err == 0) {
		err = dcd_json_get_u64(item, "size", what, 0, INT64_MAX, &entry.size, diag);
	}
	if (err == 0 && dcd_json_count(item) != 3) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its index says more of %s than name, offset and size", what,
				   entry.name);
	}
	if (err == 0) {
		*ret = entry;
	}
	return err;
}

/* Names outlive the JSON document: one block of memory for all of them. */
static int copy_names(struct dcd_bundle_index *index, const char *version)
{
	size_t room = strlen(version) + 1;
	for (size_t i = 0; i < index->count; i++) {
		room += strlen(index->entries[i].name) + 1;
	}
	char *at = malloc(room);
	index->names = at;
	if (at == NULL) {
		return DCD_ERR_NO_MEMORY;
	}
	index->version = at;
	at = stpcpy(at, version) + 1;
	for (size_t i = 0; i < index->count; i++) {
		const char *name = index->entries[i].name;
		index->entries[i].name = at;
		at = stpcpy(at, name) + 1;
	}
	return 0;
}

static int compare_names(const void *a, const void *b, void *entries)
{
	const struct dcd_bundle_entry *e = entries;
	return strcmp(e[*(const uint32_t *)a].name, e[*(const uint32_t *)b].name);
}

static int sort_names(struct dcd_bundle_index *index, const char *what, struct dcd_diag *diag)
{
	for (size_t i = 0; i < index->count; i++) {
		index->by_name[i] = (uint32_t)i;
	}
	qsort_r(index->by_name, index->count, sizeof *index->by_name, compare_names, index->entries);
	for (size_t i = 1; i < index->count; i++) {
		const char *name = index->entries[index->by_name[i]].name;
		if (strcmp(name, index->entries[index->by_name[i - 1]].name) == 0) {
			return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its index has %s twice", what, name);
		}
	}
	return 0;
}

/* The version is only for people, but what people read should be what is installed: it is held against the manifest's signed
 * name. */
static int check_version(const struct dcd_bundle_index *index, const char *what, struct dcd_diag *diag)
{
	size_t manifests = 0;
	bool same = false;
	size_t version_len = strlen(index->version);
	for (size_t i = 0; i < index->count; i++) {
		const char *name = index->entries[i].name;
		if (strncmp(name, RELEASES, sizeof RELEASES - 1) != 0) {
			continue;
		}
		manifests++;
		name += sizeof RELEASES - 1;
		same = strlen(name) == HASH_AND_DOT + version_len + 5 && name[HASH_AND_DOT - 1] == '.' &&
		       memcmp(name + HASH_AND_DOT, index->version, version_len) == 0 &&
		       strcmp(name + HASH_AND_DOT + version_len, ".json") == 0;
	}
	if (manifests != 1 || !same) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its index doesn't hold the one release that it names, '%s'",
				    what, index->version);
	}
	return 0;
}

static int read_head(const struct dcd_json *root, const char *what, const char **ret_version, const struct dcd_json **ret_entries,
		     struct dcd_diag *diag)
{
	const char *type = NULL;
	uint64_t format = 0;
	int err = dcd_json_get_string(root, "_type", what, 64, &type, diag);
	if (err == 0 && strcmp(type, DCD_BUNDLE_INDEX_TYPE) != 0) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its index is one of '%s', not of a bundle", what, type);
	}
	if (err == 0) {
		err = dcd_json_get_u64(root, "format_version", what, 1, UINT32_MAX, &format, diag);
	}
	if (err == 0 && format != DCD_BUNDLE_FORMAT_VERSION) {
		err = dcd_diag_set(diag, DCD_ERR_UNSUPPORTED,
				   "%s: has format version %llu, this decade reads %d; update it first", what,
				   (unsigned long long)format, DCD_BUNDLE_FORMAT_VERSION);
	}
	if (err == 0) {
		err = dcd_json_get_string(root, "version", what, DCD_BUNDLE_NAME_MAX, ret_version, diag);
	}
	if (err == 0) {
		err = dcd_json_get_array(root, "entries", what, ret_entries, diag);
	}
	if (err == 0 && dcd_json_count(root) != 4) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its index has members that this format version doesn't know",
				   what);
	}
	return err;
}

static int read_entries(const struct dcd_json *entries, const char *what, struct dcd_bundle_index *index, struct dcd_diag *diag)
{
	index->count = dcd_json_count(entries);
	if (index->count == 0 || index->count > DCD_BUNDLE_ENTRIES_MAX) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its index has %zu entries; 1 to %d are possible", what,
				    index->count, DCD_BUNDLE_ENTRIES_MAX);
	}
	index->entries = calloc(index->count, sizeof *index->entries);
	index->by_name = calloc(index->count, sizeof *index->by_name);
	if (index->entries == NULL || index->by_name == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for its index", what);
	}
	index->end = DCD_BUNDLE_BLOCK + index->size;
	for (size_t i = 0; i < index->count; i++) {
		int err = read_entry(dcd_json_item(entries, i), what, &index->entries[i], diag);
		if (err == 0) {
			err = place_entry(&index->entries[i], &index->end, what, diag);
		}
		if (err != 0) {
			return err;
		}
	}
	index->total = padded(index->end) + DCD_BUNDLE_TRAILER;
	return 0;
}

int dcd_bundle_index_parse(const uint8_t *data, size_t len, const char *what, struct dcd_bundle_index *ret, struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *root = NULL;
	DCD_CLEANUP(dcd_bundle_index_free) struct dcd_bundle_index index = { .size = len };
	const struct dcd_json *entries = NULL;
	const char *version = NULL;
	int err = dcd_json_parse(data, len, what, &root, diag);
	if (err == 0) {
		err = read_head(root, what, &version, &entries, diag);
	}
	if (err == 0) {
		err = read_entries(entries, what, &index, diag);
	}
	if (err == 0 && copy_names(&index, version) != 0) {
		err = dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for its index", what);
	}
	if (err == 0) {
		err = sort_names(&index, what, diag);
	}
	if (err == 0) {
		err = check_version(&index, what, diag);
	}
	if (err == 0) {
		*ret = index;
		index = (struct dcd_bundle_index){ 0 };
	}
	return err;
}

void dcd_bundle_index_free(struct dcd_bundle_index *index)
{
	free(index->entries);
	free(index->by_name);
	free(index->names);
	*index = (struct dcd_bundle_index){ 0 };
}

const struct dcd_bundle_entry *dcd_bundle_index_find(const struct dcd_bundle_index *index, const char *name)
{
	size_t low = 0;
	size_t high = index->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct dcd_bundle_entry *entry = &index->entries[index->by_name[middle]];
		int order = strcmp(name, entry->name);
		if (order == 0) {
			return entry;
		}
		if (order < 0) {
			high = middle;
		} else {
			low = middle + 1;
		}
	}
	return NULL;
}

struct dcd_bundle_gap dcd_bundle_index_gap(const struct dcd_bundle_index *index, size_t i)
{
	uint64_t begin = i == 0 ? DCD_BUNDLE_BLOCK + index->size : index->entries[i - 1].offset + index->entries[i - 1].size;
	uint64_t end = i == index->count ? index->total : index->entries[i].offset;
	return (struct dcd_bundle_gap){ .begin = begin,
					.padding = (size_t)(padded(begin) - begin),
					.length = (size_t)(end - begin) };
}
