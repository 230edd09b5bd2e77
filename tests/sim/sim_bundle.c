#include "tests/sim/sim_bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "tests/sim/sim_alloc.h"
#include "tools/repo/repo_bundle_items.h"
#include "updater/source/bundle_format.h"
#include "updater/source/source_bundle.h"

/* ---- making one ---- */

static const struct sim_blob *served(const struct sim_world *world, const char *path)
{
	const struct sim_blob *bytes = sim_world_file(world, path, sim_world_generation(world));
	if (bytes == NULL) {
		abort();
	}
	return bytes;
}

static void add_whole(struct repo_bundle_items *items, const struct sim_world *world, const char *path)
{
	const struct sim_blob *bytes = served(world, path);
	repo_bundle_add_memory(items, path, bytes->data, bytes->len);
}

static void add_metadata(struct repo_bundle_items *items, const struct sim_world *world)
{
	static const char *const roles[] = { "snapshot", "targets" };
	char path[160];
	for (uint64_t v = 1; v <= sim_world_version(world, "root"); v++) {
		(void)snprintf(path, sizeof path, "metadata/%llu.root.json", (unsigned long long)v);
		add_whole(items, world, path);
	}
	add_whole(items, world, "metadata/timestamp.json");
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
		(void)snprintf(path, sizeof path, "metadata/%llu.%s.json", (unsigned long long)sim_world_version(world, roles[i]),
			       roles[i]);
		add_whole(items, world, path);
	}
}

/* Tables before frames; deltas before the full payload. */
static void add_halves(struct repo_bundle_items *items, const struct sim_world *world, const struct dcd_release_image *image,
		       bool frames)
{
	for (size_t i = 1; i <= image->payload_count; i++) {
		const struct dcd_release_payload *payload =
			&image->payloads[i % image->payload_count]; /* the full one is the first */
		char below[DCD_RELEASE_PAYLOAD_PATH_SIZE], path[160];
		dcd_release_payload_path(payload, below);
		(void)snprintf(path, sizeof path, "targets/%s", below);
		const struct sim_blob *bytes = served(world, path);
		size_t table = (size_t)payload->table_length;
		(void)snprintf(path, sizeof path, "targets/%.*s%s", (int)(strlen(below) - strlen(DCD_BUNDLE_PAYLOAD_SUFFIX)),
			       below, frames ? DCD_BUNDLE_FRAMES_SUFFIX : DCD_BUNDLE_TABLE_SUFFIX);
		repo_bundle_add_memory(items, path, bytes->data + (frames ? table : 0), frames ? bytes->len - table : table);
	}
}

static struct sim_blob *written(const struct repo_bundle_items *items, const char *index)
{
	struct dcd_diag diag = { 0 };
	struct stat st;
	int fd = memfd_create("bundle", MFD_CLOEXEC);
	if (fd < 0 || repo_bundle_items_write(items, index, fd, "bundle", &diag) != 0 || fstat(fd, &st) != 0) {
		(void)fprintf(stderr, "sim bundle: %s\n", diag.text);
		abort();
	}
	size_t len = (size_t)st.st_size;
	struct sim_blob *bytes = sim_must_alloc(sizeof *bytes + len);
	bytes->refs = 1;
	bytes->len = len;
	if (pread(fd, bytes->data, len, 0) != (ssize_t)len) {
		abort();
	}
	close(fd);
	return bytes;
}

void sim_bundle_serve(struct sim_world *world, const struct sim_release *made, const struct dcd_release *release)
{
	struct repo_bundle_items items = { 0 };
	struct dcd_diag diag = { 0 };
	char path[160], hex[DCD_HASH_HEX_SIZE], *index = NULL;
	add_metadata(&items, world);
	dcd_hash_to_hex(&made->manifest_hash, hex);
	(void)snprintf(path, sizeof path, "targets/releases/%s.%s.json", hex, made->version);
	add_whole(&items, world, path);
	for (int frames = 0; frames < 2; frames++) {
		for (size_t i = 0; i < release->image_count; i++) {
			add_halves(&items, world, &release->images[i], frames == 1);
		}
	}
	if (repo_bundle_items_index(&items, made->version, &index, &diag) != 0) {
		(void)fprintf(stderr, "sim bundle: %s\n", diag.text);
		abort();
	}
	sim_world_serve(world, SIM_BUNDLE, written(&items, index));
	free(index);
	repo_bundle_items_free(&items);
}

/* ---- reading one ---- */

struct sim_bundle {
	struct dcd_bundle_input base;
	struct sim_source *network;
	const struct sim_blob *bytes;
};

static int bundle_read(struct dcd_bundle_input *input, uint64_t offset, uint64_t length, struct dcd_sink *sink,
		       struct dcd_diag *diag)
{
	struct sim_bundle *bundle = (struct sim_bundle *)input;
	struct sim_source *network = bundle->network;
	if (offset > bundle->bytes->len || length > bundle->bytes->len - offset) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "the bundle ends early");
	}
	bool ends = network->fault == SIM_NET_LIES_SHORT && network->fetches == network->fault_at;
	int err = sim_source_send(network, bundle->bytes->data + offset, (size_t)length, sink, diag);
	input->stats = network->base.stats;
	return err == 0 && ends ? dcd_diag_set(diag, DCD_ERR_MALFORMED, "the bundle ends early") : err;
}

static int bundle_check_total(struct dcd_bundle_input *input, uint64_t total, struct dcd_diag *diag)
{
	struct sim_bundle *bundle = (struct sim_bundle *)input;
	return bundle->bytes->len == total ? 0 : dcd_diag_set(diag, DCD_ERR_MALFORMED, "the bundle has another length");
}

static void bundle_close(struct dcd_bundle_input *input)
{
	free(input);
}

static void bundle_interrupt(struct dcd_bundle_input *input, int stop)
{
	(void)input;
	(void)stop;
}

int sim_bundle_open(struct sim_source *network, bool stream, struct dcd_source **ret, struct dcd_diag *diag)
{
	static const struct dcd_bundle_input_ops ops = { bundle_read, bundle_check_total, bundle_close, bundle_interrupt };
	struct sim_bundle *bundle = sim_must_alloc(sizeof *bundle);
	*bundle = (struct sim_bundle){
		.base = { .ops = &ops, .name = "bundle", .sequential = stream, .local = true },
		.network = network,
		.bytes = sim_world_file(network->world, SIM_BUNDLE, network->generation),
	};
	return dcd_source_bundle_open(&bundle->base, ret, diag);
}
