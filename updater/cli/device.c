#include "updater/cli/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/codec/zstd_decode.h"
#include "manifest/crypto/sha256.h"
#include "updater/boot/boot.h"
#include "updater/cli/listed_mirrors.h"
#include "updater/journal/dir_posix.h"
#include "updater/journal/journal_file.h"
#include "updater/pipeline/threaded_writer.h"
#include "updater/slot/blockdev_posix.h"
#include "updater/source/source_mirrors.h"
#include "updater/source/source_open.h"

#define READ_AHEAD_BYTES (128U << 10)

static int64_t system_time(void *context)
{
	(void)context;
	return (int64_t)time(NULL);
}

static const char *slot_path(const struct dcd_config *config, int slot, const char *class_name)
{
	const struct dcd_config_slot *configured = &config->slot[slot];
	for (size_t i = 0; i < configured->image_count; i++) {
		if (strcmp(configured->images[i].class_name, class_name) == 0) {
			return configured->images[i].path;
		}
	}
	return NULL;
}

static bool is_at(const struct dcd_blockdev *dev, const char *path)
{
	struct dcd_blockdev *other = NULL;
	if (dcd_blockdev_posix_open(path, DCD_BLOCKDEV_READ_ONLY, &other, NULL) != 0) {
		return false;
	}
	bool same = dcd_blockdev_same(dev, other);
	other->ops->close(other);
	return same;
}

/*
 * Two names for one device would make the engine write what runs, or one image over another that was read back already. The
 * configuration has no path twice; links and device nodes show only here.
 */
static int refuse_same_device(const struct dcd_config *config, int slot, const char *class_name, const struct dcd_blockdev *dev,
			      struct dcd_diag *diag)
{
	for (int i = 0; i < DCD_SLOT_COUNT; i++) {
		for (size_t j = 0; j < config->slot[i].image_count; j++) {
			const struct dcd_config_image *other = &config->slot[i].images[j];
			bool itself = i == slot && strcmp(other->class_name, class_name) == 0;
			if (!itself && is_at(dev, other->path)) {
				return dcd_diag_set(
					diag, DCD_ERR_CONFIG,
					"'%s' of slot %s and '%s' of slot %s are the same device (%s); give each its own",
					class_name, config->slot[slot].name, other->class_name, config->slot[i].name,
					other->path);
			}
		}
	}
	return 0;
}

static int open_slot(void *context, int slot, const char *class_name, bool writable, struct dcd_blockdev **ret,
		     struct dcd_diag *diag)
{
	const struct dcd_config *config = context;
	const char *path = slot_path(config, slot, class_name);
	if (path == NULL) {
		return dcd_diag_set(diag, DCD_ERR_WRONG_CLASSES, "slot '%s' has no image class '%s'", config->slot[slot].name,
				    class_name);
	}
	struct dcd_blockdev *dev = NULL;
	int err = dcd_blockdev_posix_open(path, writable ? DCD_BLOCKDEV_READ_WRITE : DCD_BLOCKDEV_READ_ONLY, &dev, diag);
	if (err == 0 && writable) {
		err = refuse_same_device(config, slot, class_name, dev, diag);
	}
	if (err != 0) {
		if (dev != NULL) {
			dev->ops->close(dev);
		}
		return err;
	}
	*ret = dev;
	return 0;
}

static int load_factory_root(struct dcd_device *device, struct dcd_diag *diag)
{
	const char *path = device->config->root;
	if (path == NULL) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "[source] has no 'root': name the root.json that this device trusts");
	}
	FILE *file = fopen(path, "rbe");
	if (file == NULL) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "%s: the trusted root can't be read: %s", path, strerror(errno));
	}
	device->factory_root = malloc(DCD_TUF_ROOT_MAX + 1);
	size_t len = device->factory_root == NULL ? 0 : fread(device->factory_root, 1, DCD_TUF_ROOT_MAX + 1, file);
	bool bad = ferror(file) != 0;
	(void)fclose(file);
	if (device->factory_root == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the trusted root");
	}
	if (bad || len == 0 || len > DCD_TUF_ROOT_MAX) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "%s: not a root.json (%zu bytes)", path, len);
	}
	uint8_t *tight = realloc(device->factory_root, len);
	device->factory_root = tight != NULL ? tight : device->factory_root;
	device->engine.factory_root = device->factory_root;
	device->engine.factory_root_len = len;
	return 0;
}

/*
 * Every 'url' of the configuration, in its order, and behind them those that the repository lists. A folder that isn't mounted is no
 * reason to give up the others.
 */
static int open_mirrors(struct dcd_device *device, const struct dcd_source_http_options *http, struct dcd_diag *diag)
{
	const struct dcd_config *config = device->config;
	struct dcd_source *mirrors[DCD_CONFIG_URLS_MAX];
	size_t count = 0;
	int err = DCD_ERR_BUG;
	for (size_t i = 0; i < config->url_count; i++) {
		err = dcd_source_open(config->urls[i], http, &mirrors[count], diag);
		count += err == 0 ? 1U : 0U;
	}
	if (count == 0) {
		return err;
	}
	err = dcd_source_mirrors_new(mirrors, count, &device->source, diag);
	if (err == 0) {
		dcd_source_mirrors_more(device->source, dcd_listed_mirrors, device);
	}
	return err;
}

/* A bundle that a person hands over may be old, and its device may have no clock: that is said, not refused. What a server offers is fresh. */
static enum dcd_expiry expiry_of(const struct dcd_config *config, const char *source)
{
	bool handed_over = source != NULL && dcd_source_kind_is_bundle(dcd_source_kind(source));
	enum dcd_config_expiry expiry = handed_over ? config->bundle_expiry : config->expiry;
	return expiry == DCD_CONFIG_EXPIRY_REPORT ? DCD_EXPIRY_REPORT : DCD_EXPIRY_ENFORCE;
}

static int open_source(struct dcd_device *device, const char *source, struct dcd_diag *diag)
{
	const struct dcd_config *config = device->config;
	if (source == NULL && config->url_count == 0) {
		return dcd_diag_set(diag, DCD_ERR_CONFIG, "no source: give one, or set 'url' in [source]");
	}
	const struct dcd_source_http_options http = dcd_http_options_of(config);
	const char *only = source != NULL ? source : config->url_count == 1 ? config->urls[0] : NULL;
	/* What a person names is meant alone, and a bundle isn't one place of several. */
	bool alone = source != NULL || (only != NULL && dcd_source_kind(only) != DCD_SOURCE_SERVER);
	int err = alone ? dcd_source_open(only, &http, &device->source, diag) : open_mirrors(device, &http, diag);
	if (err == 0) {
		err = dcd_prefetch_stream_new(device->source, READ_AHEAD_BYTES, &device->stream, diag);
	}
	if (err == 0) {
		err = load_factory_root(device, diag);
	}
	device->engine.expiry = expiry_of(config, source);
	device->engine.source = device->source;
	device->engine.stream = device->stream;
	return err;
}

/* Who only looks makes no folder: neither a reader without rights nor a read-only file system could. */
static int open_folder(const char *path, enum dcd_device_need need, struct dcd_dir **ret, struct dcd_diag *diag)
{
	return (need & DCD_DEVICE_CHANGE) != 0 ? dcd_dir_posix_open(path, ret, diag) : dcd_dir_posix_look(path, ret, diag);
}

static int open_boot_block(void *context, const char *path, bool writable, struct dcd_blockdev **ret, struct dcd_diag *diag)
{
	(void)context;
	return dcd_blockdev_posix_open(path, writable ? DCD_BLOCKDEV_READ_WRITE : DCD_BLOCKDEV_READ_ONLY, ret, diag);
}

static int open_boot_dir(void *context, const char *path, struct dcd_dir **ret, struct dcd_diag *diag)
{
	(void)context;
	return dcd_dir_posix_open_existing(path, ret, diag);
}

static int open_boot(struct dcd_device *device, struct dcd_diag *diag)
{
	static const struct dcd_boot_media media = { open_boot_block, open_boot_dir, NULL };
	const struct dcd_config *config = device->config;
	const struct dcd_boot_options options = {
		.bootname = { config->slot[0].bootname, config->slot[1].bootname },
		.state_dir = device->state_dir,
		.media = &media,
		.cmdline = config->cmdline,
		.uboot_config = config->uboot_config,
		.grubenv = config->grubenv,
		.entries = config->entries,
		.program = config->program,
		.program_timeout_s = config->program_timeout_s,
	};
	return dcd_boot_open(config->loader, &options, &device->engine.boot, diag);
}

static int open_state(struct dcd_device *device, enum dcd_device_need need, struct dcd_diag *diag)
{
	const struct dcd_config *config = device->config;
	DCD_AUTO_FREE char *metadata_path = NULL;
	if (asprintf(&metadata_path, "%s/metadata", config->state_dir) < 0) {
		metadata_path = NULL;
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for a path");
	}
	int err = open_folder(metadata_path, need, &device->metadata_dir, diag);
	if (err == 0) {
		err = dcd_journal_file_open(device->state_dir, &device->engine.journal, diag);
	}
	if (err == 0) {
		err = open_boot(device, diag);
	}
	device->engine.metadata = device->metadata_dir;
	return err;
}

static int describe(struct dcd_device *device, struct dcd_diag *diag)
{
	struct dcd_config *config = device->config;
	struct dcd_engine *engine = &device->engine;
	size_t count = config->slot[0].image_count;
	const char **classes = calloc(count > 0 ? count : 1, sizeof *classes);
	if (classes == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the image classes");
	}
	for (size_t i = 0; i < count; i++) {
		classes[i] = config->slot[0].images[i].class_name;
	}
	engine->slots = (struct dcd_slot_port){ .open = open_slot, .context = config, .class_count = count, .classes = classes };
	engine->new_writer = dcd_threaded_writer_new;
	engine->alg = &dcd_sha256;
	device->zstd = dcd_zstd_decoder();
	engine->zstd = &device->zstd;
	device->packer = dcd_block_packer();
	engine->packer = &device->packer;
	engine->pack_memory_max = (uint64_t)config->pack_memory_kib << 10;
	engine->now = system_time;
	engine->product = config->product;
	engine->board = config->compatible;
	engine->channel = config->channel;
	engine->tries = config->tries;
	engine->build_time = DCD_BUILD_TIME;
	return 0;
}

static int open_parts(struct dcd_device *device, const char *config_path, enum dcd_device_need need, const char *source,
		      struct dcd_diag *diag)
{
	int err = dcd_config_load(config_path, &device->config, diag);
	if (err == 0) {
		err = open_folder(device->config->state_dir, need, &device->state_dir, diag);
	}
	if (err == 0 && (need & DCD_DEVICE_CHANGE) != 0) {
		err = dcd_lock_take(device->config->state_dir, &device->lock, diag);
	} else if (err == 0 && (need & DCD_DEVICE_READ) != 0) {
		err = dcd_lock_take_to_read(device->config->state_dir, &device->lock, diag);
	}
	if (err == 0) {
		err = open_state(device, need, diag);
	}
	if (err == 0) {
		err = describe(device, diag);
	}
	if (err == 0 && (need & DCD_DEVICE_EXAMINE) != 0) {
		err = open_source(device, source, diag);
	}
	return err;
}

int dcd_device_open(const char *config_path, enum dcd_device_need need, const char *source, struct dcd_device *ret,
		    struct dcd_diag *diag)
{
	memset(ret, 0, sizeof *ret);
	int err = open_parts(ret, config_path, need, source, diag);
	if (err != 0) {
		dcd_device_close(ret);
	}
	return err;
}

void dcd_device_close(struct dcd_device *device)
{
	dcd_prefetch_stream_free(device->stream);
	if (device->source != NULL) {
		device->source->ops->close(device->source);
	}
	if (device->engine.boot != NULL) {
		device->engine.boot->ops->close(device->engine.boot);
	}
	if (device->engine.journal != NULL) {
		device->engine.journal->ops->close(device->engine.journal);
	}
	if (device->metadata_dir != NULL) {
		device->metadata_dir->ops->close(device->metadata_dir);
	}
	if (device->state_dir != NULL) {
		device->state_dir->ops->close(device->state_dir);
	}
	free((void *)device->engine.slots.classes);
	free(device->factory_root);
	dcd_lock_release(device->lock);
	dcd_config_free(device->config);
	memset(device, 0, sizeof *device);
}
