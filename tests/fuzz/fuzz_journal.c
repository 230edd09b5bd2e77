/* One copy of the journal: whatever is accepted must be storable and come back the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "manifest/crypto/sha256.h"
#include "updater/journal/journal_format.h"

#define PREFIX 82 /* "decade-journal 1 ", the hash, a space */

static struct dcd_device_state first, second;

static void decode_and_compare(const uint8_t *data, size_t size)
{
	struct dcd_diag diag;
	uint64_t sequence, again;
	uint8_t *text;
	size_t len;
	memset(&first, 0, sizeof first);
	memset(&second, 0, sizeof second);
	if (dcd_journal_decode(data, size, "journal", &first, &sequence, &diag) != 0) {
		return;
	}
	if (dcd_journal_encode(&first, sequence, &text, &len, &diag) != 0 ||
	    dcd_journal_decode(text, len, "journal", &second, &again, &diag) != 0 || again != sequence ||
	    memcmp(&first, &second, sizeof first) != 0) {
		abort();
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	decode_and_compare(data, size);
	/* And with its hash made right, so that mutations get past it. */
	if (size <= PREFIX || size > DCD_JOURNAL_MAX) {
		return 0;
	}
	uint8_t *fixed = malloc(size);
	if (fixed == NULL) {
		return 0;
	}
	memcpy(fixed, data, size);
	struct dcd_hash hash;
	char head[PREFIX + 1], hex[DCD_HASH_HEX_SIZE];
	dcd_hash_once(&dcd_sha256, fixed + PREFIX, size - PREFIX, &hash);
	dcd_hash_to_hex(&hash, hex);
	(void)snprintf(head, sizeof head, "decade-journal 1 %s ", hex);
	memcpy(fixed, head, PREFIX);
	decode_and_compare(fixed, size);
	free(fixed);
	return 0;
}
