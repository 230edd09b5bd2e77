#include "tests/sim/sim_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bsdiff/codec/packer.h"
#include "bsdiff/codec/zstd_decode.h"
#include "manifest/crypto/sha256.h"
#include "tests/sim/sim_bundle.h"
#include "tests/sim/sim_loader.h"
#include "updater/boot/boot_file.h"
#include "updater/journal/journal_file.h"

#define FOREIGN_NAME "not-ours"
#define FOREIGN_TEXT "somebody else keeps this here"

static int64_t device_clock(void *context)
{
	return ((struct sim_device *)context)->clock;
}

static void open_state(struct sim_media *media, struct dcd_boot_control **ret_boot, struct dcd_journal **ret_journal)
{
	struct dcd_dir *dir = &media->folder[SIM_STATE_DIR].base;
	if (sim_loader_open(media, ret_boot) != 0 || dcd_journal_file_open(dir, ret_journal, NULL) != 0) {
		abort();
	}
}

void sim_device_open(struct sim_device *device, const struct sim_world *world, int generation, const struct sim_image *image,
		     const struct sim_traits *traits, struct sim_log *log)
{
	const struct sim_blob *root = sim_world_factory_root(world);
	static struct dcd_decoder zstd;
	static struct dcd_packer packer;
	zstd = dcd_zstd_decoder();
	packer = dcd_block_packer();
	device->world = world;
	device->clock = sim_world_now(world);
	sim_media_open(&device->media, image);
	device->media.log = log;
	device->media.drive_cache = traits->drive_cache;
	device->media.running = -1;
	device->running_release = -1;
	sim_source_open(&device->source, world, generation);
	dcd_plain_stream_init(&device->stream, &device->source.base);
	open_state(&device->media, &device->boot, &device->journal);
	device->engine = (struct dcd_engine){
		.boot = device->boot,
		.journal = device->journal,
		.metadata = &device->media.folder[SIM_METADATA_DIR].base,
		.source = &device->source.base,
		.stream = &device->stream.stream,
		.new_writer = dcd_plain_writer_new,
		.slots = { sim_media_open_slot, &device->media, SIM_CLASSES, sim_class_names },
		.alg = &dcd_sha256,
		.zstd = &zstd,
		.packer = &packer,
		.pack_memory_max = 16 << 20,
		.now = device_clock,
		.now_context = device,
		.product = SIM_PRODUCT,
		.board = SIM_BOARD,
		.channel = SIM_CHANNEL,
		.tries = SIM_TRIES,
		.expiry = DCD_EXPIRY_ENFORCE,
		.factory_root = root->data,
		.factory_root_len = root->len,
		.build_time = SIM_EPOCH,
	};
}

void sim_device_close(struct sim_device *device)
{
	device->boot->ops->close(device->boot);
	device->journal->ops->close(device->journal);
	sim_media_close(&device->media);
}

void sim_device_factory(const struct sim_world *world, int release, struct sim_image *ret)
{
	memset(ret, 0, sizeof *ret);
	sim_world_fill_slot(world, ret, 0, release);
	sim_world_fill_slot(world, ret, 1, -1);
	for (int d = 0; d < SIM_DIRS; d++) {
		sim_files_put(&ret->dir[d], FOREIGN_NAME, sim_blob_new(FOREIGN_TEXT, sizeof FOREIGN_TEXT - 1));
	}
	sim_loader_factory(ret);
}

/* The journal's adapter remembers between calls; a reboot forgets. */
static void reopen(struct sim_device *device)
{
	device->boot->ops->close(device->boot);
	device->journal->ops->close(device->journal);
	open_state(&device->media, &device->boot, &device->journal);
	device->engine.boot = device->boot;
	device->engine.journal = device->journal;
}

int sim_device_boot(struct sim_device *device)
{
	struct dcd_boot_state before, after;
	device->media.gone = false;
	device->memory.fails = device->memory.fails && !(device->memory.struck && device->memory.for_good);
	device->media.running = -1;
	device->running_release = -1;
	device->boots++;
	reopen(device);
	if (sim_loader->boot != NULL) {
		return sim_loader_boot(device);
	}
	int err = device->boot->ops->load(device->boot, &before, &device->diag);
	if (err != 0) {
		return err;
	}
	int chosen = dcd_boot_choose(&before, &after);
	bool counted = before.slot[chosen].tries_left != after.slot[chosen].tries_left;
	if (counted) {
		err = device->boot->ops->store(device->boot, &after, &device->diag);
		device->trials++;
	}
	if (err == 0) {
		err = dcd_boot_file_set_booted(device->boot, chosen, &device->diag);
	}
	if (err == 0) {
		device->media.running = chosen;
		device->running_release = sim_world_slot_release(device->world, &device->media.now, chosen);
	}
	return err;
}

void sim_device_watch(struct sim_device *device)
{
	if (device->watched++ == 0) {
		sim_alloc_watch(&device->memory);
	}
}

void sim_device_unwatch(struct sim_device *device)
{
	if (--device->watched == 0) {
		sim_alloc_watch(NULL);
		/* As after any fault: what fails now may fail, but nothing may be lost by it. */
		device->media.fault_struck = device->media.fault_struck || device->memory.struck;
	}
}

int sim_device_told(struct sim_device *device, int err)
{
	if (err == 0 && device->media.log != NULL) {
		sim_log_mark(device->media.log);
	}
	return err;
}

int sim_device_settle(struct sim_device *device)
{
	int err = dcd_engine_status(&device->engine, &device->state, &device->boot_state, &device->diag);
	if (err != 0 || device->boot_state.slot[device->boot_state.booted].good) {
		return err;
	}
	const struct sim_release *release =
		device->running_release < 0 ? NULL : sim_world_release(device->world, device->running_release);
	bool healthy = release != NULL && !release->bad && !device->sick && device->running_release + 1 != device->sick_release;
	if (!healthy) {
		/* A release that isn't well may still ask for updates; its fallback must stay as it is. */
		const struct dcd_install_options options = { .again = true };
		int impatient = dcd_engine_install(&device->engine, &options, &device->report, &device->diag);
		if (impatient == 0) {
			device->media.violation = "the fallback was given up while the running slot wasn't confirmed";
		}
	}
	if (!healthy && !device->gives_up) {
		return DCD_ERR_NOT_CONFIRMED;
	}
	if (healthy) {
		err = sim_device_told(device, dcd_engine_mark_good(&device->engine, &device->diag));
	} else {
		err = sim_device_told(device, dcd_engine_mark_bad(&device->engine, "the health check failed", &device->diag));
		err = err == 0 ? DCD_ERR_NOT_CONFIRMED : err;
	}
	int look = dcd_engine_status(&device->engine, &device->state, &device->boot_state, &device->diag);
	return err != 0 ? err : look;
}

int sim_device_install(struct sim_device *device, bool full, bool no_activate, bool again)
{
	const struct dcd_install_options options = { .no_activate = no_activate, .full = full, .again = again };
	int err = sim_device_told(device, dcd_engine_install(&device->engine, &options, &device->report, &device->diag));
	int look = dcd_engine_status(&device->engine, &device->state, &device->boot_state, NULL);
	return err != 0 ? err : look;
}

int sim_device_install_bundle(struct sim_device *device, bool stream)
{
	struct dcd_source *bundle = NULL;
	int err = sim_bundle_open(&device->source, stream, &bundle, &device->diag);
	if (err != 0) {
		return err;
	}
	struct dcd_plain_stream frames;
	dcd_plain_stream_init(&frames, bundle);
	device->engine.source = bundle;
	device->engine.stream = &frames.stream;
	err = sim_device_install(device, false, false, false);
	device->engine.source = &device->source.base;
	device->engine.stream = &device->stream.stream;
	bundle->ops->close(bundle);
	return err;
}

/* ---- what must hold at any time ---- */

static bool foreign_intact(const struct sim_image *image)
{
	for (int d = 0; d < SIM_DIRS; d++) {
		const struct sim_file *file = sim_files_find((struct sim_files *)&image->dir[d], FOREIGN_NAME);
		if (file == NULL || file->data->len != sizeof FOREIGN_TEXT - 1 ||
		    memcmp(file->data->data, FOREIGN_TEXT, file->data->len) != 0) {
			return false;
		}
	}
	return true;
}

static bool metadata_whole(const struct sim_world *world, const struct sim_image *image)
{
	const struct sim_files *files = &image->dir[SIM_METADATA_DIR];
	for (int i = 0; i < files->count; i++) {
		const char *name = files->file[i].name;
		size_t len = strlen(name);
		bool scratch = len > 4 && strcmp(name + len - 4, ".new") == 0;
		bool empty = files->file[i].data->len == 0; /* a name that a cut left on FAT without its file: as good as none */
		if (!scratch && !empty && strcmp(name, FOREIGN_NAME) != 0 &&
		    !sim_world_knows_metadata(world, name, files->file[i].data)) {
			return false;
		}
	}
	return true;
}

static bool slot_equal(const struct sim_image *a, const struct sim_image *b, int slot)
{
	return memcmp(a->dev[slot * SIM_CLASSES], b->dev[slot * SIM_CLASSES], SIM_CLASSES * sizeof a->dev[0]) == 0;
}

static const char *check_slots(const struct sim_world *world, const struct sim_image *image, const struct sim_image *damaged,
			       const struct dcd_boot_state *boot, const struct dcd_device_state *state)
{
	struct dcd_boot_state after;
	if (sim_world_slot_release(world, image, dcd_boot_choose(boot, &after)) < 0) {
		return "the loader would boot content that nobody verified";
	}
	for (int s = 0; s < DCD_SLOT_COUNT; s++) {
		int held = sim_world_slot_release(world, image, s);
		const struct dcd_boot_slot *slot = &boot->slot[s];
		if (damaged != NULL && slot_equal(image, damaged, s)) {
			continue;
		}
		if (slot->bootable && (slot->good || slot->tries_left > 0) && held < 0) {
			return "a slot is bootable whose content nobody verified";
		}
		const struct dcd_slot_record *record = &state->slot[s];
		if (record->content == DCD_CONTENT_VERIFIED &&
		    (held < 0 || strcmp(sim_world_release(world, held)->version, record->version) != 0)) {
			return "the journal calls a slot verified that holds something else";
		}
	}
	return NULL;
}

/* Before the loader knows a release as good, the floor must not follow it. */
static bool floor_is_earned(const struct sim_world *world, const struct sim_image *image, const struct dcd_boot_state *boot,
			    const struct dcd_device_state *state)
{
	uint64_t earned = 0;
	for (int s = 0; s < DCD_SLOT_COUNT; s++) {
		int held = sim_world_slot_release(world, image, s);
		uint64_t version = held >= 0 ? sim_world_release(world, held)->security_version : state->slot[s].security_version;
		if (boot->slot[s].good && version > earned) {
			earned = version;
		}
	}
	return state->security_floor <= earned;
}

const char *sim_check_media(const struct sim_world *world, const struct sim_image *image, const struct sim_image *damaged,
			    uint64_t floor, uint64_t *ret_floor)
{
	static struct sim_media media; /* a look at the media, nothing else */
	static struct dcd_device_state state;
	struct dcd_boot_state boot;
	struct dcd_boot_control *control;
	struct dcd_journal *journal;
	const char *broken = NULL;
	memset(&media, 0, sizeof media);
	sim_media_open(&media, image);
	open_state(&media, &control, &journal);
	if (control->ops->load(control, &boot, NULL) != 0) {
		broken = "the boot state can't be read";
	} else if (journal->ops->load(journal, &state, NULL) != 0) {
		broken = "the journal can't be read";
	} else if (!floor_is_earned(world, image, &boot, &state)) {
		broken = "the security floor rose before the release was confirmed";
	} else {
		(void)dcd_life_reconcile(&state, &boot, 0); /* as every operation does first */
		broken = state.security_floor < floor ? "the security floor fell"
						      : check_slots(world, image, damaged, &boot, &state);
	}
	if (broken == NULL && ret_floor != NULL) {
		*ret_floor = state.security_floor;
	}
	control->ops->close(control);
	journal->ops->close(journal);
	sim_media_close(&media);
	if (broken == NULL && !sim_world_slack_intact(world, image)) {
		broken = "bytes behind the images were changed";
	}
	if (broken == NULL && !foreign_intact(image)) {
		broken = "a file that isn't ours was changed";
	}
	if (broken == NULL && sim_loader->check != NULL) {
		broken = sim_loader->check(image);
	}
	if (broken == NULL && !metadata_whole(world, image)) {
		broken = "trusted metadata is stored that nobody ever served";
	}
	return broken;
}
