/* A bundle that another source has as one object: a file on a web server. */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "updater/source/bundle_input.h"

struct object_input {
	struct dcd_bundle_input base;
	struct dcd_source *source;
	char *path;
	char *name;
	uint64_t total; /* 0: not known yet; afterwards every answer is held against it */
	size_t head_len;
	uint8_t head[DCD_BUNDLE_HEAD];
};

/* A part of an object of unknown size: the transfer is stopped when it is there. */
struct window {
	uint64_t skip;
	uint64_t left;
	struct dcd_sink *sink;
	int sink_err;
};

static int window_write(void *context, const uint8_t *data, size_t len)
{
	struct window *w = context;
	size_t skipped = (size_t)dcd_min_u64(len, w->skip);
	w->skip -= skipped;
	size_t n = (size_t)dcd_min_u64(len - skipped, w->left);
	if (n > 0) {
		w->sink_err = w->sink->write(w->sink->context, data + skipped, n);
		w->left -= n;
	}
	return w->sink_err != 0 ? w->sink_err : w->left == 0 ? DCD_ERR_CANCELLED : 0;
}

static int read_unsized(struct object_input *o, uint64_t offset, uint64_t length, struct dcd_sink *sink, uint64_t *ret_missing,
			struct dcd_diag *diag)
{
	struct window window = { .skip = offset, .left = length, .sink = sink };
	struct dcd_sink through = { window_write, &window };
	int err = o->source->ops->fetch(o->source, o->path, INT64_MAX, &through, diag);
	*ret_missing = window.left;
	if (window.sink_err != 0) {
		return window.sink_err;
	}
	return window.left == 0 ? 0 : err;
}

static int head_write(void *context, const uint8_t *data, size_t len)
{
	struct object_input *o = context;
	memcpy(o->head + o->head_len, data, len); /* the window lets no more through */
	o->head_len += len;
	return 0;
}

static int read_range(struct object_input *o, uint64_t offset, uint64_t length, struct dcd_sink *sink, struct dcd_diag *diag)
{
	if (o->total != 0) {
		return o->source->ops->fetch_range(o->source, o->path, o->total, offset, length, sink, diag);
	}
	uint64_t missing = 0;
	int err = read_unsized(o, offset, length, sink, &missing, diag);
	if (err == 0 && missing > 0) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: ends in the middle of what it should hold; it was cut off",
				   o->name);
	}
	return err;
}

static int object_read(struct dcd_bundle_input *input, uint64_t offset, uint64_t length, struct dcd_sink *sink,
		       struct dcd_diag *diag)
{
	struct object_input *o = (struct object_input *)input;
	int err = 0;
	if (offset < o->head_len) {
		size_t n = (size_t)dcd_min_u64(length, o->head_len - offset);
		err = sink->write(sink->context, o->head + offset, n);
		offset += n;
		length -= n;
	}
	if (err == 0 && length > 0) {
		err = read_range(o, offset, length, sink, diag);
	}
	input->stats = o->source->stats;
	return err;
}

/* Nothing is asked here: from now on the source refuses every answer about an object of another size, and the trailer is asked
 * for. */
static int object_check_total(struct dcd_bundle_input *input, uint64_t total, struct dcd_diag *diag)
{
	struct object_input *o = (struct object_input *)input;
	if (total < o->head_len) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED,
				    "%s: goes on after the %llu bytes that its index describes; something was appended", o->name,
				    (unsigned long long)total);
	}
	if (o->head_len < DCD_BUNDLE_HEAD && total != o->head_len) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED,
				    "%s: ends at byte %zu, in the middle of what it should hold; it was cut off", o->name,
				    o->head_len);
	}
	o->total = total;
	return 0;
}

static void object_close(struct dcd_bundle_input *input)
{
	struct object_input *o = (struct object_input *)input;
	o->source->ops->close(o->source);
	free(o->path);
	free(o->name);
	free(o);
}

static void object_interrupt(struct dcd_bundle_input *input, int stop)
{
	struct dcd_source *source = ((struct object_input *)input)->source;
	if (source->ops->interrupt != NULL) {
		source->ops->interrupt(source, stop);
	}
}

static const struct dcd_bundle_input_ops object_ops = { object_read, object_check_total, object_close, object_interrupt };

static int load_head(struct object_input *o, struct dcd_diag *diag)
{
	struct dcd_sink sink = { head_write, o };
	uint64_t missing = 0;
	return read_unsized(o, 0, DCD_BUNDLE_HEAD, &sink, &missing, diag);
}

static char *join(const char *folder, const char *name)
{
	size_t folder_len = strlen(folder);
	char *text = malloc(folder_len + strlen(name) + 2);
	if (text != NULL) {
		memcpy(text, folder, folder_len);
		text[folder_len] = '/';
		memcpy(text + folder_len + 1, name, strlen(name) + 1);
	}
	return text;
}

int dcd_bundle_input_object(struct dcd_source *source, const char *path, struct dcd_bundle_input **ret, struct dcd_diag *diag)
{
	struct object_input *o = calloc(1, sizeof *o);
	char *copy = strdup(path);
	char *name = join(source->name, path);
	int err = o == NULL || copy == NULL || name == NULL
			  ? dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to open it", path)
			  : 0;
	if (err == 0) {
		o->base.ops = &object_ops;
		o->base.name = o->name = name;
		o->path = copy;
		o->source = source;
		err = load_head(o, diag);
		o->base.stats = source->stats;
	}
	if (err != 0) {
		free(o);
		free(copy);
		free(name);
		return err;
	}
	*ret = &o->base;
	return 0;
}
