/*
 * Every payload, from every pair, with any options, applies to the exact image: pairs without end from one seed, encoded and
 * applied in memory. Pair number n of a seed is the same whoever makes it, so a failure is one number:
 *
 *	delta_properties [--seed S] [--first N] [--count N | --seconds T] [--threads N] [OLD NEW]...
 *
 * OLD and NEW are files that some of the pairs are made from. SIGINT and SIGTERM end it early, with a report.
 */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/le.h"
#include "tests/properties/image_pairs.h"
#include "tests/unit/payload_fixture.h"

#define GIVEN_MAX 64

static struct {
	uint64_t seed;
	uint64_t first;
	uint64_t count;
	double seconds; /* 0: by count */
	long threads;
	struct pair_file given[GIVEN_MAX];
	size_t given_count;
} run = { .seed = 1, .count = 2000 };

/* What all threads have done. */
static struct {
	atomic_uint_fast64_t next;
	atomic_uint_fast64_t done;
	atomic_uint_fast64_t by_shape[PAIR_SHAPES];
	atomic_uint_fast64_t bytes;
	atomic_uint_fast64_t frames[4];
	atomic_uint_fast64_t filtered; /* frames with predicted references */
	atomic_uint_fast64_t repacked;
	atomic_uint_fast64_t split; /* payloads with such blocks */
	atomic_bool failed;
} tally;

static atomic_bool stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = true;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/*
 * A hash that is quick and nothing else: bytes are compared here, and SHA-256 would take half of the time. Eight bytes a step,
 * with the length in.
 */
struct quick_state {
	uint64_t sum;
	uint64_t len;
};

static void quick_init(struct dcd_hash_state *state)
{
	*(struct quick_state *)(void *)state->opaque = (struct quick_state){ UINT64_C(0x9e3779b97f4a7c15), 0 };
}

static void quick_update(struct dcd_hash_state *state, const void *data, size_t len)
{
	struct quick_state *quick = (struct quick_state *)(void *)state->opaque;
	const uint8_t *bytes = data;
	quick->len += len;
	while (len > 0) {
		size_t n = len < 8 ? len : 8;
		uint64_t word = 0;
		memcpy(&word, bytes, n);
		quick->sum = (quick->sum ^ word) * UINT64_C(0xff51afd7ed558ccd);
		quick->sum ^= quick->sum >> 32;
		bytes += n;
		len -= n;
	}
}

static void quick_finish(struct dcd_hash_state *state, struct dcd_hash *ret)
{
	const struct quick_state *quick = (const struct quick_state *)(const void *)state->opaque;
	uint64_t seed = quick->sum ^ quick->len << 1;
	for (size_t i = 0; i < DCD_HASH_SIZE; i += 8) {
		seed |= seed == 0;
		dcd_le64_put(ret->bytes + i, fixture_random(&seed));
	}
}

static const struct dcd_hash_alg quick_hash = { quick_init, quick_update, quick_finish };

static struct dcd_encode_options some_options(uint64_t *seed)
{
	static const uint32_t sizes[] = { 4096, 4096, 8192, 16384, 65536, 131072, 262144, 1U << 20 };
	struct dcd_encode_options options = { .segment_size = sizes[fixture_random(seed) >> 20 & 7],
					      .effort = 1 + (int)((fixture_random(seed) >> 20) % 9),
					      .threads = 1,
					      .alg = &quick_hash };
	options.keep_packed = (fixture_random(seed) >> 20 & 15) == 0;
	options.pack_memory = (fixture_random(seed) >> 20 & 7) == 0 ? 700U << 10 : 0;
	return options;
}

static void tally_frames(const struct fixture_payload *p)
{
	tally.split += (dcd_le32_get(p->data + DCD_HEADER_FEATURES) & DCD_FEATURE_SPLIT) != 0;
	for (uint64_t at = DCD_FORMAT_HEADER_SIZE; at < p->result.table_length; at += DCD_FORMAT_ENTRY_SIZE) {
		uint8_t filter = p->data[at + DCD_ENTRY_FILTER];
		tally.frames[p->data[at + DCD_ENTRY_KIND]]++;
		tally.filtered += (filter & DCD_FILTER_REFERENCES) != 0;
		tally.repacked += (filter & DCD_FILTER_REPACKED) != 0;
	}
}

/* As a device does it: one workspace of the stated size for all frames, which lie in its beginning. */
static int payload_apply(const struct fixture_payload *p, struct dcd_reader *base, uint8_t *out)
{
	struct dcd_payload payload;
	struct dcd_decoder zstd = dcd_zstd_decoder();
	struct dcd_packer packer = dcd_block_packer();
	struct dcd_frame_tools tools = { .alg = &quick_hash, .zstd = &zstd, .base = base, .packer = &packer };
	size_t at = (size_t)p->result.table_length;
	int err = dcd_payload_open(p->data, at, &quick_hash, &payload);
	if (err != 0) {
		return err;
	}
	size_t size = dcd_frame_memory_size(&payload, &zstd);
	uint8_t *memory = malloc(size);
	for (uint32_t i = 0; err == 0 && i < payload.segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(&payload, i, &entry);
		memcpy(memory, p->data + at, entry.frame_length);
		dcd_frame_share_memory(&tools, memory, size, entry.frame_length);
		err = dcd_frame_make_segment(&entry, memory, entry.frame_length, &tools, out + entry.segment_offset);
		at += entry.frame_length;
	}
	free(memory);
	return err;
}

/* Encodes and applies the maker's pair. What went wrong, or null. */
static const char *pair_try(const struct pair_maker *m, const struct dcd_encode_options *options, bool full, int *ret_err)
{
	struct fixture_payload p = { 0 };
	struct fixture_base base;
	const char *wrong = NULL;
	*ret_err = fixture_encode(full ? NULL : m->base, m->base_len, m->image, m->image_len, options, &p);
	if (*ret_err != 0) {
		return "it isn't encoded";
	}
	fixture_base_open(&base, m->base, m->base_len);
	uint8_t *out = malloc(m->image_len + 1);
	*ret_err = out == NULL ? DCD_ERR_NO_MEMORY : payload_apply(&p, full ? NULL : &base.reader, out);
	if (*ret_err != 0) {
		wrong = "its payload isn't applied";
	} else if (memcmp(out, m->image, m->image_len) != 0) {
		wrong = "its payload gives another image";
	}
	tally_frames(&p);
	free(out);
	free(p.data);
	return wrong;
}

static void pair_check(struct pair_maker *m, uint64_t number)
{
	uint64_t seed = (run.seed << 40) + number + 1;
	for (int i = 0; i < 4; i++) {
		(void)fixture_random(&seed); /* neighbours look alike at first */
	}
	pair_make(m, &seed);
	struct dcd_encode_options options = some_options(&seed);
	bool full = (fixture_random(&seed) >> 20 & 15) == 0;
	int err;
	const char *wrong = pair_try(m, &options, full, &err);
	if (wrong != NULL) {
		tally.failed = true;
		fprintf(stderr, "pair %llu of seed %llu: %s (error %d; base %zu, image %zu bytes; segments of %u, effort %d%s)\n",
			(unsigned long long)number, (unsigned long long)run.seed, wrong, err, full ? 0 : m->base_len,
			m->image_len, options.segment_size, options.effort, options.keep_packed ? ", kept packed" : "");
	}
	tally.done++;
	tally.by_shape[m->shape]++;
	tally.bytes += m->image_len;
}

static void *worker(void *context)
{
	double end = *(const double *)context;
	struct pair_maker maker;
	if (!pair_maker_open(&maker)) {
		abort();
	}
	maker.given = run.given;
	maker.given_count = run.given_count;
	while (!tally.failed && !stopped && (run.seconds == 0 || now() < end)) {
		uint64_t number = tally.next++;
		if (run.seconds == 0 && number - run.first >= run.count) {
			break;
		}
		pair_check(&maker, number);
	}
	pair_maker_close(&maker);
	return NULL;
}

static bool file_load(const char *path, struct pair_file *ret)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(PAIR_IMAGE_MAX);
	if (file == NULL || data == NULL) {
		perror(path);
		return false;
	}
	*ret = (struct pair_file){ data, fread(data, 1, PAIR_IMAGE_MAX, file) };
	fclose(file);
	return true;
}

static bool options_read(int argc, char **argv)
{
	static const struct option names[] = { { "seed", 1, NULL, 's' },    { "first", 1, NULL, 'f' },
					       { "count", 1, NULL, 'c' },   { "seconds", 1, NULL, 't' },
					       { "threads", 1, NULL, 'j' }, { 0 } };
	run.threads = sysconf(_SC_NPROCESSORS_ONLN);
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		uint64_t value = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;
		switch (c) {
		case 's':
			run.seed = value;
			break;
		case 'f':
			run.first = value;
			break;
		case 'c':
			run.count = value;
			break;
		case 't':
			run.seconds = (double)value;
			break;
		case 'j':
			run.threads = (long)value;
			break;
		default:
			return false;
		}
	}
	for (; optind < argc && run.given_count < GIVEN_MAX; optind++) {
		if (!file_load(argv[optind], &run.given[run.given_count++])) {
			return false;
		}
	}
	return run.threads > 0 && run.given_count % 2 == 0;
}

static void report(double seconds)
{
	static const char *const shapes[PAIR_SHAPES] = { "stretches", "programs",    "members",  "both",
							 "inodes",    "given files", "strangers" };
	printf("seed %llu: %llu pairs from number %llu on, %.1f MiB of images, in %.0f s;", (unsigned long long)run.seed,
	       (unsigned long long)tally.done, (unsigned long long)run.first, (double)tally.bytes / 1048576, seconds);
	for (size_t i = 0; i < PAIR_SHAPES; i++) {
		printf("%s %llu %s", i == 0 ? "" : ",", (unsigned long long)tally.by_shape[i], shapes[i]);
	}
	printf("; frames: %llu zero, %llu same, %llu delta (%llu with references, %llu repacked), %llu full; %llu payloads with "
	       "split blocks; %s\n",
	       (unsigned long long)tally.frames[0], (unsigned long long)tally.frames[1], (unsigned long long)tally.frames[2],
	       (unsigned long long)tally.filtered, (unsigned long long)tally.repacked, (unsigned long long)tally.frames[3],
	       (unsigned long long)tally.split, tally.failed ? "FAILED" : "all exact");
}

int main(int argc, char **argv)
{
	if (!options_read(argc, argv)) {
		fprintf(stderr, "usage: %s [--seed S] [--first N] [--count N | --seconds T] [--threads N] [OLD NEW]...\n",
			argv[0]);
		return 2;
	}
	(void)signal(SIGINT, stop);
	(void)signal(SIGTERM, stop);
	double start = now(), end = start + run.seconds;
	tally.next = run.first;
	pthread_t threads[256];
	long count = run.threads < 256 ? run.threads : 256;
	for (long i = 0; i < count; i++) {
		if (pthread_create(&threads[i], NULL, worker, &end) != 0) {
			abort();
		}
	}
	for (long i = 0; i < count; i++) {
		pthread_join(threads[i], NULL);
	}
	report(now() - start);
	for (size_t i = 0; i < run.given_count; i++) {
		free((void *)(uintptr_t)run.given[i].data);
	}
	return tally.failed ? 1 : 0;
}
