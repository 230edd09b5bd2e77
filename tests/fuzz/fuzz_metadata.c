/* Metadata bytes as a server may send them, through everything that looks at them before and during verification. */
#include <string.h>

#include "manifest/tuf/tuf_file.h"
#include "manifest/tuf/tuf_snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int nothing_read(struct dcd_dir *dir, const char *name, void *buf, size_t capacity, size_t *ret_len)
{
	(void)dir, (void)name, (void)buf, (void)capacity, (void)ret_len;
	return DCD_ERR_NOT_FOUND;
}

static int nothing_fetched(struct dcd_source *source, const char *path, uint64_t max, struct dcd_sink *sink,
			   struct dcd_diag *diag)
{
	(void)source, (void)path, (void)max, (void)sink;
	return dcd_diag_set(diag, DCD_ERR_UNREACHABLE, "no source");
}

/* As a root that trusts itself: keys are parsed, signatures are checked. */
static void as_root(const uint8_t *data, size_t size)
{
	static const struct dcd_dir_ops dir_ops = { .read = nothing_read };
	static const struct dcd_source_ops source_ops = { .fetch = nothing_fetched };
	struct dcd_dir store = { .ops = &dir_ops, .name = "store" };
	struct dcd_source source = { .ops = &source_ops, .name = "source" };
	struct dcd_tuf_options options = { .source = &source,
					   .store = &store,
					   .metadata_prefix = "metadata/",
					   .targets_prefix = "targets/",
					   .factory_root = data,
					   .factory_root_len = size };
	struct dcd_tuf *tuf = NULL;
	struct dcd_diag diag;
	if (dcd_tuf_new(&options, &tuf, &diag) == 0) {
		(void)!dcd_tuf_refresh(tuf, &diag);
		dcd_tuf_free(tuf);
	}
}

static void as_listing(const uint8_t *data, size_t size, const char *type)
{
	struct tuf_bytes bytes = { (uint8_t *)data, size };
	TUF_AUTO_METADATA struct tuf_metadata *metadata = NULL;
	struct tuf_file_entry entry;
	struct dcd_diag diag;
	if (tuf_metadata_parse(&bytes, type, "fuzz", &metadata, &diag) == 0) {
		(void)!tuf_timestamp_snapshot_entry(metadata, "fuzz", &entry, &diag);
		if (tuf_snapshot_entry(metadata, "targets.json", "fuzz", &entry, &diag) == 0) {
			(void)!tuf_file_entry_check(&entry, &bytes, "fuzz", &diag);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_root(data, size);
	as_listing(data, size, "timestamp");
	as_listing(data, size, "snapshot");
	as_listing(data, size, "targets");
	return 0;
}
