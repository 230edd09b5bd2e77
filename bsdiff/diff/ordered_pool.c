#include "bsdiff/diff/ordered_pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

struct pool {
	const struct dcd_pool_job *job;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t next;      /* the next piece to be claimed */
	uint64_t delivered; /* pieces below it have been taken */
	uint64_t end;
	int err;
	bool done[2 * DCD_POOL_WORKERS_MAX + 2]; /* by slot */
};

struct worker {
	struct pool *pool;
	unsigned number;
	pthread_t thread;
};

unsigned dcd_pool_workers(int threads)
{
	long n = threads > 0 ? threads : sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n > DCD_POOL_WORKERS_MAX ? DCD_POOL_WORKERS_MAX : (unsigned)n;
}

static void *slot_of(const struct dcd_pool_job *job, uint64_t index)
{
	return (char *)job->slots + (size_t)(index % dcd_pool_slots(job->workers)) * job->slot_size;
}

static void *worker_main(void *argument)
{
	struct worker *self = argument;
	struct pool *pool = self->pool;
	const struct dcd_pool_job *job = pool->job;
	unsigned slots = dcd_pool_slots(job->workers);
	pthread_mutex_lock(&pool->lock);
	while (pool->err == 0 && pool->next < pool->end) {
		if (pool->next - pool->delivered >= slots) {
			pthread_cond_wait(&pool->changed, &pool->lock);
			continue;
		}
		uint64_t index = pool->next++;
		pthread_mutex_unlock(&pool->lock);
		int err = job->work(job->context, self->number, index, slot_of(job, index));
		pthread_mutex_lock(&pool->lock);
		if (err != 0 && pool->err == 0) {
			pool->err = err;
		}
		pool->done[index % slots] = true;
		pthread_cond_broadcast(&pool->changed);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static void deliver_all(struct pool *pool)
{
	const struct dcd_pool_job *job = pool->job;
	unsigned slots = dcd_pool_slots(job->workers);
	pthread_mutex_lock(&pool->lock);
	while (pool->err == 0 && pool->delivered < pool->end) {
		uint64_t index = pool->delivered;
		if (!pool->done[index % slots]) {
			pthread_cond_wait(&pool->changed, &pool->lock);
			continue;
		}
		pool->done[index % slots] = false;
		int err = 0;
		if (job->deliver != NULL) {
			pthread_mutex_unlock(&pool->lock);
			err = job->deliver(job->context, index, slot_of(job, index));
			pthread_mutex_lock(&pool->lock);
		}
		if (err != 0 && pool->err == 0) {
			pool->err = err;
		}
		pool->delivered++;
		pthread_cond_broadcast(&pool->changed);
	}
	pthread_mutex_unlock(&pool->lock);
}

int dcd_pool_run(const struct dcd_pool_job *job, uint64_t first, uint64_t end)
{
	if (first >= end) {
		return 0;
	}
	struct pool pool = { .job = job, .next = first, .delivered = first, .end = end };
	struct worker workers[DCD_POOL_WORKERS_MAX];
	pthread_mutex_init(&pool.lock, NULL);
	pthread_cond_init(&pool.changed, NULL);
	unsigned started = 0;
	while (started < job->workers) {
		workers[started].pool = &pool;
		workers[started].number = started;
		if (pthread_create(&workers[started].thread, NULL, worker_main, &workers[started]) != 0) {
			break;
		}
		started++;
	}
	if (started == 0) {
		pool.err = DCD_ERR_NO_MEMORY;
	}
	deliver_all(&pool);
	for (unsigned i = 0; i < started; i++) {
		pthread_join(workers[i].thread, NULL);
	}
	pthread_cond_destroy(&pool.changed);
	pthread_mutex_destroy(&pool.lock);
	return pool.err;
}
