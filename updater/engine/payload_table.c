#include "updater/engine/payload_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The manifest and the payload speak of the same image and base; either alone could be an honest mistake of a build server. */
static int check_against_manifest(const struct dcd_payload_table *table, const struct dcd_release_image *image,
				  struct dcd_diag *diag)
{
	const struct dcd_payload *view = &table->view;
	const struct dcd_release_payload *payload = table->payload;
	if (view->image_size != image->size || view->segment_size != image->segment_size ||
	    !dcd_hash_equal(&view->image_id, &image->image_id)) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: makes another image than the manifest says", table->path);
	}
	if (view->base_size != payload->base_size || !dcd_hash_equal(&view->base_id, &payload->base_id)) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: needs another base than the manifest says", table->path);
	}
	if (payload->length < payload->table_length || view->frames_length != payload->length - payload->table_length) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: has another length than the manifest says", table->path);
	}
	return 0;
}

static int fetch_table(struct dcd_source *source, const struct dcd_hash_alg *alg, struct dcd_payload_table *table,
		       struct dcd_diag *diag)
{
	size_t length = (size_t)table->payload->table_length;
	int err = dcd_source_load_range(source, table->path, table->payload->length, 0, table->bytes, length, diag);
	if (err != 0) {
		return err;
	}
	struct dcd_hash hash;
	dcd_hash_once(alg, table->bytes, length, &hash);
	if (!dcd_hash_equal(&hash, &table->payload->table_hash)) {
		return dcd_diag_set(diag, DCD_ERR_HASH, "%s: the payload's table is not the one that the signed manifest names",
				    table->path);
	}
	err = dcd_payload_open(table->bytes, length, alg, &table->view);
	if (err != 0) {
		return dcd_diag_set(diag, err, "%s: authentic, but its table can't be used (%s)%s", table->path,
				    dcd_err_name(err),
				    err == DCD_ERR_UNSUPPORTED ? "; it needs a newer decade on this device" : "");
	}
	return 0;
}

static int make_path(const char *targets_prefix, const struct dcd_release_payload *payload, struct dcd_payload_table *table)
{
	char name[DCD_RELEASE_PAYLOAD_PATH_SIZE];
	dcd_release_payload_path(payload, name);
	int n = snprintf(table->path, sizeof table->path, "%s%s", targets_prefix, name);
	return n < 0 || (size_t)n >= sizeof table->path ? DCD_ERR_USAGE : 0;
}

bool dcd_payload_is_offered(const struct dcd_source *source, const char *targets_prefix,
			    const struct dcd_release_payload *payload)
{
	struct dcd_payload_table table;
	return make_path(targets_prefix, payload, &table) == 0 && dcd_source_has(source, table.path);
}

int dcd_payload_table_load(struct dcd_source *source, const char *targets_prefix, const struct dcd_hash_alg *alg,
			   const struct dcd_release_image *image, const struct dcd_release_payload *payload,
			   struct dcd_payload_table *ret, struct dcd_diag *diag)
{
	struct dcd_payload_table table = { .payload = payload };
	if (make_path(targets_prefix, payload, &table) != 0) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "the targets prefix '%s' is too long", targets_prefix);
	}
	if (payload->table_length > DCD_TABLE_LENGTH_LIMIT) {
		return dcd_diag_set(diag, DCD_ERR_UNSUPPORTED,
				    "%s: a table of %llu bytes is more than this device reads; release it with larger segments",
				    table.path, (unsigned long long)payload->table_length);
	}
	table.bytes = malloc((size_t)payload->table_length);
	if (table.bytes == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the table of %s", table.path);
	}
	int err = fetch_table(source, alg, &table, diag);
	if (err == 0) {
		err = check_against_manifest(&table, image, diag);
	}
	if (err != 0) {
		dcd_payload_table_free(&table);
		return err;
	}
	*ret = table;
	return 0;
}

bool dcd_payload_can_pack(const struct dcd_payload *view, const struct dcd_packer *packer, uint64_t memory_max)
{
	if (view->features == 0) {
		return true;
	}
	return packer != NULL && (view->features & ~(packer->features | DCD_FEATURE_SPLIT)) == 0 &&
	       view->pack_memory <= memory_max &&
	       ((view->features & ~DCD_FEATURES_EXACT) == 0 || packer->mark(view->features) == view->pack_mark);
}

void dcd_payload_table_free(struct dcd_payload_table *table)
{
	free(table->bytes);
	memset(table, 0, sizeof *table);
}

int dcd_payload_table_copy(const struct dcd_payload_table *table, struct dcd_payload_table *ret, struct dcd_diag *diag)
{
	size_t len = (size_t)table->payload->table_length;
	uint8_t *bytes = malloc(len);
	if (bytes == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for the table of %s", table->path);
	}
	memcpy(bytes, table->bytes, len);
	struct dcd_payload_table copy = *table;
	copy.bytes = bytes;
	copy.view.table = bytes + (table->view.table - table->bytes);
	*ret = copy;
	return 0;
}
