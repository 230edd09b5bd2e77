/* What targets metadata delegates, and to whom a path then leads. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "manifest/tuf/tuf_delegation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dcd_json *body = NULL;
	if (dcd_json_parse(data, size, "fuzz", &body, NULL) != 0) {
		return 0;
	}
	const struct tuf_metadata metadata = { .body = body };
	struct tuf_delegation delegation;
	bool bins = false;
	if (tuf_delegations_check(&metadata, "fuzz", NULL) == 0) {
		for (size_t at = 0; tuf_delegation_next(&metadata, "releases/1.0.json", &at, &delegation);) {
		}
		for (size_t at = 0; tuf_delegation_next_below(&metadata, "releases/", &at, &delegation, &bins);) {
		}
	}
	dcd_json_free(body);
	return 0;
}
