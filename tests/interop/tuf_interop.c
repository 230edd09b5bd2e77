/* Our client over a repository folder that another implementation made: `tuf_interop FOLDER` verifies it and its one target. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "manifest/tuf/tuf.h"

struct folder_source {
	struct dcd_source source;
	const char *folder;
};

static int folder_fetch(struct dcd_source *source, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag)
{
	char whole[2048];
	uint8_t block[4096];
	uint64_t sent = 0;
	(void)snprintf(whole, sizeof whole, "%s/%s", ((struct folder_source *)source)->folder, path);
	FILE *file = fopen(whole, "rb");
	if (file == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NOT_FOUND, "%s: not there", whole);
	}
	int err = 0;
	for (size_t n; err == 0 && (n = fread(block, 1, sizeof block, file)) > 0; sent += n) {
		err = n > max - sent ? DCD_ERR_SIZE : sink->write(sink->context, block, n);
	}
	fclose(file);
	return err;
}

/* A store that keeps nothing: a fresh device. */
static int empty_read(struct dcd_dir *dir, const char *name, void *buf, size_t capacity, size_t *ret_len)
{
	(void)dir, (void)name, (void)buf, (void)capacity, (void)ret_len;
	return DCD_ERR_NOT_FOUND;
}

static int empty_write(struct dcd_dir *dir, const char *name, const void *data, size_t len)
{
	(void)dir, (void)name, (void)data, (void)len;
	return 0;
}

static int empty_name(struct dcd_dir *dir, const char *name)
{
	(void)dir, (void)name;
	return 0;
}

static int empty_rename(struct dcd_dir *dir, const char *from, const char *to)
{
	(void)dir, (void)from, (void)to;
	return 0;
}

static int empty_sync_dir(struct dcd_dir *dir)
{
	(void)dir;
	return 0;
}

static int load_one(void *context, const struct dcd_tuf_target *target)
{
	struct dcd_diag diag = { 0 };
	uint8_t *data = NULL;
	size_t len = 0;
	int err = dcd_tuf_load_target(context, target, 1U << 20, &data, &len, &diag);
	if (err != 0) {
		fprintf(stderr, "%s\n", diag.text);
		return err;
	}
	printf("%s: %zu bytes, verified\n", target->path, len);
	free(data);
	return 1;
}

static int verify(struct dcd_tuf *tuf)
{
	struct dcd_diag diag = { 0 };
	struct dcd_tuf_versions versions;
	if (dcd_tuf_refresh(tuf, &diag) != 0) {
		fprintf(stderr, "%s\n", diag.text);
		return 1;
	}
	dcd_tuf_versions(tuf, &versions);
	if (versions.root != 2 || versions.timestamp != 4 || versions.snapshot != 2 || versions.targets != 3) {
		fprintf(stderr, "not the versions that were made\n");
		return 1;
	}
	return dcd_tuf_each_target(tuf, load_one, tuf) == 1 ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct dcd_source_ops source_ops = { .fetch = folder_fetch };
	static const struct dcd_dir_ops dir_ops = { empty_read, empty_write,    empty_name, empty_rename,
						    empty_name, empty_sync_dir, NULL,       NULL };
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	char path[2048];
	static uint8_t root[DCD_TUF_ROOT_MAX];
	(void)snprintf(path, sizeof path, "%s/metadata/1.root.json", argv[1]);
	FILE *file = fopen(path, "rb");
	if (file == NULL) {
		perror(path);
		return 1;
	}
	size_t root_len = fread(root, 1, sizeof root, file);
	fclose(file);
	struct folder_source source = { { .ops = &source_ops, .name = argv[1] }, argv[1] };
	struct dcd_dir store = { .ops = &dir_ops, .name = "none" };
	const struct dcd_tuf_options options = { .source = &source.source,
						 .store = &store,
						 .metadata_prefix = "metadata/",
						 .targets_prefix = "targets/",
						 .factory_root = root,
						 .factory_root_len = root_len,
						 .start_time = time(NULL) };
	struct dcd_tuf *tuf = NULL;
	if (dcd_tuf_new(&options, &tuf, NULL) != 0) {
		return 1;
	}
	int result = verify(tuf);
	dcd_tuf_free(tuf);
	return result;
}
