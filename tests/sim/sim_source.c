#include "tests/sim/sim_world.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_alloc.h"

int sim_source_send(struct sim_source *source, const uint8_t *data, size_t len, struct dcd_sink *sink, struct dcd_diag *diag)
{
	unsigned long number = source->fetches++;
	source->base.stats.requests++;
	enum sim_net_fault fault = source->fault != SIM_NET_FINE && number == source->fault_at ? source->fault : SIM_NET_FINE;
	source->fault_struck = source->fault_struck || fault != SIM_NET_FINE;
	if (fault == SIM_NET_DOWN) {
		return dcd_diag_set(diag, DCD_ERR_UNREACHABLE, "no network");
	}
	size_t done = fault == SIM_NET_BREAKS_OFF || fault == SIM_NET_LIES_SHORT ? len / 2 : len;
	source->base.stats.bytes += done;
	int err;
	if (fault == SIM_NET_FLIPS && len > 0) {
		uint8_t *copy = sim_must_alloc(len);
		memcpy(copy, data, len);
		copy[len / 2] ^= 8;
		err = sink->write(sink->context, copy, len);
		free(copy);
	} else {
		err = sink->write(sink->context, data, done);
	}
	if (err == 0 && fault == SIM_NET_BREAKS_OFF) {
		err = dcd_diag_set(diag, DCD_ERR_BROKEN_OFF, "the connection broke off");
	}
	return err;
}

static int sim_fetch(struct dcd_source *base, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct sim_source *source = (struct sim_source *)base;
	const struct sim_blob *bytes = sim_world_file(source->world, path, source->generation);
	if (bytes == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "%s is not in the repository", path);
	}
	if (bytes->len > max) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s is too large", path);
	}
	return sim_source_send(source, bytes->data, bytes->len, sink, diag);
}

static int sim_fetch_range(struct dcd_source *base, const char *path, uint64_t object_size, uint64_t offset, uint64_t length,
			   struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct sim_source *source = (struct sim_source *)base;
	const struct sim_blob *bytes = sim_world_file(source->world, path, source->generation);
	if (bytes == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "%s is not in the repository", path);
	}
	if (bytes->len != object_size || offset > bytes->len || length > bytes->len - offset) {
		return dcd_diag_set(diag, DCD_ERR_SIZE, "%s has another size", path);
	}
	return sim_source_send(source, bytes->data + offset, (size_t)length, sink, diag);
}

static void sim_close(struct dcd_source *base)
{
	(void)base;
}

void sim_source_open(struct sim_source *source, const struct sim_world *world, int generation)
{
	static const struct dcd_source_ops ops = { .fetch = sim_fetch, .fetch_range = sim_fetch_range, .close = sim_close };
	memset(source, 0, sizeof *source);
	source->base.ops = &ops;
	source->base.name = "world";
	source->world = world;
	source->generation = generation;
}
