/*
 * Keys and signatures, both of the sender's choice, of every scheme: the first byte chooses the scheme, then comes the key's text
 * up to a NUL, the rest is a signature.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "manifest/crypto/public_key.h"

static const char *const schemes[][2] = {
	{ "ecdsa", "ecdsa-sha2-nistp256" },
	{ "ecdsa", "ecdsa-sha2-nistp384" },
	{ "ed25519", "ed25519" },
	{ "rsa", "rsassa-pss-sha256" },
	{ "rsa", "rsa-pkcs1v15-sha256" },
	{ "rsa", "rsassa-pss-sha512" },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256" },
	{ "rsa", "rsassa-pss-sha384" },
	{ "rsa", "rsa-pkcs1v15-sha512" },
	{ "lms", "lms-sha256-m32-h10-n32-w8" },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2) {
		return 0;
	}
	const char *const *scheme = schemes[data[0] % (sizeof schemes / sizeof schemes[0])];
	/* A key's text ends at a NUL: it has line ends of its own. */
	size_t len = strnlen((const char *)data + 1, size - 1);
	char *value = malloc(len + 1);
	if (value == NULL) {
		return 0;
	}
	memcpy(value, data + 1, len);
	value[len] = '\0';
	struct dcd_public_key *key = NULL;
	if (dcd_public_key_parse(scheme[0], scheme[1], value, &key, NULL) == 0) {
		struct dcd_hash identity;
		dcd_public_key_identity(key, &identity);
		size_t used = 1 + len + (1 + len < size ? 1 : 0);
		(void)dcd_public_key_verify(key, (const uint8_t *)"Decade", 6, data + used, size - used);
		dcd_public_key_free(key);
	}
	free(value);
	return 0;
}
