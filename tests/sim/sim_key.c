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

/* How a private number is written: what stands before it in the DER form, and after it. */
struct form {
	const char *label;
	size_t secret_len;
	size_t before_len, after_len;
	uint8_t before[16], after[12];
};

/* RFC 5915: version 1, the private number, the curve; who reads it computes the public half. RFC 8410 for Ed25519. */
static const struct form forms[DCD_KEY_ALGORITHMS] = {
	[DCD_KEY_ECDSA_P256] = { "EC PRIVATE KEY",
				 32,
				 7,
				 12,
				 { 0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20 },
				 { 0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 } },
	[DCD_KEY_ECDSA_P384] = { "EC PRIVATE KEY",
				 48,
				 7,
				 9,
				 { 0x30, 0x3e, 0x02, 0x01, 0x01, 0x04, 0x30 },
				 { 0xa0, 0x07, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 } },
	[DCD_KEY_ED25519] = { "PRIVATE KEY",
			      32,
			      16,
			      0,
			      { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 },
			      { 0 } },
};

static void make_secret(uint64_t seed, int number, uint8_t secret[2 * DCD_HASH_SIZE])
{
	char line[64];
	for (int half = 0; half < 2; half++) {
		struct dcd_hash hash;
		int len = snprintf(line, sizeof line,
				   half == 0 ? "decade simulation %llu/%d" : "decade simulation %llu/%d, second half",
				   (unsigned long long)seed, number);
		dcd_hash_once(&dcd_sha256, line, (size_t)len, &hash);
		memcpy(secret + half * DCD_HASH_SIZE, hash.bytes, DCD_HASH_SIZE);
	}
}

int sim_key_signer(uint64_t seed, int number, enum dcd_key_algorithm algorithm, struct dcd_signer **ret, struct dcd_diag *diag)
{
	const struct form *form = &forms[algorithm];
	uint8_t der[96], secret[2 * DCD_HASH_SIZE];
	char text[2 * sizeof der];
	size_t len = form->before_len + form->secret_len + form->after_len;
	if (form->label == NULL) {
		return dcd_diag_set(diag, DCD_ERR_UNSUPPORTED, "no simulated key of that kind");
	}
	make_secret(seed, number, secret);
	memcpy(der, form->before, form->before_len);
	memcpy(der + form->before_len, secret, form->secret_len);
	memcpy(der + form->before_len + form->secret_len, form->after, form->after_len);
	base64(der, len, text);
	const char *folder = getenv("TMPDIR");
	char path[256];
	(void)snprintf(path, sizeof path, "%s/decade-sim-key-XXXXXX", folder != NULL ? folder : "/tmp");
	int fd = mkstemp(path);
	if (fd < 0) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "no temporary file for a key");
	}
	size_t first = strlen(text) < 64 ? strlen(text) : 64;
	int written = dprintf(fd, "-----BEGIN %s-----\n%.64s%s%s\n-----END %s-----\n", form->label, text,
			      strlen(text) > 64 ? "\n" : "", text + first, form->label);
	close(fd);
	int err = written > 0 ? dcd_key_signer_load(path, ret, diag)
			      : dcd_diag_set(diag, DCD_ERR_HOST, "%s can't be written", path);
	unlink(path);
	return err;
}
