#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "manifest/release/release.h"

const struct dcd_release_image *dcd_release_image_find(const struct dcd_release *release, const char *class_name)
{
	for (size_t i = 0; i < release->image_count; i++) {
		if (strcmp(release->images[i].class_name, class_name) == 0) {
			return &release->images[i];
		}
	}
	return NULL;
}

const struct dcd_release_payload *dcd_release_payload_find(const struct dcd_release_image *image, const struct dcd_hash *base_id)
{
	static const struct dcd_hash no_base;
	const struct dcd_hash *wanted = base_id == NULL ? &no_base : base_id;
	for (size_t i = 0; i < image->payload_count; i++) {
		if (dcd_hash_equal(&image->payloads[i].base_id, wanted)) {
			return &image->payloads[i];
		}
	}
	return NULL;
}

void dcd_release_payload_path(const struct dcd_release_payload *payload, char *ret)
{
	char hex[DCD_HASH_HEX_SIZE];
	dcd_hash_to_hex(&payload->table_hash, hex);
	(void)snprintf(ret, DCD_RELEASE_PAYLOAD_PATH_SIZE, "payloads/%s.dcp", hex);
}

bool dcd_release_fits(const struct dcd_release *release, const char *board)
{
	for (size_t i = 0; i < release->board_count; i++) {
		if (strcmp(release->boards[i], board) == 0) {
			return true;
		}
	}
	return release->board_count == 0;
}
