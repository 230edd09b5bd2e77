#include "updater/pipeline/threaded_writer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define BUFFERS 2

/*
 * One producer, one consumer, two buffers: the producer fills buffers[filling] while the thread works on the other one. `queued` holds at most one
 * segment, so nothing needs a longer list.
 */
struct threaded_writer {
	struct dcd_segment_writer writer;
	struct dcd_segment_writer *inner;
	uint8_t *buffers[BUFFERS];
	int filling;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* Under the mutex: */
	bool queued;   /* `segment` and `data` wait for the thread, or are being worked on */
	bool stopping;
	struct dcd_written_segment segment;
	const uint8_t *data;
	int err;
	struct dcd_diag diag;
};

static int allocate(const struct dcd_segment_writer_options *options, struct threaded_writer *threaded)
{
	for (int i = 0; i < BUFFERS; i++) {
		threaded->buffers[i] = malloc(options->segment_size);
		if (threaded->buffers[i] == NULL) {
			return DCD_ERR_NO_MEMORY;
		}
	}
	return 0;
}

static void discard(struct threaded_writer *threaded)
{
	if (threaded->inner != NULL) {
		threaded->inner->ops->close(threaded->inner);
	}
	for (int i = 0; i < BUFFERS; i++) {
		free(threaded->buffers[i]);
	}
	free(threaded);
}

static void *work(void *context)
{
	struct threaded_writer *threaded = context;
	pthread_mutex_lock(&threaded->mutex);
	for (;;) {
		while (!threaded->queued && !threaded->stopping) {
			pthread_cond_wait(&threaded->changed, &threaded->mutex);
		}
		if (!threaded->queued) {
			break;
		}
		struct dcd_written_segment segment = threaded->segment;
		const uint8_t *data = threaded->data;
		bool failed = threaded->err != 0;
		struct dcd_diag diag = { 0 };
		pthread_mutex_unlock(&threaded->mutex);
		int err = failed ? 0 : threaded->inner->ops->put(threaded->inner, &segment, data, &diag);
		pthread_mutex_lock(&threaded->mutex);
		if (err != 0) {
			threaded->err = err;
			threaded->diag = diag;
		}
		threaded->queued = false;
		pthread_cond_broadcast(&threaded->changed);
	}
	pthread_mutex_unlock(&threaded->mutex);
	return NULL;
}

/* Waits until the thread has nothing in hand; the mutex is held on return. */
static int wait_idle(struct threaded_writer *threaded, struct dcd_diag *diag)
{
	pthread_mutex_lock(&threaded->mutex);
	while (threaded->queued) {
		pthread_cond_wait(&threaded->changed, &threaded->mutex);
	}
	return threaded->err == 0 ? 0 : dcd_diag_set(diag, threaded->err, "%s", threaded->diag.text);
}

static int threaded_buffer(struct dcd_segment_writer *writer, uint8_t **ret, struct dcd_diag *diag)
{
	(void)diag;
	struct threaded_writer *threaded = (struct threaded_writer *)writer;
	*ret = threaded->buffers[threaded->filling];
	return 0;
}

static int threaded_put(struct dcd_segment_writer *writer, const struct dcd_written_segment *segment, const uint8_t *data,
			struct dcd_diag *diag)
{
	struct threaded_writer *threaded = (struct threaded_writer *)writer;
	int err = wait_idle(threaded, diag);
	writer->bytes_written = threaded->inner->bytes_written;
	if (err == 0) {
		threaded->segment = *segment;
		threaded->data = data;
		threaded->queued = true;
		threaded->filling = (threaded->filling + 1) % BUFFERS;
		pthread_cond_broadcast(&threaded->changed);
	}
	pthread_mutex_unlock(&threaded->mutex);
	return err;
}

static int threaded_finish(struct dcd_segment_writer *writer, struct dcd_diag *diag)
{
	struct threaded_writer *threaded = (struct threaded_writer *)writer;
	int err = wait_idle(threaded, diag);
	pthread_mutex_unlock(&threaded->mutex);
	if (err == 0) {
		err = threaded->inner->ops->finish(threaded->inner, diag);
	}
	writer->bytes_written = threaded->inner->bytes_written;
	writer->bad_segments = threaded->inner->bad_segments;
	return err;
}

static void threaded_close(struct dcd_segment_writer *writer)
{
	struct threaded_writer *threaded = (struct threaded_writer *)writer;
	pthread_mutex_lock(&threaded->mutex);
	threaded->stopping = true;
	pthread_cond_broadcast(&threaded->changed);
	pthread_mutex_unlock(&threaded->mutex);
	pthread_join(threaded->thread, NULL);
	pthread_cond_destroy(&threaded->changed);
	pthread_mutex_destroy(&threaded->mutex);
	discard(threaded);
}

static const struct dcd_segment_writer_ops threaded_ops = { threaded_buffer, threaded_put, threaded_finish, threaded_close };

int dcd_threaded_writer_new(const struct dcd_segment_writer_options *options, struct dcd_segment_writer **ret, struct dcd_diag *diag)
{
	struct threaded_writer *threaded = calloc(1, sizeof *threaded);
	if (threaded == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory to write %s", options->dev->name);
	}
	int err = allocate(options, threaded);
	if (err != 0) {
		(void)dcd_diag_set(diag, err, "no memory for %d segments of %u bytes", BUFFERS, options->segment_size);
	} else {
		err = dcd_plain_writer_new(options, &threaded->inner, diag);
	}
	if (err != 0) {
		discard(threaded);
		return err;
	}
	threaded->writer.ops = &threaded_ops;
	pthread_mutex_init(&threaded->mutex, NULL);
	pthread_cond_init(&threaded->changed, NULL);
	if (pthread_create(&threaded->thread, NULL, work, threaded) != 0) {
		pthread_cond_destroy(&threaded->changed);
		pthread_mutex_destroy(&threaded->mutex);
		discard(threaded);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "the writer's thread could not be started");
	}
	*ret = &threaded->writer;
	return 0;
}
