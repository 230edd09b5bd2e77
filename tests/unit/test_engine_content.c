/* What the engine believes of a source and of a slot: which release is taken, which payload, what a slot is said to hold. */
#include "tests/unit/engine_lab.h"

#include <stdio.h>

#include "manifest/crypto/sha256.h"
#include "updater/engine/payload_table.h"

static int install_other(struct lab *lab)
{
	return sim_device_install(&lab->device, false, true, false);
}

static void put(struct lab *lab, struct sim_publication publication)
{
	publication.stone = -1;
	publication.bases = 4;
	(void)sim_world_publish(lab->world, &publication);
	power_on(lab);
}

static void chooses(struct lab *lab, const char *version)
{
	assert_int_equal(check(lab), 0);
	assert_string_equal(lab->device.report.version, version);
}

/* ---- which release ---- */

static const char *offered_release;

static bool offers_one_release(const struct dcd_source *source, const char *path)
{
	(void)source;
	return strstr(path, "releases/") == NULL || (offered_release != NULL && strstr(path, offered_release) != NULL);
}

static void a_newer_release_for_others_does_not_hide_the_one_for_this_device(void **state)
{
	struct lab *lab = *state;
	put(lab, (struct sim_publication){ .board = "board-b" });
	chooses(lab, "1.1");
	put(lab, (struct sim_publication){ .channel = "beta" });
	chooses(lab, "1.1");
	put(lab, (struct sim_publication){ 0 });
	chooses(lab, "1.4");
}

static void a_manifest_that_is_for_another_device_than_it_is_listed_for_is_refused(void **state)
{
	struct lab *lab = *state;
	put(lab, (struct sim_publication){ .board = "board-b", .listed_board = SIM_BOARD });
	assert_int_equal(install_other(lab), DCD_ERR_WRONG_BOARD);
	put(lab, (struct sim_publication){ .product = "toaster" });
	assert_int_equal(install_other(lab), DCD_ERR_WRONG_PRODUCT);
	assert_true(lab->device.media.slot_bytes_written == 0);
}

static void a_release_below_the_security_floor_is_refused(void **state)
{
	struct lab *lab = *state;
	assert_int_equal(look(lab), 0);
	lab->device.state.security_floor = 4;
	assert_int_equal(lab->device.journal->ops->store(lab->device.journal, &lab->device.state, NULL), 0);
	power_on(lab);
	assert_int_equal(install_other(lab), DCD_ERR_DOWNGRADE);
	put(lab, (struct sim_publication){ .security_version = 4 });
	chooses(lab, "1.2");
	put(lab, (struct sim_publication){ .security_version = 3 });
	chooses(lab, "1.2");
}

/* A stepping stone that the repository has dropped since is still one for those who stand on it. */
static void the_stepping_stone_that_runs_needs_no_listing(void **state)
{
	struct lab *lab = *state;
	update(lab);
	put(lab, (struct sim_publication){ .requires_version = "0.9" });
	assert_int_equal(check(lab), DCD_ERR_STEPPING_STONE);
	assert_int_equal(look(lab), 0);
	memcpy(lab->device.state.slot[1].version, "0.9", 4);
	assert_int_equal(lab->device.journal->ops->store(lab->device.journal, &lab->device.state, NULL), 0);
	power_on(lab);
	chooses(lab, "1.2");
}

static void a_channel_without_a_release_is_said_to_be_empty(void **state)
{
	struct lab *lab = *state;
	lab->device.engine.channel = "beta";
	assert_int_equal(check(lab), DCD_ERR_UP_TO_DATE);
	assert_non_null(strstr(lab->device.diag.text, "no release in channel 'beta'"));
}

/* A bundle says by its metadata what there is, and holds one of it. */
static void a_source_without_the_right_release_says_what_it_is_for(void **state)
{
	struct lab *lab = *state;
	struct dcd_source_ops ops = *lab->device.source.base.ops;
	ops.has = offers_one_release;
	lab->device.source.base.ops = &ops;
	offered_release = ".1.1.json";
	lab->device.engine.channel = "beta";
	assert_int_equal(check(lab), DCD_ERR_WRONG_CHANNEL);
	lab->device.engine.channel = SIM_CHANNEL;
	offered_release = NULL;
	assert_int_equal(check(lab), DCD_ERR_NOT_FOUND);
	assert_non_null(strstr(lab->device.diag.text, "holds none of the releases"));
}

/* ---- which payload ---- */

static char full_payloads[SIM_CLASSES][DCD_RELEASE_PAYLOAD_PATH_SIZE];

static bool offers_no_full_payload(const struct dcd_source *source, const char *path)
{
	(void)source;
	return strstr(path, full_payloads[0]) == NULL && strstr(path, full_payloads[1]) == NULL;
}

static bool offers_full_payloads_alone(const struct dcd_source *source, const char *path)
{
	return strstr(path, "payloads/") == NULL || !offers_no_full_payload(source, path);
}

static void hide_full_payloads(struct lab *lab, struct dcd_source_ops *ops)
{
	struct dcd_examination seen = { 0 };
	assert_int_equal(dcd_engine_examine(&lab->device.engine, &seen, NULL), 0);
	for (size_t i = 0; i < SIM_CLASSES; i++) {
		dcd_release_payload_path(dcd_release_payload_find(&seen.release->images[i], NULL), full_payloads[i]);
	}
	dcd_release_free(seen.release);
	*ops = *lab->device.source.base.ops;
	ops->has = offers_no_full_payload;
	lab->device.source.base.ops = ops;
}

static void a_delta_that_this_device_can_not_apply_costs_the_delta_alone(void **state)
{
	struct lab *lab = *state;
	static const uint32_t needs[] = { 1U << 31, 1 };
	for (size_t i = 0; i < 2; i++) {
		put(lab, (struct sim_publication){ .features = needs[i] });
		lab->device.engine.pack_memory_max = 0;
		assert_int_equal(install_other(lab), 0);
		assert_true(lab->device.report.stats.full > 0);
		assert_true(lab->device.report.stats.delta + lab->device.report.stats.same == 0);
	}
}

/* It is the decoder that puts pieces together, whatever the compressors know; and they pack the same bytes for it. */
static void blocks_in_pieces_ask_nothing_of_a_compressor(void **state)
{
	(void)state;
	struct dcd_packer packer = { .features = DCD_FEATURE_PACK(DCD_PACK_DEFLATE) };
	struct dcd_payload view = { .features = DCD_FEATURE_PACK(DCD_PACK_DEFLATE) | DCD_FEATURE_SPLIT, .pack_memory = 1000 };
	assert_true(dcd_payload_can_pack(&view, &packer, 1000));
	assert_false(dcd_payload_can_pack(&view, &packer, 999));
	assert_false(dcd_payload_can_pack(&view, NULL, 1000));
	packer.features = DCD_FEATURE_PACK(DCD_PACK_ZLIB);
	assert_false(dcd_payload_can_pack(&view, &packer, 1000));
}

static void a_frame_of_a_newer_encoder_costs_its_segment_alone(void **state)
{
	struct lab *lab = *state;
	put(lab, (struct sim_publication){ .newer_frames = true });
	assert_int_equal(install_other(lab), 0);
	assert_true(lab->device.report.stats.refetched > 0);
	assert_true(lab->device.report.stats.same > 0);
	assert_int_equal(lab->device.report.stats.delta, 0);
	assert_int_equal(sim_world_slot_release(lab->world, &lab->device.media.now, 1), 2);
}

static void a_check_counts_on_what_the_source_has(void **state)
{
	struct lab *lab = *state;
	struct dcd_source_ops ops;
	hide_full_payloads(lab, &ops);
	assert_int_equal(check(lab), 0);
	assert_true(lab->device.report.delta);
	assert_true(lab->device.report.bytes_best < lab->device.report.bytes_full);
	ops.has = offers_full_payloads_alone;
	assert_int_equal(check(lab), 0);
	assert_false(lab->device.report.delta);
	assert_true(lab->device.report.bytes_best == lab->device.report.bytes_full);
	assert_int_equal(install_other(lab), 0);
	assert_true(lab->device.report.stats.delta == 0);
}

static void who_packs_nothing_can_still_apply_what_is_not_packed(void **state)
{
	struct lab *lab = *state;
	lab->device.engine.packer = NULL;
	assert_int_equal(install_other(lab), 0);
	assert_true(lab->device.report.stats.delta > 0);
}

static void where_there_is_no_full_payload_either_it_says_so(void **state)
{
	struct lab *lab = *state;
	struct dcd_source_ops ops;
	put(lab, (struct sim_publication){ .features = 1 });
	hide_full_payloads(lab, &ops);
	lab->device.engine.pack_memory_max = 0;
	assert_int_equal(install_other(lab), DCD_ERR_UNSUPPORTED);
	assert_non_null(strstr(lab->device.diag.text, "no full payload beside it"));
	assert_true(lab->device.media.slot_bytes_written == 0);
	put(lab, (struct sim_publication){ .features = 1U << 31 });
	hide_full_payloads(lab, &ops);
	assert_int_equal(install_other(lab), DCD_ERR_UNSUPPORTED);
	assert_non_null(strstr(lab->device.diag.text, "needs a newer decade"));
}

static void publish_bundle(struct lab *lab)
{
	put(lab, (struct sim_publication){ .bundle = true });
}

/* A stream can't be asked for the same table twice. */
static void a_release_that_needs_a_newer_device_is_refused_as_such(void **state)
{
	struct lab *lab = *state;
	update(lab);
	(void)sim_world_publish(lab->world,
				&(struct sim_publication){ .stone = -1, .bundle = true, .features = 1U << 31, .full_too = true });
	power_on(lab);
	lab->device.media.running = 1;
	assert_int_equal(sim_device_install_bundle(&lab->device, true), DCD_ERR_UNSUPPORTED);
	assert_true(lab->device.media.slot_bytes_written == 0);
}

static void a_stream_mends_what_a_damaged_base_has_spoilt(void **state)
{
	struct lab *lab = *state;
	update(lab);
	lab->device.media.now.dev[SIM_CLASSES][5000] ^= 1;
	lab->device.media.flushed[SIM_CLASSES][5000] ^= 1;
	publish_bundle(lab);
	lab->device.media.running = 1;
	assert_int_equal(sim_device_install_bundle(&lab->device, true), 0);
	assert_true(lab->device.report.stats.refetched > 0);
	assert_int_equal(sim_world_slot_release(lab->world, &lab->device.media.now, 0), 2);
}

static void what_is_right_already_is_neither_fetched_nor_written(void **state)
{
	struct lab *lab = *state;
	put(lab, (struct sim_publication){ .zeros = true });
	assert_int_equal(sim_device_install(&lab->device, true, true, false), 0);
	assert_true(lab->device.report.stats.zero > 0);
	assert_int_equal(lab->device.report.stats.bytes_planned, lab->device.report.stats.bytes_payload);
	uint64_t written = lab->device.media.slot_bytes_written;
	assert_int_equal(sim_device_install(&lab->device, false, true, true), 0);
	assert_int_equal(lab->device.report.stats.already_right, lab->device.report.stats.segments);
	assert_true(lab->device.media.slot_bytes_written == written);
}

/* Runs 1.1 and is offered 1.2; the base is damaged, so that also the full payload is asked for. */
static void damage_base(struct lab *lab)
{
	update(lab);
	lab->device.media.now.dev[SIM_CLASSES][5000] ^= 1;
	publish(lab, false, 0);
	power_on(lab);
}

static void without_full_payloads_a_frame_of_a_newer_encoder_is_said_to_be_one(void **state)
{
	struct lab *lab = *state;
	struct dcd_source_ops ops;
	put(lab, (struct sim_publication){ .newer_frames = true });
	hide_full_payloads(lab, &ops);
	assert_int_equal(install_other(lab), DCD_ERR_NOT_FOUND);
	assert_non_null(strstr(lab->device.diag.text, "need a newer decade"));
}

static void without_full_payloads_a_damaged_base_is_the_end(void **state)
{
	struct lab *lab = *state;
	struct dcd_source_ops ops;
	damage_base(lab);
	hide_full_payloads(lab, &ops);
	assert_int_equal(install_other(lab), DCD_ERR_NOT_FOUND);
	assert_non_null(strstr(lab->device.diag.text, "need full frames, which are not in it"));
}

/* An install whose fetch `at` goes wrong in that way. False: so many fetches there aren't, and it ended well. */
static bool spoil_fetch(struct lab *lab, enum sim_net_fault fault, unsigned long at, int *ret_err)
{
	struct sim_device *device = device_like(lab);
	device->media.running = 1;
	device->source.fault = fault;
	device->source.fault_at = at;
	*ret_err = sim_device_install(device, false, true, false);
	bool struck = device->source.fault_struck;
	assert_true(device->report.stats.segments > 0 || device->report.stats.bytes_payload == 0);
	assert_true(struck || (*ret_err == 0 && device->report.stats.refetched > 0));
	device_gone(device);
	return struck;
}

static void whichever_fetch_fails_the_install_says_that_it_could_not_reach_the_source(void **state)
{
	struct lab *lab = *state;
	unsigned long at = 0;
	int err = 0;
	damage_base(lab);
	for (; spoil_fetch(lab, SIM_NET_DOWN, at, &err); at++) {
		assert_int_equal(err, DCD_ERR_UNREACHABLE);
	}
	assert_true(at > 8);
}

static void whichever_byte_was_changed_on_the_way_the_install_says_that_it_is_not_authentic(void **state)
{
	struct lab *lab = *state;
	unsigned long at = 0;
	int err = 0;
	damage_base(lab);
	for (; spoil_fetch(lab, SIM_NET_FLIPS, at, &err); at++) {
		assert_int_equal(dcd_err_exit_code(err), 5);
	}
	assert_true(at > 8);
}

static struct dcd_frame_stream_ops counting_ops;
static int (*start_stream)(struct dcd_frame_stream *stream, const char *path, uint64_t object_size,
			   const struct dcd_range *ranges, size_t count, struct dcd_diag *diag);
static size_t most_ranges;

static int start_counted(struct dcd_frame_stream *stream, const char *path, uint64_t object_size, const struct dcd_range *ranges,
			 size_t count, struct dcd_diag *diag)
{
	most_ranges = count > most_ranges ? count : most_ranges;
	return start_stream(stream, path, object_size, ranges, count, diag);
}

/* A range is a request to a web server: one for each run of segments that are missing, not for each segment. */
static void frames_that_lie_together_are_one_range(void **state)
{
	struct lab *lab = *state;
	struct dcd_frame_stream *stream = &lab->device.stream.stream;
	counting_ops = *stream->ops;
	start_stream = counting_ops.start;
	counting_ops.start = start_counted;
	stream->ops = &counting_ops;
	most_ranges = 0;
	assert_int_equal(sim_device_install(&lab->device, true, true, false), 0);
	assert_int_equal(most_ranges, 1);
	lab->device.media.now.dev[SIM_CLASSES][5] ^= 1;
	lab->device.media.now.dev[SIM_CLASSES][2 * SIM_SEGMENT] ^= 1;
	assert_int_equal(sim_device_install(&lab->device, true, true, true), 0);
	assert_int_equal(most_ranges, 2);
}

static int install_watched(struct sim_device *device)
{
	const struct dcd_install_options options = { .no_activate = true };
	return dcd_engine_install(&device->engine, &options, &device->report, &device->diag);
}

static int repair_watched(struct sim_device *device)
{
	int err = dcd_engine_repair(&device->engine, &device->report, &device->diag);
	assert_true((err == 0) == (device->report.outcome == DCD_OUTCOME_REPAIRED));
	return err;
}

static void wherever_memory_is_short_an_install_says_so(void **state)
{
	struct lab *lab = *state;
	power_on(lab);
	fail_each_allocation(lab, install_watched);
}

static void wherever_memory_is_short_a_repair_says_so(void **state)
{
	struct lab *lab = *state;
	update(lab);
	lab->device.media.now.dev[0][700] ^= 1;
	power_on(lab);
	fail_each_allocation(lab, repair_watched);
}

static int cancel_writing(void *context, const struct dcd_progress *progress)
{
	(void)context;
	return progress->stage == DCD_STAGE_WRITING && progress->done >= 2 * SIM_SEGMENT;
}

static void an_install_that_is_cancelled_says_that_it_can_go_on(void **state)
{
	struct lab *lab = *state;
	lab->device.engine.progress = (struct dcd_progress_port){ .report = cancel_writing };
	assert_int_equal(install_other(lab), DCD_ERR_CANCELLED);
	assert_non_null(strstr(lab->device.diag.text, "the next install goes on from here"));
	lab->device.engine.progress = (struct dcd_progress_port){ 0 };
	assert_int_equal(install_other(lab), 0);
	assert_true(lab->device.report.stats.already_right > 0);
}

static struct dcd_blockdev_ops worn_ops;
static int (*read_medium)(struct dcd_blockdev *dev, uint64_t offset, void *buf, size_t len);

/* The first byte of a segment never comes back as it was written. */
static int read_worn(struct dcd_blockdev *dev, uint64_t offset, void *buf, size_t len)
{
	int err = read_medium(dev, offset, buf, len);
	if (err == 0 && offset == 0 && len > 0) {
		*(uint8_t *)buf ^= 1;
	}
	return err;
}

static int open_worn_slot(void *context, int slot, const char *class_name, bool writable, struct dcd_blockdev **ret,
			  struct dcd_diag *diag)
{
	int err = sim_media_open_slot(context, slot, class_name, writable, ret, diag);
	if (err == 0 && slot == 1) {
		worn_ops = *(*ret)->ops;
		read_medium = worn_ops.read_medium;
		worn_ops.read_medium = read_worn;
		(*ret)->ops = &worn_ops;
	}
	return err;
}

static void a_worn_medium_is_given_up_in_the_end(void **state)
{
	struct lab *lab = *state;
	lab->device.engine.slots.open = open_worn_slot;
	assert_int_equal(install_other(lab), DCD_ERR_READ_BACK);
	assert_non_null(strstr(lab->device.diag.text, "worn out"));
	assert_int_equal(look(lab), 0);
	assert_int_equal(lab->device.state.slot[1].content, DCD_CONTENT_WRITING);
	assert_false(lab->device.boot_state.slot[1].bootable);
}

/* ---- a payload's table ---- */

static void expect_table(struct lab *lab, const char *prefix, const struct dcd_release_image *image,
			 const struct dcd_release_payload *payload, int expected)
{
	struct dcd_payload_table table, untouched;
	memset(&table, 0x5A, sizeof table);
	memset(&untouched, 0x5A, sizeof untouched);
	struct dcd_source *source = &lab->device.source.base;
	int err = dcd_payload_table_load(source, prefix, &dcd_sha256, image, payload, &table, &lab->device.diag);
	assert_int_equal(err, expected);
	if (err == 0) {
		dcd_payload_table_free(&table);
	} else {
		assert_memory_equal(&table, &untouched, sizeof table);
	}
}

static void a_table_that_speaks_of_something_else_than_the_manifest_is_refused(void **state)
{
	struct lab *lab = *state;
	struct dcd_examination seen = { 0 };
	assert_int_equal(dcd_engine_examine(&lab->device.engine, &seen, NULL), 0);
	const struct dcd_release_image *image = &seen.release->images[0];
	const struct dcd_release_payload *delta = &image->payloads[0];
	for (size_t i = 0; i < image->payload_count; i++) {
		delta = image->payloads[i].base_version != NULL ? &image->payloads[i] : delta;
	}
	expect_table(lab, "targets/", image, delta, 0);
	struct dcd_release_image other = *image;
	other.size++;
	expect_table(lab, "targets/", &other, delta, DCD_ERR_MALFORMED);
	other = *image;
	other.image_id.bytes[0] ^= 1;
	expect_table(lab, "targets/", &other, delta, DCD_ERR_MALFORMED);
	struct dcd_release_payload wrong = *delta;
	wrong.base_size++;
	expect_table(lab, "targets/", image, &wrong, DCD_ERR_MALFORMED);
	wrong = *delta;
	wrong.base_id.bytes[0] ^= 1;
	expect_table(lab, "targets/", image, &wrong, DCD_ERR_MALFORMED);
	wrong = *delta;
	wrong.table_length = DCD_TABLE_LENGTH_LIMIT + 1;
	expect_table(lab, "targets/", image, &wrong, DCD_ERR_UNSUPPORTED);
	char prefix[256] = { 0 };
	memset(prefix, 'x', sizeof prefix - 1);
	expect_table(lab, prefix, image, delta, DCD_ERR_USAGE);
	lab->device.source.fault = SIM_NET_DOWN;
	lab->device.source.fault_at = lab->device.source.fetches;
	expect_table(lab, "targets/", image, delta, DCD_ERR_UNREACHABLE);
	dcd_release_free(seen.release);
}

/* Served, and named as a payload that is all table. */
static void serve_table(struct lab *lab, const void *bytes, size_t len, struct dcd_release_payload *ret)
{
	char below[DCD_RELEASE_PAYLOAD_PATH_SIZE], path[160];
	struct sim_blob *blob = sim_blob_new(bytes, len);
	*ret = (struct dcd_release_payload){ .table_length = len, .length = len };
	dcd_hash_once(&dcd_sha256, blob->data, len, &ret->table_hash);
	dcd_release_payload_path(ret, below);
	(void)snprintf(path, sizeof path, "targets/%s", below);
	sim_world_serve(lab->world, path, blob);
}

static void a_table_is_checked_before_it_is_used(void **state)
{
	struct lab *lab = *state;
	struct dcd_examination seen = { 0 };
	struct dcd_release_payload payload;
	char junk[200] = { 'D' }, path[160], below[DCD_RELEASE_PAYLOAD_PATH_SIZE];
	assert_int_equal(dcd_engine_examine(&lab->device.engine, &seen, NULL), 0);
	const struct dcd_release_image *image = &seen.release->images[0];
	serve_table(lab, junk, sizeof junk, &payload);
	expect_table(lab, "targets/", image, &payload, DCD_ERR_UNSUPPORTED);
	assert_non_null(strstr(lab->device.diag.text, "authentic, but"));
	/* All of the table, and no frames: the manifest speaks of fewer bytes than the table. */
	const struct dcd_release_payload *full = dcd_release_payload_find(image, NULL);
	dcd_release_payload_path(full, below);
	(void)snprintf(path, sizeof path, "targets/%s", below);
	const struct sim_blob *whole = sim_world_file(lab->world, path, sim_world_generation(lab->world));
	serve_table(lab, whole->data, (size_t)full->table_length, &payload);
	expect_table(lab, "targets/", image, &payload, DCD_ERR_MALFORMED);
	assert_non_null(strstr(lab->device.diag.text, "another length"));
	lab->device.source.fault = SIM_NET_FLIPS;
	lab->device.source.fault_at = lab->device.source.fetches;
	expect_table(lab, "targets/", image, &payload, DCD_ERR_HASH);
	dcd_release_free(seen.release);
}

/* ---- what a slot holds ---- */

static int verify(struct lab *lab, int slot)
{
	return dcd_engine_verify(&lab->device.engine, slot, &lab->device.diag);
}

static void what_a_slot_holds_is_compared_with_its_record(void **state)
{
	struct lab *lab = *state;
	assert_int_equal(verify(lab, 1), DCD_ERR_UNKNOWN_CONTENT);
	update(lab);
	assert_int_equal(verify(lab, 1), 0);
	lab->device.media.fault = SIM_FAULT_IO;
	for (unsigned long more = 0; more < 12; more++) {
		lab->device.media.fault_struck = false;
		lab->device.media.fault_at = lab->device.media.accesses + more;
		int err = verify(lab, 1);
		assert_true(err == 0 || (lab->device.media.fault_struck && err != DCD_ERR_HASH));
	}
	lab->device.media.fault = SIM_FAULT_NONE;
	for (size_t class_index = 0; class_index < SIM_CLASSES; class_index++) {
		uint8_t *byte = &lab->device.media.now.dev[SIM_CLASSES + class_index][4500];
		*byte ^= 1;
		assert_int_equal(verify(lab, 1), DCD_ERR_HASH);
		*byte ^= 1;
	}
	assert_int_equal(verify(lab, 1), 0);
	spoil_journal(lab);
	assert_int_equal(verify(lab, 1), DCD_ERR_JOURNAL);
}

static int open_no_slot(void *context, int slot, const char *class_name, bool writable, struct dcd_blockdev **ret,
			struct dcd_diag *diag)
{
	(void)context;
	(void)slot;
	(void)class_name;
	(void)writable;
	(void)ret;
	return dcd_diag_set(diag, DCD_ERR_IO, "no such device");
}

static void a_slot_that_can_not_be_opened_is_not_called_damaged(void **state)
{
	struct lab *lab = *state;
	update(lab);
	lab->device.engine.slots.open = open_no_slot;
	assert_int_equal(verify(lab, 1), DCD_ERR_IO);
}

/* ---- what a source holds ---- */

static void examines(struct lab *lab, const char *version)
{
	struct dcd_examination seen = { 0 };
	assert_int_equal(dcd_engine_examine(&lab->device.engine, &seen, &lab->device.diag), 0);
	assert_string_equal(seen.release->version, version);
	dcd_release_free(seen.release);
}

static void a_source_is_known_by_the_newest_release_that_it_holds(void **state)
{
	struct lab *lab = *state;
	struct dcd_source_ops ops = *lab->device.source.base.ops;
	examines(lab, "1.1");
	ops.has = offers_one_release;
	lab->device.source.base.ops = &ops;
	offered_release = ".1.0.json";
	examines(lab, "1.0");
	offered_release = ".1.1.json";
	examines(lab, "1.1");
	struct dcd_examination seen = { 0 };
	offered_release = NULL;
	assert_int_equal(dcd_engine_examine(&lab->device.engine, &seen, &lab->device.diag), DCD_ERR_UNLISTED);
	assert_non_null(strstr(lab->device.diag.text, "holds no release"));
	assert_null(seen.release);
}

static void a_source_that_can_not_be_read_tells_nothing(void **state)
{
	struct lab *lab = *state;
	bool struck = true;
	for (unsigned long at = 0; struck; at++) {
		struct dcd_examination seen = { 0 };
		lab->device.source.fault = SIM_NET_DOWN;
		lab->device.source.fault_struck = false;
		lab->device.source.fault_at = lab->device.source.fetches + at;
		int err = dcd_engine_examine(&lab->device.engine, &seen, &lab->device.diag);
		struck = lab->device.source.fault_struck;
		assert_int_equal(err, struck ? DCD_ERR_UNREACHABLE : 0);
		assert_true(struck == (seen.release == NULL));
		assert_true(struck == (seen.versions.root == 0));
		dcd_release_free(seen.release);
	}
	struct dcd_examination seen = { 0 };
	sim_files_put(&lab->device.media.now.dir[SIM_STATE_DIR], "boot-state", sim_blob_new("rotten", 6));
	assert_int_equal(dcd_engine_examine(&lab->device.engine, &seen, &lab->device.diag), DCD_ERR_BOOT_STATE);
	assert_null(seen.release);
}

static int examine_watched(struct sim_device *device)
{
	struct dcd_examination seen = { 0 };
	int err = dcd_engine_examine(&device->engine, &seen, &device->diag);
	assert_true((err != 0) == (seen.release == NULL));
	assert_true((err != 0) == (seen.versions.root == 0));
	dcd_release_free(seen.release);
	return err;
}

static void wherever_memory_is_short_a_look_at_a_source_says_so(void **state)
{
	struct lab *lab = *state;
	power_on(lab);
	fail_each_allocation(lab, examine_watched);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_good, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_newer_release_for_others_does_not_hide_the_one_for_this_device),
		CASE(a_manifest_that_is_for_another_device_than_it_is_listed_for_is_refused),
		CASE(a_release_below_the_security_floor_is_refused),
		CASE(the_stepping_stone_that_runs_needs_no_listing),
		CASE(a_channel_without_a_release_is_said_to_be_empty),
		CASE(a_source_without_the_right_release_says_what_it_is_for),
		CASE(a_delta_that_this_device_can_not_apply_costs_the_delta_alone),
		cmocka_unit_test(blocks_in_pieces_ask_nothing_of_a_compressor),
		CASE(a_frame_of_a_newer_encoder_costs_its_segment_alone),
		CASE(a_check_counts_on_what_the_source_has),
		CASE(who_packs_nothing_can_still_apply_what_is_not_packed),
		CASE(where_there_is_no_full_payload_either_it_says_so),
		CASE(a_release_that_needs_a_newer_device_is_refused_as_such),
		CASE(a_stream_mends_what_a_damaged_base_has_spoilt),
		CASE(what_is_right_already_is_neither_fetched_nor_written),
		CASE(without_full_payloads_a_damaged_base_is_the_end),
		CASE(without_full_payloads_a_frame_of_a_newer_encoder_is_said_to_be_one),
		CASE(whichever_fetch_fails_the_install_says_that_it_could_not_reach_the_source),
		CASE(whichever_byte_was_changed_on_the_way_the_install_says_that_it_is_not_authentic),
		CASE(frames_that_lie_together_are_one_range),
		CASE(wherever_memory_is_short_an_install_says_so),
		CASE(wherever_memory_is_short_a_repair_says_so),
		CASE(an_install_that_is_cancelled_says_that_it_can_go_on),
		CASE(a_worn_medium_is_given_up_in_the_end),
		CASE(a_table_that_speaks_of_something_else_than_the_manifest_is_refused),
		CASE(a_table_is_checked_before_it_is_used),
		CASE(what_a_slot_holds_is_compared_with_its_record),
		CASE(a_slot_that_can_not_be_opened_is_not_called_damaged),
		CASE(a_source_is_known_by_the_newest_release_that_it_holds),
		CASE(a_source_that_can_not_be_read_tells_nothing),
		CASE(wherever_memory_is_short_a_look_at_a_source_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
