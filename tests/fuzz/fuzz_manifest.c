/* The release manifest's parser, and everything that reads what it made. */
#include "manifest/release/release.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dcd_release *release = NULL;
	struct dcd_diag diag;
	if (dcd_release_parse_unverified(data, size, "fuzz", &release, &diag) == 0) {
		for (size_t i = 0; i < release->image_count; i++) {
			char path[DCD_RELEASE_PAYLOAD_PATH_SIZE];
			const struct dcd_release_image *image = dcd_release_image_find(release, release->images[i].class_name);
			if (image != &release->images[i] || dcd_release_payload_find(image, NULL) == NULL) {
				__builtin_trap();
			}
			dcd_release_payload_path(&image->payloads[image->payload_count - 1], path);
		}
		(void)dcd_release_fits(release, "board");
		dcd_release_free(release);
	}
	return 0;
}
