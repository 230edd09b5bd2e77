/*
 * The bundle reader over any bytes, as a file and as a stream. Beyond not crashing: both must agree on whether the bundle is one
 * and on every byte of every entry, and a source never hands over more than it was asked for.
 *
 * The first byte chooses: bit 0 makes the checksums of all tar headers right, so that mutations get past them; bit 1 reads in
 * small pieces.
 */
#include <string.h>

#include "tests/unit/memory_bundle.h"
#include "updater/source/bundle_format.h"
#include "updater/source/source_bundle.h"

#define INPUT_MAX (256U << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tally {
	uint64_t bytes;
	uint64_t max;
	uint64_t sum; /* FNV-1a */
};

static int tally_write(void *context, const uint8_t *data, size_t len)
{
	struct tally *t = context;
	t->bytes += len;
	if (t->bytes > t->max) {
		abort();
	}
	for (size_t i = 0; i < len; i++) {
		t->sum = (t->sum ^ data[i]) * 0x100000001b3ULL;
	}
	return 0;
}

static void mend_checksums(uint8_t *data, size_t len)
{
	for (size_t at = 0; len - at >= DCD_BUNDLE_BLOCK; at += DCD_BUNDLE_BLOCK) {
		uint8_t *block = data + at;
		unsigned sum = 0;
		if (memcmp(block + 257, "ustar", 5) != 0) {
			continue;
		}
		memset(block + 148, ' ', 8);
		for (size_t i = 0; i < DCD_BUNDLE_BLOCK; i++) {
			sum += block[i];
		}
		for (int i = 0; i < 6; i++) {
			block[148 + i] = (uint8_t)('0' + (sum >> (3 * (5 - i)) & 7));
		}
		block[154] = 0;
	}
}

/* All entries in order, then the end. *ret_sum: over all bytes. */
static int read_all(struct dcd_source *source, uint64_t *ret_sum)
{
	const struct dcd_bundle_index *index = dcd_source_bundle_index(source);
	struct tally tally = { .sum = 0xcbf29ce484222325ULL };
	struct dcd_sink sink = { tally_write, &tally };
	int err = 0;
	for (size_t i = 0; err == 0 && i < index->count; i++) {
		const struct dcd_bundle_entry *entry = &index->entries[i];
		if (!dcd_source_has(source, entry->name)) {
			abort();
		}
		tally.bytes = 0;
		tally.max = entry->size;
		err = source->ops->fetch(source, entry->name, entry->size, &sink, NULL);
		if (err == 0 && tally.bytes != entry->size) {
			abort();
		}
	}
	*ret_sum = tally.sum;
	return err != 0 ? err : dcd_source_finish(source, NULL);
}

/* The halves of payloads by their common name; nobody cares for the result. */
static void read_payloads(struct dcd_source *source)
{
	const struct dcd_bundle_index *index = dcd_source_bundle_index(source);
	char path[DCD_BUNDLE_NAME_MAX + 8];
	for (size_t i = 0; i < index->count; i++) {
		struct tally tally = { .max = UINT64_MAX };
		struct dcd_sink sink = { tally_write, &tally };
		const struct dcd_bundle_entry *entry = &index->entries[i];
		size_t len = strlen(entry->name);
		if (len < 7 || strcmp(entry->name + len - 6, ".table") != 0) {
			continue;
		}
		memcpy(path, entry->name, len - 6);
		memcpy(path + len - 6, ".dcp", 5);
		(void)source->ops->fetch(source, path, INPUT_MAX, &sink, NULL);
		tally = (struct tally){ .max = 1 };
		(void)source->ops->fetch_range(source, path, entry->size + 100, entry->size, 1, &sink, NULL);
	}
}

static int read_as(const uint8_t *data, size_t size, bool sequential, size_t piece, uint64_t *ret_sum)
{
	struct memory_bundle memory;
	struct dcd_source *source = NULL;
	memory_bundle_init(&memory, data, size, sequential);
	memory.piece = piece;
	int err = dcd_source_bundle_open(&memory.base, &source, NULL);
	if (err == 0) {
		err = read_all(source, ret_sum);
		read_payloads(source);
		source->ops->close(source);
	}
	if (memory.closed != 1) {
		abort();
	}
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > INPUT_MAX) {
		return 0;
	}
	uint8_t choice = data[0];
	size_t len = size - 1;
	uint8_t *copy = malloc(len + 1);
	if (copy == NULL) {
		return 0;
	}
	memcpy(copy, data + 1, len);
	if ((choice & 1) != 0) {
		mend_checksums(copy, len);
	}
	uint64_t sums[2] = { 0, 0 };
	int file = read_as(copy, len, false, (choice & 2) != 0 ? 37 : 65536, &sums[0]);
	int stream = read_as(copy, len, true, (choice & 2) != 0 ? 41 : 65536, &sums[1]);
	if ((file == 0) != (stream == 0) || (file == 0 && sums[0] != sums[1])) {
		abort();
	}
	free(copy);
	return 0;
}
