/* A bundle in memory, as an input: for unit tests and the fuzzer. */
#ifndef DCD_TESTS_MEMORY_BUNDLE_H
#define DCD_TESTS_MEMORY_BUNDLE_H

#include <stdlib.h>

#include "base/checked.h"
#include "updater/source/bundle_input.h"

struct memory_bundle {
	struct dcd_bundle_input base;
	const uint8_t *data;
	uint64_t len;
	uint64_t position;
	size_t piece; /* bytes a write of the sink gets at most */
	int closed;
};

static int memory_bundle_read(struct dcd_bundle_input *input, uint64_t offset, uint64_t length, struct dcd_sink *sink,
			      struct dcd_diag *diag)
{
	struct memory_bundle *m = (struct memory_bundle *)input;
	if (length == 0 || (input->sequential && offset != m->position)) {
		abort(); /* a breach of the interface's contract */
	}
	while (length > 0) {
		if (offset >= m->len) {
			return dcd_diag_set(diag, DCD_ERR_MALFORMED, "cut off");
		}
		size_t n = (size_t)dcd_min_u64(dcd_min_u64(length, m->len - offset), m->piece);
		int err = sink->write(sink->context, m->data + offset, n);
		if (err != 0) {
			return err;
		}
		offset += n;
		length -= n;
		m->position = offset;
		input->stats.bytes += n;
	}
	return 0;
}

static int memory_bundle_check_total(struct dcd_bundle_input *input, uint64_t total, struct dcd_diag *diag)
{
	struct memory_bundle *m = (struct memory_bundle *)input;
	if (input->sequential && m->position != total) {
		abort();
	}
	return m->len == total ? 0 : dcd_diag_set(diag, DCD_ERR_MALFORMED, "another length");
}

static void memory_bundle_close(struct dcd_bundle_input *input)
{
	((struct memory_bundle *)input)->closed++;
}

static void memory_bundle_interrupt(struct dcd_bundle_input *input, int stop)
{
	(void)input;
	(void)stop;
}

static inline void memory_bundle_init(struct memory_bundle *m, const uint8_t *data, size_t len, bool sequential)
{
	static const struct dcd_bundle_input_ops ops = { memory_bundle_read, memory_bundle_check_total, memory_bundle_close,
							 memory_bundle_interrupt };
	*m = (struct memory_bundle){ .base = { .ops = &ops, .name = "memory", .sequential = sequential, .local = true },
				     .data = data,
				     .len = len,
				     .piece = 4096 };
}

#endif
