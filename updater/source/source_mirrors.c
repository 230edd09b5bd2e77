#include "updater/source/source_mirrors.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct mirrors {
	struct dcd_source base;
	atomic_size_t count; /* grows while another thread may interrupt */
	atomic_int stop;
	size_t current;
	size_t turned; /* how often next() was called since it last said false */
	struct dcd_source *list[DCD_MIRRORS_MAX];
	size_t (*more)(void *context, struct dcd_source **ret, size_t max);
	void *more_context;
};

/* What one fetch has handed on so far, whoever sent it. */
struct handed {
	struct dcd_sink *sink;
	uint64_t done; /* bytes that the caller has had */
	uint64_t skip; /* bytes of the attempt under way that it has had already */
	bool sink_failed;
};

static int handed_write(void *context, const uint8_t *data, size_t len)
{
	struct handed *handed = context;
	size_t skipped = handed->skip < len ? (size_t)handed->skip : len;
	handed->skip -= skipped;
	if (skipped == len) {
		return 0;
	}
	int err = handed->sink->write(handed->sink->context, data + skipped, len - skipped);
	handed->sink_failed = err != 0;
	handed->done += len - skipped;
	return err;
}

/* One object, whole or a range of it (`length` > 0). */
struct wish {
	const char *path;
	uint64_t max;
	uint64_t object_size;
	uint64_t offset;
	uint64_t length;
};

static int attempt(struct dcd_source *mirror, const struct wish *wish, struct handed *handed, struct dcd_diag *diag)
{
	struct dcd_sink sink = { handed_write, handed };
	if (wish->length == 0) {
		handed->skip = handed->done;
		return mirror->ops->fetch(mirror, wish->path, wish->max, &sink, diag);
	}
	return mirror->ops->fetch_range(mirror, wish->path, wish->object_size, wish->offset + handed->done,
					wish->length - handed->done, &sink, diag);
}

/*
 * "Not found" and "forbidden" are answers where a whole file is asked for: clients ask for roots that aren't there yet. A payload's bytes
 * must be there, so whoever forbids those has somebody else asked.
 */
static bool worth_another(const struct wish *wish, int err)
{
	return err == DCD_ERR_UNREACHABLE || err == DCD_ERR_BROKEN_OFF || err == DCD_ERR_SOURCE_LIES ||
	       (err == DCD_ERR_FORBIDDEN && wish->length > 0);
}

static void add_stats(struct mirrors *m)
{
	struct dcd_source_stats sum = { 0 };
	for (size_t i = 0; i < m->count; i++) {
		sum.bytes += m->list[i]->stats.bytes;
		sum.requests += m->list[i]->stats.requests;
		sum.retries += m->list[i]->stats.retries;
	}
	m->base.stats = sum;
}

static void interrupt_one(struct dcd_source *mirror, int stop)
{
	if (mirror->ops->interrupt != NULL) {
		mirror->ops->interrupt(mirror, stop);
	}
}

/* Asks for more mirrors, once. True when there are. */
static bool find_more(struct mirrors *m)
{
	size_t count = m->count;
	if (m->more == NULL || count == DCD_MIRRORS_MAX) {
		return false;
	}
	size_t found = m->more(m->more_context, m->list + count, DCD_MIRRORS_MAX - count);
	m->more = NULL;
	m->count = count + found;
	/* An interrupt that came before they were counted didn't reach them. */
	for (size_t i = count; i < count + found && m->stop != 0; i++) {
		interrupt_one(m->list[i], 1);
	}
	return found > 0;
}

static int fetch_by_any(struct mirrors *m, const struct wish *wish, struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct handed handed = { .sink = sink };
	int err = DCD_ERR_BUG;
	for (size_t tries = 0; tries < m->count; tries++) {
		err = attempt(m->list[m->current], wish, &handed, diag);
		bool complete = wish->length > 0 && handed.done == wish->length;
		if (!worth_another(wish, err) || handed.sink_failed || complete) {
			break;
		}
		/* Those that come later stand behind these: the first of them is next when the last of these has failed. */
		size_t known = m->count;
		m->current = tries + 1 == known && find_more(m) ? known : (m->current + 1) % known;
	}
	add_stats(m);
	return err;
}

static int mirrors_fetch(struct dcd_source *source, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag)
{
	const struct wish wish = { .path = path, .max = max };
	return fetch_by_any((struct mirrors *)source, &wish, sink, diag);
}

static int mirrors_fetch_range(struct dcd_source *source, const char *path, uint64_t object_size, uint64_t offset,
			       uint64_t length, struct dcd_sink *sink, struct dcd_diag *diag)
{
	const struct wish wish = { .path = path, .object_size = object_size, .offset = offset, .length = length };
	return fetch_by_any((struct mirrors *)source, &wish, sink, diag);
}

static void mirrors_close(struct dcd_source *source)
{
	struct mirrors *m = (struct mirrors *)source;
	for (size_t i = 0; i < m->count; i++) {
		m->list[i]->ops->close(m->list[i]);
	}
	free(m);
}

static void mirrors_interrupt(struct dcd_source *source, int stop)
{
	struct mirrors *m = (struct mirrors *)source;
	m->stop = stop;
	for (size_t i = 0; i < m->count; i++) {
		interrupt_one(m->list[i], stop);
	}
}

static bool mirrors_next(struct dcd_source *source)
{
	struct mirrors *m = (struct mirrors *)source;
	size_t known = m->count;
	m->turned++;
	if (m->turned == known && find_more(m)) {
		m->current = known;
		return true;
	}
	m->current = (m->current + 1) % known;
	if (m->turned < known) {
		return true;
	}
	m->turned = 0;
	return false;
}

/* The mirror that would be asked answers: metadata and what it lists are to come from one place. */
static bool mirrors_has(const struct dcd_source *source, const char *path)
{
	const struct mirrors *m = (const struct mirrors *)source;
	return dcd_source_has(m->list[m->current], path);
}

static int mirrors_finish(struct dcd_source *source, struct dcd_diag *diag)
{
	struct mirrors *m = (struct mirrors *)source;
	return dcd_source_finish(m->list[m->current], diag);
}

static const struct dcd_source_ops mirrors_ops = {
	.fetch = mirrors_fetch,
	.fetch_range = mirrors_fetch_range,
	.close = mirrors_close,
	.interrupt = mirrors_interrupt,
	.next = mirrors_next,
	.has = mirrors_has,
	.finish = mirrors_finish,
};

static const struct dcd_source *find_stream(struct dcd_source *const *mirrors, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (mirrors[i]->sequential) {
			return mirrors[i];
		}
	}
	return NULL;
}

static int check(struct dcd_source *const *mirrors, size_t count, struct dcd_diag *diag)
{
	if (count == 0 || count > DCD_MIRRORS_MAX) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "from 1 to %d mirrors can be used", DCD_MIRRORS_MAX);
	}
	const struct dcd_source *stream = find_stream(mirrors, count);
	return stream == NULL ? 0
			      : dcd_diag_set(diag, DCD_ERR_CONFIG,
					     "%s: a stream is read once and can't be one of several sources; name it alone",
					     stream->name);
}

int dcd_source_mirrors_new(struct dcd_source *const *mirrors, size_t count, struct dcd_source **ret, struct dcd_diag *diag)
{
	int err = check(mirrors, count, diag);
	struct mirrors *m = err != 0 ? NULL : calloc(1, sizeof *m);
	if (m == NULL) {
		for (size_t i = 0; i < count; i++) {
			mirrors[i]->ops->close(mirrors[i]);
		}
		return err != 0 ? err : dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the mirrors");
	}
	m->base = (struct dcd_source){ .ops = &mirrors_ops, .name = mirrors[0]->name };
	m->count = count;
	for (size_t i = 0; i < count; i++) {
		m->list[i] = mirrors[i];
	}
	*ret = &m->base;
	return 0;
}

void dcd_source_mirrors_more(struct dcd_source *mirrors, size_t (*more)(void *context, struct dcd_source **ret, size_t max),
			     void *context)
{
	struct mirrors *m = (struct mirrors *)mirrors;
	m->more = more;
	m->more_context = context;
}
