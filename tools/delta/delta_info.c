/* decade-delta info: what a payload is and what a device needs for it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "bsdiff/apply/frame.h"
#include "bsdiff/codec/packer.h"
#include "bsdiff/codec/zstd_decode.h"
#include "manifest/json/json.h"
#include "tools/delta/delta_commands.h"
#include "tools/delta/payload_file.h"

static const char *const kind_names[4] = { "zero", "same", "delta", "full" };

struct info {
	uint32_t segments[4];                   /* by enum dcd_frame_kind */
	uint64_t bytes[4];                      /* of frames */
	uint64_t streams[DCD_STREAM_COUNT + 1]; /* of delta frames, by enum dcd_stream; then their heads */
	uint32_t predicted;                     /* segments with DCD_FILTER_REFERENCES */
	uint32_t repacked;                      /* with DCD_FILTER_REPACKED */
	uint64_t memory;                        /* bytes a device needs: table, frame, segment, workspace */
	char payload_id[DCD_HASH_HEX_SIZE];
	char image_id[DCD_HASH_HEX_SIZE];
	char base_id[DCD_HASH_HEX_SIZE];
};

static const char *const stream_names[DCD_STREAM_COUNT + 1] = { "control", "runs", "literals", "extra",
								"map",     "gate", "recipe",   "heads" };

/* Adds up the streams of one delta frame. */
static int streams_gather(const struct dcd_payload_file *file, const struct dcd_payload_entry *entry, uint64_t at,
			  uint8_t *buffer, struct info *info)
{
	size_t lengths[DCD_STREAM_COUNT + 1];
	int err = dcd_file_read(file->fd, at, buffer, entry->frame_length);
	err = err != 0 ? err : dcd_frame_stream_lengths(buffer, entry->frame_length, entry->segment_length, lengths);
	for (int id = 0; err == 0 && id <= DCD_STREAM_COUNT; id++) {
		info->streams[id] += lengths[id];
	}
	return err;
}

static int info_gather(const struct dcd_payload_file *file, struct info *ret)
{
	*ret = (struct info){ 0 };
	const struct dcd_payload *payload = &file->payload;
	DCD_AUTO_FREE uint8_t *buffer = malloc(payload->max_frame + (size_t)1);
	uint64_t at = file->table_length;
	int err = buffer == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (uint32_t i = 0; err == 0 && i < payload->segment_count; i++) {
		struct dcd_payload_entry entry;
		dcd_payload_entry(payload, i, &entry);
		ret->segments[entry.kind]++;
		ret->bytes[entry.kind] += entry.frame_length;
		ret->predicted += (entry.filter & DCD_FILTER_REFERENCES) != 0;
		ret->repacked += (entry.filter & DCD_FILTER_REPACKED) != 0;
		err = entry.kind == DCD_FRAME_DELTA ? streams_gather(file, &entry, at, buffer, ret) : 0;
		at += entry.frame_length;
	}
	struct dcd_decoder zstd = dcd_zstd_decoder();
	ret->memory = file->table_length + payload->segment_size + dcd_frame_memory_size(payload, &zstd);
	dcd_hash_to_hex(&file->table_hash, ret->payload_id);
	dcd_hash_to_hex(&payload->image_id, ret->image_id);
	dcd_hash_to_hex(&payload->base_id, ret->base_id);
	return err;
}

static int frames_to_json(const struct info *info, struct dcd_json *document)
{
	struct dcd_json *frames = dcd_json_new_object();
	int err = frames == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (int kind = 0; err == 0 && kind < 4; kind++) {
		struct dcd_json *one = dcd_json_new_object();
		err = one == NULL ? DCD_ERR_NO_MEMORY : dcd_json_set_u64(one, "segments", info->segments[kind]);
		err = err != 0 ? err : dcd_json_set_u64(one, "bytes", info->bytes[kind]);
		if (err != 0) {
			dcd_json_free(one);
			break;
		}
		err = dcd_json_set(frames, kind_names[kind], one);
	}
	if (err != 0) {
		dcd_json_free(frames);
		return err;
	}
	return dcd_json_set(document, "frames", frames);
}

static int streams_to_json(const struct info *info, struct dcd_json *document)
{
	struct dcd_json *streams = dcd_json_new_object();
	int err = streams == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (int id = 0; err == 0 && id <= DCD_STREAM_COUNT; id++) {
		err = dcd_json_set_u64(streams, stream_names[id], info->streams[id]);
	}
	if (err != 0) {
		dcd_json_free(streams);
		return err;
	}
	return dcd_json_set(document, "streams", streams);
}

static const char *const method_names[DCD_PACK_METHODS] = { "zlib", "deflate", "zstd", "xz", "lz4", "erofs-lz4" };

/* The compressors that a device must have, and whether ours pack as those did that the payload was made with. */
static int packers_to_json(const struct dcd_payload *payload, struct dcd_json *document)
{
	struct dcd_json *packers = dcd_json_new_object();
	int err = packers == NULL ? DCD_ERR_NO_MEMORY : 0;
	for (unsigned method = 0; err == 0 && method < DCD_PACK_METHODS; method++) {
		if ((payload->features & DCD_FEATURE_PACK(method)) != 0) {
			err = dcd_json_set_bool(packers, method_names[method], true);
		}
	}
	if (err != 0) {
		dcd_json_free(packers);
		return err;
	}
	err = dcd_json_set_bool(document, "split_blocks", (payload->features & DCD_FEATURE_SPLIT) != 0);
	err = err != 0 ? err
		       : dcd_json_set_bool(document, "packs_alike",
					   dcd_block_packer().mark(payload->features) == payload->pack_mark);
	if (err != 0) {
		dcd_json_free(packers);
		return err;
	}
	return dcd_json_set(document, "packers", packers);
}

static int info_to_json(const struct dcd_payload_file *file, const struct info *info, struct dcd_json *document)
{
	const struct dcd_payload *payload = &file->payload;
	int err = dcd_json_set_string(document, "payload_id", info->payload_id);
	err = err != 0 ? err : dcd_json_set_u64(document, "payload_size", file->size);
	err = err != 0 ? err : dcd_json_set_u64(document, "table_length", file->table_length);
	err = err != 0 ? err : dcd_json_set_string(document, "image_id", info->image_id);
	err = err != 0 ? err : dcd_json_set_u64(document, "image_size", payload->image_size);
	err = err != 0 ? err : dcd_json_set_u64(document, "segment_size", payload->segment_size);
	err = err != 0 ? err : dcd_json_set_u64(document, "segment_count", payload->segment_count);
	err = err != 0 ? err : dcd_json_set_u64(document, "memory", info->memory);
	err = err != 0 ? err : dcd_json_set_u64(document, "max_frame", payload->max_frame);
	err = err != 0 ? err : dcd_json_set_u64(document, "max_scratch", payload->max_scratch);
	if (err == 0 && payload->base_size > 0) {
		err = dcd_json_set_string(document, "base_id", info->base_id);
		err = err != 0 ? err : dcd_json_set_u64(document, "base_size", payload->base_size);
	}
	err = err != 0 ? err : dcd_json_set_u64(document, "segments_with_references", info->predicted);
	err = err != 0 ? err : dcd_json_set_u64(document, "segments_repacked", info->repacked);
	err = err != 0 ? err : dcd_json_set_u64(document, "pack_memory", payload->pack_memory);
	err = err != 0 ? err : packers_to_json(payload, document);
	err = err != 0 ? err : frames_to_json(info, document);
	return err != 0 ? err : streams_to_json(info, document);
}

static int print_json(const struct dcd_payload_file *file, const struct info *info, struct dcd_diag *diag)
{
	struct dcd_json *document DCD_CLEANUP(dcd_json_freep) = dcd_json_new_object();
	if (document == NULL || info_to_json(file, info, document) != 0) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the answer");
	}
	DCD_AUTO_FREE char *text = dcd_json_text(document, true);
	if (text == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the answer");
	}
	puts(text);
	return 0;
}

static void print_text(const struct dcd_payload_file *file, const struct info *info)
{
	const struct dcd_payload *payload = &file->payload;
	printf("payload   %llu bytes, table %llu, id %s\n", (unsigned long long)file->size,
	       (unsigned long long)file->table_length, info->payload_id);
	printf("image     %llu bytes in %u segments of %u, id %s\n", (unsigned long long)payload->image_size,
	       payload->segment_count, payload->segment_size, info->image_id);
	if (payload->base_size > 0) {
		printf("base      %llu bytes, id %s\n", (unsigned long long)payload->base_size, info->base_id);
	} else {
		puts("base      none: a full payload");
	}
	for (int kind = 0; kind < 4; kind++) {
		printf("%-9s %u segments, %llu bytes\n", kind_names[kind], info->segments[kind],
		       (unsigned long long)info->bytes[kind]);
	}
	for (int id = 0; id <= DCD_STREAM_COUNT && info->segments[DCD_FRAME_DELTA] > 0; id++) {
		printf("  %-8s %llu bytes\n", stream_names[id], (unsigned long long)info->streams[id]);
	}
	printf("references predicted in %u segments\n", info->predicted);
	if (payload->features != 0) {
		printf("repacked in %u segments, %u bytes of the memory:", info->repacked, payload->pack_memory);
		for (unsigned method = 0; method < DCD_PACK_METHODS; method++) {
			printf("%s%s", (payload->features & DCD_FEATURE_PACK(method)) != 0 ? " " : "",
			       (payload->features & DCD_FEATURE_PACK(method)) != 0 ? method_names[method] : "");
		}
		fputs((payload->features & DCD_FEATURE_SPLIT) != 0 ? ", split blocks" : "", stdout);
		puts(dcd_block_packer().mark(payload->features) == payload->pack_mark ? "" : " (unlike those of this machine)");
	}
	printf("memory    %llu bytes on the device: table, frame, segment, workspace\n", (unsigned long long)info->memory);
}

int dcd_delta_command_info(const char *payload_path, const struct dcd_delta_options *options, struct dcd_diag *diag)
{
	struct dcd_payload_file file;
	int err = dcd_payload_file_open(payload_path, &file, diag);
	if (err != 0) {
		return err;
	}
	struct info info;
	err = info_gather(&file, &info);
	if (err != 0) {
		err = dcd_diag_set(diag, err, "%s: a frame can't be read: %s", payload_path, dcd_err_name(err));
	} else if (options->json) {
		err = print_json(&file, &info, diag);
	} else {
		print_text(&file, &info);
	}
	dcd_payload_file_close(&file);
	return err;
}
