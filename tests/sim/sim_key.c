#include "tests/sim/sim_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manifest/crypto/public_key.h"
#include "manifest/crypto/sha256.h"
#include "manifest/sign/key_signer.h"

static void base64(const uint8_t *data, size_t len, char *ret)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < len; i += 3) {
		uint32_t word = (uint32_t)data[i] << 16 | (i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0) | (i + 2 < len ? data[i + 2] : 0);
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
	int err = written > 0 ? dcd_key_signer_load(path, ret, diag) : dcd_diag_set(diag, DCD_ERR_HOST, "%s can't be written", path);
	unlink(path);
	return err;
}

/*
 * A million simulated devices check the same few signatures. A check is a pure function of key, message and signature, so each is
 * done once by the real code and then remembered (the linker's --wrap puts this in between).
 */
#define MEMO_SIZE 16384

struct memo {
	struct dcd_hash question;
	bool known;
	bool answer;
};

static struct memo memos[MEMO_SIZE];
static unsigned long answered;

unsigned long sim_key_memoized(void)
{
	return answered;
}

bool __real_dcd_public_key_verify(const struct dcd_public_key *key, const uint8_t *message, size_t message_len, const uint8_t *signature,
				  size_t signature_len);
bool __wrap_dcd_public_key_verify(const struct dcd_public_key *key, const uint8_t *message, size_t message_len, const uint8_t *signature,
				  size_t signature_len);

bool __wrap_dcd_public_key_verify(const struct dcd_public_key *key, const uint8_t *message, size_t message_len, const uint8_t *signature,
				  size_t signature_len)
{
	struct dcd_hash identity, question;
	struct dcd_hash_state state;
	dcd_public_key_identity(key, &identity);
	dcd_sha256.init(&state);
	dcd_sha256.update(&state, identity.bytes, sizeof identity.bytes);
	dcd_sha256.update(&state, &message_len, sizeof message_len);
	dcd_sha256.update(&state, message, message_len);
	dcd_sha256.update(&state, signature, signature_len);
	dcd_sha256.finish(&state, &question);
	struct memo *memo = &memos[(question.bytes[0] | question.bytes[1] << 8) % MEMO_SIZE];
	if (!memo->known || !dcd_hash_equal(&memo->question, &question)) {
		memo->answer = __real_dcd_public_key_verify(key, message, message_len, signature, signature_len);
		memo->question = question;
		memo->known = true;
	} else {
		answered++;
	}
	return memo->answer;
}
