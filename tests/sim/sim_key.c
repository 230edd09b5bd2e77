#include "tests/sim/sim_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manifest/crypto/sha256.h"
#include "manifest/sign/key_signer.h"

static void base64(const uint8_t *data, size_t len, char *ret)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < len; i += 3) {
		uint32_t word = (uint32_t)data[i] << 16 | (i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0) |
				(i + 2 < len ? data[i + 2] : 0);
		*ret++ = digits[word >> 18];
		*ret++ = digits[word >> 12 & 63];
		*ret++ = i + 1 < len ? digits[word >> 6 & 63] : '=';
		*ret++ = i + 2 < len ? digits[word & 63] : '=';
	}
	*ret = '\0';
}

/* RFC 5915: version 1, the private number, the curve P-256; who reads it computes the public half. */
int sim_key_signer(uint64_t seed, int number, struct dcd_signer **ret, struct dcd_diag *diag)
{
	static const uint8_t before[] = { 0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20 };
	static const uint8_t after[] = { 0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	uint8_t der[sizeof before + DCD_HASH_SIZE + sizeof after];
	char text[2 * sizeof der], line[64];
	struct dcd_hash secret;
	int len = snprintf(line, sizeof line, "decade simulation %llu/%d", (unsigned long long)seed, number);
	dcd_hash_once(&dcd_sha256, line, (size_t)len, &secret);
	memcpy(der, before, sizeof before);
	memcpy(der + sizeof before, secret.bytes, DCD_HASH_SIZE);
	memcpy(der + sizeof before + DCD_HASH_SIZE, after, sizeof after);
	base64(der, sizeof der, text);
	const char *folder = getenv("TMPDIR");
	char path[256];
	(void)snprintf(path, sizeof path, "%s/decade-sim-key-XXXXXX", folder != NULL ? folder : "/tmp");
	int fd = mkstemp(path);
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "no temporary file for a key");
	}
	int written = dprintf(fd, "-----BEGIN EC PRIVATE KEY-----\n%.64s\n%s\n-----END EC PRIVATE KEY-----\n", text, text + 64);
	close(fd);
	int err = written > 0 ? dcd_key_signer_load(path, ret, diag)
			      : dcd_diag_set(diag, DCD_ERR_HOST, "%s can't be written", path);
	unlink(path);
	return err;
}
