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

/*
 * A million simulated devices read the same few keys and check the same few signatures. Both are pure functions, so the real code
 * does each once and the answer is remembered (the linker's --wrap puts this in between). Questions are told apart by 128 bits of
 * a fast hash: nobody attacks a simulation from inside.
 */
#define MEMO_SIZE 16384
#define KEYS_MAX 256

struct question {
	uint64_t a, b;
};

struct memo {
	struct question question;
	bool known;
	bool answer;
};

struct known_key {
	struct question question;
	struct dcd_public_key *key;
};

static struct memo memos[MEMO_SIZE];
static struct known_key known_keys[KEYS_MAX];
static size_t known_key_count;
static unsigned long answered;

unsigned long sim_key_memoized(void)
{
	return answered;
}

static void ask(struct question *question, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	question->a ^= len;
	for (; len > 0;) {
		uint64_t word = 0;
		size_t n = len < 8 ? len : 8;
		memcpy(&word, bytes, n);
		question->a = (question->a ^ word) * UINT64_C(0x9E3779B97F4A7C15);
		question->a ^= question->a >> 31;
		question->b = (question->b + word) * UINT64_C(0xD6E8FEB86659FD93);
		question->b ^= question->b >> 29;
		bytes += n;
		len -= n;
	}
}

int __real_dcd_public_key_parse(const char *keytype, const char *scheme, const char *value, struct dcd_public_key **ret,
				struct dcd_diag *diag);
int __wrap_dcd_public_key_parse(const char *keytype, const char *scheme, const char *value, struct dcd_public_key **ret,
				struct dcd_diag *diag);
void __real_dcd_public_key_free(struct dcd_public_key *key);
void __wrap_dcd_public_key_free(struct dcd_public_key *key);
bool __real_dcd_public_key_verify(const struct dcd_public_key *key, const uint8_t *message, size_t message_len,
				  const uint8_t *signature, size_t signature_len);
bool __wrap_dcd_public_key_verify(const struct dcd_public_key *key, const uint8_t *message, size_t message_len,
				  const uint8_t *signature, size_t signature_len);

int __wrap_dcd_public_key_parse(const char *keytype, const char *scheme, const char *value, struct dcd_public_key **ret,
				struct dcd_diag *diag)
{
	struct question question = { 1, 2 };
	ask(&question, keytype, strlen(keytype));
	ask(&question, scheme, strlen(scheme));
	ask(&question, value, strlen(value));
	for (size_t i = 0; i < known_key_count; i++) {
		if (known_keys[i].question.a == question.a && known_keys[i].question.b == question.b) {
			*ret = known_keys[i].key;
			return 0;
		}
	}
	int err = __real_dcd_public_key_parse(keytype, scheme, value, ret, diag);
	if (err == 0 && known_key_count < KEYS_MAX) {
		known_keys[known_key_count++] = (struct known_key){ question, *ret };
	}
	return err;
}

void __wrap_dcd_public_key_free(struct dcd_public_key *key)
{
	for (size_t i = 0; i < known_key_count; i++) {
		if (known_keys[i].key == key) {
			return;
		}
	}
	__real_dcd_public_key_free(key);
}

bool __wrap_dcd_public_key_verify(const struct dcd_public_key *key, const uint8_t *message, size_t message_len,
				  const uint8_t *signature, size_t signature_len)
{
	struct question question = { 3, 4 };
	ask(&question, &key, sizeof key); /* known keys live for ever, each at its own address */
	ask(&question, message, message_len);
	ask(&question, signature, signature_len);
	struct memo *memo = &memos[question.a % MEMO_SIZE];
	if (!memo->known || memo->question.a != question.a || memo->question.b != question.b) {
		memo->answer = __real_dcd_public_key_verify(key, message, message_len, signature, signature_len);
		memo->question = question;
		memo->known = true;
	} else {
		answered++;
	}
	return memo->answer;
}
