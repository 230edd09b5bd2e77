#include "updater/pipeline/prefetch.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

/*
 * Who may touch what: `list`, `running` and the inner source belong to the owner while no thread runs; a running thread has the
 * inner source and the position for itself. Everything from `ring` on is under the lock.
 */
struct dcd_prefetch {
	struct dcd_source base;
	struct dcd_source *inner;
	pthread_t thread;
	atomic_int interrupted; /* by somebody outside, who wants more than a pause */
	bool running;           /* there is a thread to join */

	const char *path; /* null: no list */
	uint64_t object_size;
	const struct dcd_range *ranges;
	size_t range_count;
	size_t at_range;   /* where the thread is: this range ... */
	uint64_t at_byte;  /* ... and so many of its bytes are in the ring or consumed */
	uint64_t run_left; /* bytes that the request under way may still bring */
	uint64_t promised; /* bytes of the list that no read has taken yet */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t capacity;
	size_t begin; /* of the filled part of the ring */
	size_t filled;
	bool stop;     /* the owner wants the thread to end */
	bool finished; /* the thread fetches no more; `err` says why */
	int err;
	struct dcd_diag diag;
	struct dcd_source_stats stats; /* the inner source's, as of the last piece */
	uint8_t ring[];
};

/* ---- The thread. ---- */

/* Copies into the free part, at most twice because the ring wraps. */
static size_t ring_put(struct dcd_prefetch *p, const uint8_t *data, size_t len)
{
	size_t put = 0;
	while (put < len && p->filled < p->capacity) {
		size_t at = p->begin < p->capacity - p->filled ? p->begin + p->filled : p->begin - (p->capacity - p->filled);
		size_t free_run = at >= p->begin ? p->capacity - at : p->begin - at;
		size_t n = free_run < len - put ? free_run : len - put;
		memcpy(p->ring + at, data + put, n);
		p->filled += n;
		put += n;
	}
	return put;
}

/* What arrived may run over the end of one range into the next ones that touch it. */
static void advance(struct dcd_prefetch *p, uint64_t n)
{
	while (n > 0) {
		uint64_t left = p->ranges[p->at_range].length - p->at_byte;
		if (n < left) {
			p->at_byte += n;
			return;
		}
		n -= left;
		p->at_range++;
		p->at_byte = 0;
	}
}

static int take_piece(void *context, const uint8_t *data, size_t len)
{
	struct dcd_prefetch *p = context;
	int err = 0;
	if (len > p->run_left) {
		return DCD_ERR_SOURCE_LIES; /* fetch_run() finds the words */
	}
	(void)pthread_mutex_lock(&p->lock);
	p->stats = p->inner->stats;
	while (len > 0) {
		while (!p->stop && p->filled == p->capacity) {
			(void)pthread_cond_wait(&p->changed, &p->lock);
		}
		if (p->stop) {
			err = DCD_ERR_CANCELLED;
			break;
		}
		size_t n = ring_put(p, data, len);
		advance(p, n);
		p->run_left -= n;
		data += n;
		len -= n;
		(void)pthread_cond_broadcast(&p->changed);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return err;
}

/* From the thread's position to the end of the ranges that touch. */
static int fetch_run(struct dcd_prefetch *p, struct dcd_diag *diag)
{
	const struct dcd_range *first = &p->ranges[p->at_range];
	uint64_t offset = first->offset + p->at_byte;
	uint64_t length = first->length - p->at_byte;
	for (size_t i = p->at_range + 1; i < p->range_count && p->ranges[i].offset == offset + length; i++) {
		length += p->ranges[i].length;
	}
	p->run_left = length;
	struct dcd_sink sink = { take_piece, p };
	int err = p->inner->ops->fetch_range(p->inner, p->path, p->object_size, offset, length, &sink, diag);
	if (err == 0 && p->run_left != 0) {
		return dcd_diag_set(diag, DCD_ERR_SOURCE_LIES, "%s: the source sent less than it was asked for", p->path);
	}
	if (err != 0 && diag->err == 0) {
		return dcd_diag_set(diag, err, "%s: reading ahead ended (%s)", p->path, dcd_err_name(err));
	}
	return err;
}

static void *read_ahead(void *context)
{
	struct dcd_prefetch *p = context;
	struct dcd_diag diag = { 0 };
	int err = 0;
	while (err == 0 && p->at_range < p->range_count) {
		err = fetch_run(p, &diag);
	}
	(void)pthread_mutex_lock(&p->lock);
	p->stats = p->inner->stats;
	if (!p->stop || err != DCD_ERR_CANCELLED) {
		p->finished = true;
		p->err = err;
		p->diag = diag;
	}
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* ---- Its owner. ---- */

static int resume(struct dcd_prefetch *p, struct dcd_diag *diag)
{
	if (p->path == NULL || p->finished) {
		return 0;
	}
	p->stop = false; /* no thread: no lock needed */
	/* Signals are for the program's own threads. */
	sigset_t all, before;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&p->thread, NULL, read_ahead, p);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "%s: no thread to read ahead with", p->base.name);
	}
	p->running = true;
	return 0;
}

static void interrupt_inner(struct dcd_prefetch *p, int stop)
{
	if (p->inner->ops->interrupt != NULL) {
		p->inner->ops->interrupt(p->inner, stop);
	}
}

/* The thread is gone afterwards; its position and the ring's content stay. */
static void suspend(struct dcd_prefetch *p)
{
	if (!p->running) {
		return;
	}
	(void)pthread_mutex_lock(&p->lock);
	p->stop = true;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
	interrupt_inner(p, 1);
	(void)pthread_join(p->thread, NULL);
	interrupt_inner(p, 0);
	if (atomic_load(&p->interrupted) != 0) {
		interrupt_inner(p, 1); /* it came in between, and must not be lost */
	}
	p->running = false;
	p->base.stats = p->inner->stats;
}

static int check_list(const struct dcd_prefetch *p, uint64_t object_size, const struct dcd_range *ranges, size_t n,
		      uint64_t *ret_sum, struct dcd_diag *diag)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < n; i++) {
		if (ranges[i].length == 0 || !dcd_range_inside(ranges[i].offset, ranges[i].length, object_size) ||
		    !dcd_add_u64(sum, ranges[i].length, &sum)) {
			return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: a range to read ahead lies outside the object",
					    p->base.name);
		}
	}
	*ret_sum = sum;
	return 0;
}

int dcd_prefetch_start(struct dcd_prefetch *prefetch, const char *path, uint64_t object_size, const struct dcd_range *ranges,
		       size_t n, struct dcd_diag *diag)
{
	struct dcd_prefetch *p = prefetch;
	dcd_prefetch_stop(p);
	uint64_t sum = 0;
	int err = check_list(p, object_size, ranges, n, &sum, diag);
	if (err != 0) {
		return err;
	}
	p->path = path;
	p->object_size = object_size;
	p->ranges = ranges;
	p->range_count = n;
	p->at_range = 0;
	p->at_byte = 0;
	p->promised = sum;
	p->begin = p->filled = 0;
	p->finished = false;
	p->err = 0;
	err = resume(p, diag);
	if (err != 0) {
		p->path = NULL;
	}
	return err;
}

static void ring_get(struct dcd_prefetch *p, uint8_t *buf, size_t len)
{
	while (len > 0) {
		size_t run = p->capacity - p->begin;
		size_t n = run < len ? run : len;
		memcpy(buf, p->ring + p->begin, n);
		p->begin = n == run ? 0 : p->begin + n;
		p->filled -= n;
		buf += n;
		len -= n;
	}
}

int dcd_prefetch_read(struct dcd_prefetch *prefetch, void *buf, size_t len, struct dcd_diag *diag)
{
	struct dcd_prefetch *p = prefetch;
	uint8_t *out = buf;
	if (p->path == NULL || len > p->promised) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: more is read than was to be read ahead", p->base.name);
	}
	int err = 0;
	(void)pthread_mutex_lock(&p->lock);
	while (len > 0) {
		while (p->filled == 0 && !p->finished) {
			(void)pthread_cond_wait(&p->changed, &p->lock);
		}
		if (p->filled == 0) {
			err = p->err != 0 ? p->err : DCD_ERR_BUG;
			if (diag != NULL) {
				*diag = p->diag;
			}
			break;
		}
		size_t n = p->filled < len ? p->filled : len;
		ring_get(p, out, n);
		out += n;
		len -= n;
		p->promised -= n;
		(void)pthread_cond_broadcast(&p->changed);
	}
	p->base.stats = p->stats;
	(void)pthread_mutex_unlock(&p->lock);
	return err;
}

void dcd_prefetch_stop(struct dcd_prefetch *prefetch)
{
	suspend(prefetch);
	prefetch->path = NULL;
	prefetch->ranges = NULL;
	prefetch->range_count = 0;
	prefetch->promised = 0;
}

void dcd_prefetch_close(struct dcd_prefetch *prefetch)
{
	if (prefetch == NULL) {
		return;
	}
	dcd_prefetch_stop(prefetch);
	(void)pthread_cond_destroy(&prefetch->changed);
	(void)pthread_mutex_destroy(&prefetch->lock);
	free(prefetch);
}

/* ---- As a source. ---- */

/* The fetch's own result goes before that of starting again, which a later read would meet too. */
static int push_in_end(struct dcd_prefetch *p, int err)
{
	p->base.stats = p->inner->stats;
	struct dcd_diag diag = { 0 };
	int again = resume(p, &diag);
	if (again != 0) {
		p->finished = true;
		p->err = again;
		p->diag = diag;
	}
	return err;
}

static int prefetch_fetch(struct dcd_source *source, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct dcd_prefetch *p = (struct dcd_prefetch *)source;
	suspend(p);
	return push_in_end(p, p->inner->ops->fetch(p->inner, path, max, sink, diag));
}

static int prefetch_fetch_range(struct dcd_source *source, const char *path, uint64_t object_size, uint64_t offset,
				uint64_t length, struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct dcd_prefetch *p = (struct dcd_prefetch *)source;
	suspend(p);
	return push_in_end(p, p->inner->ops->fetch_range(p->inner, path, object_size, offset, length, sink, diag));
}

static void prefetch_interrupt(struct dcd_source *source, int stop)
{
	struct dcd_prefetch *p = (struct dcd_prefetch *)source;
	atomic_store(&p->interrupted, stop);
	interrupt_inner(p, stop);
}

static void prefetch_close_source(struct dcd_source *source)
{
	dcd_prefetch_close((struct dcd_prefetch *)source);
}

static const struct dcd_source_ops prefetch_ops = {
	.fetch = prefetch_fetch,
	.fetch_range = prefetch_fetch_range,
	.close = prefetch_close_source,
	.interrupt = prefetch_interrupt,
};

int dcd_prefetch_open(struct dcd_source *inner, size_t budget, struct dcd_prefetch **ret, struct dcd_diag *diag)
{
	size_t capacity = budget < DCD_PREFETCH_BUDGET_MIN ? DCD_PREFETCH_BUDGET_MIN : budget;
	struct dcd_prefetch *p = capacity < SIZE_MAX / 2 ? calloc(1, sizeof *p + capacity) : NULL;
	if (p == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to read ahead with", inner->name);
	}
	p->base.ops = &prefetch_ops;
	p->base.name = inner->name;
	p->base.stats = inner->stats;
	p->inner = inner;
	p->capacity = capacity;
	atomic_init(&p->interrupted, 0);
	if (pthread_mutex_init(&p->lock, NULL) != 0) {
		free(p);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to read ahead with", inner->name);
	}
	if (pthread_cond_init(&p->changed, NULL) != 0) {
		(void)pthread_mutex_destroy(&p->lock);
		free(p);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to read ahead with", inner->name);
	}
	*ret = p;
	return 0;
}

struct dcd_source *dcd_prefetch_source(struct dcd_prefetch *prefetch)
{
	return &prefetch->base;
}
