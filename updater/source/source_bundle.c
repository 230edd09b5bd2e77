#include "updater/source/source_bundle.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "updater/source/bundle_format.h"
#include "updater/source/bundle_tar.h"

struct bundle_source {
	struct dcd_source base;
	struct dcd_bundle_input *input;
	struct dcd_bundle_index index;
	uint8_t *met;      /* one an entry, and one for the trailer: the gap before it has been checked */
	uint64_t position; /* a stream's: where the next byte is */
	size_t next_gap;   /* a stream's: the first gap that is still to come */
	bool finished;     /* a stream's: its end was seen, and right */
	bool broken;       /* a stream's: something went wrong, and where it stands means nothing any more */
};

/* ---- reading the file ---- */

struct memory_sink {
	uint8_t *at;
	size_t left;
};

static int memory_write(void *context, const uint8_t *data, size_t len)
{
	struct memory_sink *m = context;
	if (len > m->left) {
		return DCD_ERR_SOURCE_LIES;
	}
	memcpy(m->at, data, len);
	m->at += len;
	m->left -= len;
	return 0;
}

static int read_bytes(struct bundle_source *b, uint64_t offset, uint64_t length, struct dcd_sink *sink, struct dcd_diag *diag)
{
	if (b->broken) {
		return dcd_diag_set(diag, DCD_ERR_BROKEN_OFF, "%s: a stream that broke off can't be read on", b->base.name);
	}
	int err = b->input->ops->read(b->input, offset, length, sink, diag);
	b->base.stats = b->input->stats;
	b->position = offset + length;
	b->broken = err != 0 && b->base.sequential;
	return err;
}

static int read_memory(struct bundle_source *b, uint64_t offset, uint8_t *buf, size_t length, struct dcd_diag *diag)
{
	struct memory_sink memory = { buf, length };
	struct dcd_sink sink = { memory_write, &memory };
	int err = read_bytes(b, offset, length, &sink, diag);
	return err == 0 && memory.left != 0
		       ? dcd_diag_set(diag, DCD_ERR_SOURCE_LIES, "%s: less came than was asked for", b->base.name)
		       : err;
}

static int drop(void *context, const uint8_t *data, size_t len)
{
	(void)context;
	(void)data;
	(void)len;
	return 0;
}

static int skip_to(struct bundle_source *b, uint64_t offset, struct dcd_diag *diag)
{
	struct dcd_sink sink = { drop, NULL };
	return offset > b->position ? read_bytes(b, b->position, offset - b->position, &sink, diag) : 0;
}

/* ---- between the entries: what no signature covers is checked bit by bit ---- */

static bool all_zero(const uint8_t *data, size_t len)
{
	return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

static int check_header(const struct bundle_source *b, const struct dcd_bundle_entry *entry, const uint8_t *data, size_t len,
			struct dcd_diag *diag)
{
	struct dcd_bundle_header header;
	struct dcd_diag why = { 0 };
	int err = dcd_bundle_header_read(data, len, &header, &why);
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s: where %s should begin there is %s", b->base.name, entry->name, why.text);
	}
	if (strcmp(header.name, entry->name) != 0 || header.size != entry->size) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: holds %s of %llu bytes where its index has %s of %llu",
				    b->base.name, header.name, (unsigned long long)header.size, entry->name,
				    (unsigned long long)entry->size);
	}
	return 0;
}

static int check_gap(struct bundle_source *b, size_t i, struct dcd_diag *diag)
{
	uint8_t bytes[DCD_BUNDLE_GAP_MAX];
	struct dcd_bundle_gap gap = dcd_bundle_index_gap(&b->index, i);
	int err = read_memory(b, gap.begin, bytes, gap.length, diag);
	if (err != 0) {
		return err;
	}
	size_t zeros = i == b->index.count ? gap.length : gap.padding;
	if (!all_zero(bytes, zeros)) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: has something at byte %llu where nothing should be",
				    b->base.name, (unsigned long long)gap.begin);
	}
	if (i < b->index.count) {
		err = check_header(b, &b->index.entries[i], bytes + gap.padding, gap.length - gap.padding, diag);
	}
	b->met[i] = err == 0;
	return err;
}

/* A stream comes to entry `i` (or the trailer) over everything before it. */
static int walk_to(struct bundle_source *b, size_t i, struct dcd_diag *diag)
{
	int err = 0;
	while (err == 0 && b->next_gap <= i) {
		err = skip_to(b, dcd_bundle_index_gap(&b->index, b->next_gap).begin, diag);
		if (err == 0) {
			err = check_gap(b, b->next_gap, diag);
		}
		b->next_gap++;
	}
	b->broken = b->broken || err != 0;
	return err;
}

static int send_part(struct bundle_source *b, const struct dcd_bundle_entry *entry, uint64_t offset, uint64_t length,
		     struct dcd_sink *sink, struct dcd_diag *diag)
{
	size_t i = (size_t)(entry - b->index.entries);
	int err = 0;
	if (length == 0) {
		return 0;
	}
	if (b->base.sequential) {
		if (entry->offset + offset < b->position) {
			return dcd_diag_set(
				diag, DCD_ERR_SOURCE_LIES,
				"%s: %s has gone by already, and a stream can't be read again; what was written is kept, "
				"install once more or from a file",
				b->base.name, entry->name);
		}
		err = walk_to(b, i, diag);
		if (err == 0) {
			err = skip_to(b, entry->offset + offset, diag);
		}
	} else if (!b->met[i]) {
		err = check_gap(b, i, diag);
	}
	return err != 0 ? err : read_bytes(b, entry->offset + offset, length, sink, diag);
}

/* ---- as a source ---- */

/* What a path means: one entry, or the two halves of a payload. */
struct object {
	const struct dcd_bundle_entry *first;
	const struct dcd_bundle_entry *second; /* or null */
	uint64_t size;
};

static bool find_payload(const struct bundle_source *b, const char *path, struct object *ret)
{
	char name[DCD_BUNDLE_NAME_MAX + 1];
	size_t len = strnlen(path, sizeof name);
	size_t suffix = sizeof DCD_BUNDLE_PAYLOAD_SUFFIX - 1;
	if (len < suffix || strcmp(path + len - suffix, DCD_BUNDLE_PAYLOAD_SUFFIX) != 0 ||
	    strncmp(path, DCD_BUNDLE_PAYLOADS, sizeof DCD_BUNDLE_PAYLOADS - 1) != 0 ||
	    len - suffix > sizeof name - sizeof DCD_BUNDLE_FRAMES_SUFFIX) {
		return false;
	}
	len -= suffix;
	memcpy(name, path, len);
	memcpy(name + len, DCD_BUNDLE_TABLE_SUFFIX, sizeof DCD_BUNDLE_TABLE_SUFFIX);
	ret->first = dcd_bundle_index_find(&b->index, name);
	memcpy(name + len, DCD_BUNDLE_FRAMES_SUFFIX, sizeof DCD_BUNDLE_FRAMES_SUFFIX);
	ret->second = dcd_bundle_index_find(&b->index, name);
	return ret->first != NULL && ret->second != NULL && dcd_add_u64(ret->first->size, ret->second->size, &ret->size);
}

static bool find_object(const struct bundle_source *b, const char *path, struct object *ret)
{
	*ret = (struct object){ .first = dcd_bundle_index_find(&b->index, path) };
	if (ret->first != NULL) {
		ret->size = ret->first->size;
		return true;
	}
	return find_payload(b, path, ret);
}

static int locate(const struct bundle_source *b, const char *path, struct object *ret, struct dcd_diag *diag)
{
	return find_object(b, path, ret)
		       ? 0
		       : dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "%s: the bundle doesn't hold %s", b->base.name, path);
}

static int bundle_fetch(struct dcd_source *source, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct bundle_source *b = (struct bundle_source *)source;
	struct object object;
	int err = locate(b, path, &object, diag);
	if (err == 0 && object.size > max) {
		err = dcd_diag_set(diag, DCD_ERR_SIZE, "%s: %s has %llu bytes, at most %llu are allowed", b->base.name, path,
				   (unsigned long long)object.size, (unsigned long long)max);
	}
	if (err == 0) {
		err = send_part(b, object.first, 0, object.first->size, sink, diag);
	}
	if (err == 0 && object.second != NULL) {
		err = send_part(b, object.second, 0, object.second->size, sink, diag);
	}
	return err;
}

static int bundle_fetch_range(struct dcd_source *source, const char *path, uint64_t object_size, uint64_t offset, uint64_t length,
			      struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct bundle_source *b = (struct bundle_source *)source;
	struct object object;
	if (length == 0 || !dcd_range_inside(offset, length, object_size)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: a range outside of %s was asked for", b->base.name, path);
	}
	int err = locate(b, path, &object, diag);
	if (err == 0 && object.size != object_size) {
		err = dcd_diag_set(diag, DCD_ERR_SIZE, "%s: %s has %llu bytes instead of %llu", b->base.name, path,
				   (unsigned long long)object.size, (unsigned long long)object_size);
	}
	if (err != 0) {
		return err;
	}
	uint64_t in_first = offset < object.first->size ? dcd_min_u64(length, object.first->size - offset) : 0;
	if (in_first > 0) {
		err = send_part(b, object.first, offset, in_first, sink, diag);
	}
	if (err == 0 && in_first < length) {
		err = send_part(b, object.second, offset + in_first - object.first->size, length - in_first, sink, diag);
	}
	return err;
}

static bool bundle_has(const struct dcd_source *source, const char *path)
{
	struct object object;
	return find_object((const struct bundle_source *)source, path, &object);
}

static int bundle_finish(struct dcd_source *source, struct dcd_diag *diag)
{
	struct bundle_source *b = (struct bundle_source *)source;
	if (!source->sequential || b->finished) {
		return 0;
	}
	int err = walk_to(b, b->index.count, diag);
	if (err == 0) {
		err = b->input->ops->check_total(b->input, b->index.total, diag);
	}
	b->finished = err == 0;
	return err;
}

static void bundle_interrupt(struct dcd_source *source, int stop)
{
	struct bundle_source *b = (struct bundle_source *)source;
	b->input->ops->interrupt(b->input, stop);
}

static void bundle_close(struct dcd_source *source)
{
	struct bundle_source *b = (struct bundle_source *)source;
	b->input->ops->close(b->input);
	dcd_bundle_index_free(&b->index);
	free(b->met);
	free(b);
}

static const struct dcd_source_ops bundle_ops = {
	.fetch = bundle_fetch,
	.fetch_range = bundle_fetch_range,
	.close = bundle_close,
	.interrupt = bundle_interrupt,
	.has = bundle_has,
	.finish = bundle_finish,
};

const struct dcd_bundle_index *dcd_source_bundle_index(const struct dcd_source *source)
{
	return source->ops == &bundle_ops ? &((const struct bundle_source *)source)->index : NULL;
}

/* ---- opening ---- */

static int load_index(struct bundle_source *b, struct dcd_diag *diag)
{
	uint8_t block[DCD_BUNDLE_BLOCK];
	struct dcd_bundle_header header;
	struct dcd_diag why = { 0 };
	int err = read_memory(b, 0, block, sizeof block, diag);
	if (err != 0) {
		return err;
	}
	err = dcd_bundle_header_read(block, sizeof block, &header, &why);
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s: is no Decade bundle: it begins with %s", b->base.name, why.text);
	}
	if (strcmp(header.name, DCD_BUNDLE_INDEX_NAME) != 0 || header.size > DCD_BUNDLE_INDEX_MAX) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: is no Decade bundle: its first entry is '%s' of %llu bytes",
				    b->base.name, header.name, (unsigned long long)header.size);
	}
	DCD_AUTO_FREE uint8_t *data = malloc((size_t)header.size + 1);
	if (data == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for its index", b->base.name);
	}
	err = header.size == 0 ? 0 : read_memory(b, sizeof block, data, (size_t)header.size, diag);
	if (err == 0) {
		err = dcd_bundle_index_parse(data, (size_t)header.size, b->base.name, &b->index, diag);
	}
	return err;
}

/* Of a file all headers, which costs one small read each; of an object on a server only the trailer, which proves its size. */
static int check_layout(struct bundle_source *b, struct dcd_diag *diag)
{
	b->met = calloc(b->index.count + 1, 1);
	if (b->met == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for its index", b->base.name);
	}
	if (b->base.sequential) {
		return 0;
	}
	int err = b->input->ops->check_total(b->input, b->index.total, diag);
	for (size_t i = b->input->local ? 0 : b->index.count; err == 0 && i <= b->index.count; i++) {
		err = check_gap(b, i, diag);
	}
	return err;
}

int dcd_source_bundle_open(struct dcd_bundle_input *input, struct dcd_source **ret, struct dcd_diag *diag)
{
	struct bundle_source *b = calloc(1, sizeof *b);
	if (b == NULL) {
		int err = dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to open it", input->name);
		input->ops->close(input);
		return err;
	}
	b->base = (struct dcd_source){ .ops = &bundle_ops, .name = input->name, .sequential = input->sequential };
	b->input = input;
	int err = load_index(b, diag);
	if (err == 0) {
		err = check_layout(b, diag);
	}
	if (err != 0) {
		bundle_close(&b->base);
		return err;
	}
	*ret = &b->base;
	return 0;
}
