#include "base/source.h"

#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 1024

int dcd_source_path_ok(const char *path)
{
	size_t len = strnlen(path, PATH_MAX_BYTES + 1);
	if (len == 0 || len > PATH_MAX_BYTES || path[0] == '/') {
		return 0;
	}
	for (const char *part = path;;) {
		size_t n = strcspn(part, "/");
		if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.')) {
			return 0;
		}
		if (part[n] == '\0') {
			return 1;
		}
		part += n + 1;
	}
}

bool dcd_source_has(const struct dcd_source *source, const char *path)
{
	return source->ops->has == NULL || source->ops->has(source, path);
}

bool dcd_source_next(struct dcd_source *source)
{
	return source->ops->next != NULL && source->ops->next(source);
}

int dcd_source_finish(struct dcd_source *source, struct dcd_diag *diag)
{
	return source->ops->finish == NULL ? 0 : source->ops->finish(source, diag);
}

/* Memory that grows with what arrives, never with what was announced. */
struct growing {
	uint8_t *data;
	size_t len;
	size_t capacity;
	uint64_t max;
};

static int growing_write(void *context, const uint8_t *data, size_t len)
{
	struct growing *g = context;
	if (len == 0) {
		return 0; /* memcpy to a null pointer is undefined even for nothing */
	}
	if (len > g->max - g->len) {
		return DCD_ERR_SIZE;
	}
	if (len > g->capacity - g->len) {
		size_t capacity = g->capacity < 4096 ? 4096 : g->capacity;
		while (capacity - g->len < len) {
			if (capacity > SIZE_MAX / 2) {
				return DCD_ERR_NO_MEMORY;
			}
			capacity *= 2;
		}
		uint8_t *grown = realloc(g->data, capacity);
		if (grown == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
		g->data = grown;
		g->capacity = capacity;
	}
	memcpy(g->data + g->len, data, len);
	g->len += len;
	return 0;
}

int dcd_source_load(struct dcd_source *source, const char *path, uint64_t max, uint8_t **ret_data, size_t *ret_len,
		    struct dcd_diag *diag)
{
	struct growing g = { .max = max };
	struct dcd_sink sink = { growing_write, &g };
	int err = source->ops->fetch(source, path, max, &sink, diag);
	if (err == 0 && g.data == NULL) {
		g.data = malloc(1);
		if (g.data == NULL) {
			err = dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for %s", path);
		}
	}
	if (err != 0) {
		free(g.data);
		return err;
	}
	*ret_data = g.data;
	*ret_len = g.len;
	return 0;
}

struct fixed {
	uint8_t *buf;
	size_t len;
	size_t capacity;
};

static int fixed_write(void *context, const uint8_t *data, size_t len)
{
	struct fixed *f = context;
	if (len == 0) {
		return 0;
	}
	if (len > f->capacity - f->len) {
		return DCD_ERR_SOURCE_LIES;
	}
	memcpy(f->buf + f->len, data, len);
	f->len += len;
	return 0;
}

int dcd_source_load_range(struct dcd_source *source, const char *path, uint64_t object_size, uint64_t offset, uint8_t *buf,
			  size_t length, struct dcd_diag *diag)
{
	struct fixed f = { .buf = buf, .capacity = length };
	struct dcd_sink sink = { fixed_write, &f };
	int err = source->ops->fetch_range(source, path, object_size, offset, length, &sink, diag);
	if (err == 0 && f.len != length) {
		err = dcd_diag_set(diag, DCD_ERR_SOURCE_LIES, "%s: the source sent %zu bytes of the %zu asked for", path, f.len, length);
	}
	return err;
}
