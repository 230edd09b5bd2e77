/*
 * Signatures of the sender's choice under good keys. The first byte chooses the key, two say how long the signature is, the rest
 * is the message. What verifies must not verify for another message, nor in another spelling.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manifest/crypto/public_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char p256[] = "-----BEGIN PUBLIC KEY-----\n"
			   "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGgAzs6TUHyLo5b72O9t5fHJ/lBEe\n"
			   "pZ+mAo6PhrihrD4YFWnyhb9NfUFHwsxsWocSLRfGkL3Z+XF17zDAFudEDA==\n"
			   "-----END PUBLIC KEY-----\n";
static const char p384[] = "-----BEGIN PUBLIC KEY-----\n"
			   "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEBT02M+BZgrYRUqzjQUrjCWXNSjt0fCXe\n"
			   "X3Ra3DAfU/vCUTPe/hFwIek6g3KUalkz+fIT80sGsDdMhvD4jM9zozK3O/+PvN6i\n"
			   "VZWWy8SYT6Wx7WF2zMZM5NztaFC3R1q5\n"
			   "-----END PUBLIC KEY-----\n";
static const char ed25519[] = "37b83a4d35d0c34a7b3d97a6164fcf0b3bde709418502760be7660e919bc1d1c";
static const char rsa[] = "-----BEGIN PUBLIC KEY-----\n"
			  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAnjwmVjvxv64KkAQi+ZBW\n"
			  "4IZ2gJB0b1qZ9T8qn+MWQ4bU/USc2AoLCSEWMVjstyFzzytaXiL1J/uUh/5DOFg9\n"
			  "akUOzPJNCwzL9PRD04sS8zhupLGeJVcNwNpkoAU73CKKtGMrMfpylg0XzBHXJtm9\n"
			  "hPh3DizAPkLIQKnWAsXnOgHOjLLBDi/Z+e3OeG87VwBoN4wnZ3RmBDe2F8PqQccI\n"
			  "CVAm8vTFOHB2uxa9psRH3EOw/AAt5qGP48qUaXxvtnHKanvowD+gYp6FDL4FFIOs\n"
			  "4BsLhrDPbiJY5lOosyJrumXAIJV+31akRETtNrII/UeKZYnhfklcnYhUz74g1cQo\n"
			  "TwIDAQAB\n"
			  "-----END PUBLIC KEY-----\n";
static const char lms[] = "0000000600000004579bfeca4842005d5af3303df65fff572661b1d8fde19f3e"
			  "ed97818020a0816a41e40b708a6d5379248d89d183761471";

/* The seeds in the corpus are signatures of these keys. */
static const struct {
	const char *keytype;
	const char *scheme;
	const char *value;
} keys[] = {
	{ "ecdsa", "ecdsa-sha2-nistp256", p256 },    { "ecdsa", "ecdsa-sha2-nistp384", p384 },
	{ "ed25519", "ed25519", ed25519 },           { "rsa", "rsassa-pss-sha256", rsa },
	{ "rsa", "rsa-pkcs1v15-sha256", rsa },       { "rsa", "rsassa-pss-sha512", rsa },
	{ "lms", "lms-sha256-m32-h10-n32-w8", lms },
};
#define KEYS (sizeof keys / sizeof keys[0])

/* Parsed once: the fuzzer shall spend its time on signatures. */
static const struct dcd_public_key *key_of(size_t i)
{
	static struct dcd_public_key *parsed[KEYS];
	if (parsed[i] == NULL && dcd_public_key_parse(keys[i].keytype, keys[i].scheme, keys[i].value, &parsed[i], NULL) != 0) {
		__builtin_trap();
	}
	return parsed[i];
}

/* `data` with one more byte at its end. */
static uint8_t *longer(const uint8_t *data, size_t len)
{
	uint8_t *copy = calloc(1, len + 1);
	if (copy != NULL) {
		memcpy(copy, data, len);
	}
	return copy;
}

static void expect_one_meaning(const struct dcd_public_key *key, const uint8_t *message, size_t message_len,
			       const uint8_t *signature, size_t signature_len)
{
	DCD_AUTO_FREE uint8_t *other_message = longer(message, message_len);
	DCD_AUTO_FREE uint8_t *other_signature = longer(signature, signature_len);
	if (other_message == NULL || other_signature == NULL) {
		return;
	}
	if (dcd_public_key_verify(key, other_message, message_len + 1, signature, signature_len) ||
	    dcd_public_key_verify(key, message, message_len, other_signature, signature_len + 1) ||
	    dcd_public_key_verify(key, message, message_len, signature, signature_len - 1)) {
		__builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3) {
		return 0;
	}
	const struct dcd_public_key *key = key_of(data[0] % KEYS);
	size_t signature_len = (size_t)data[1] << 8 | data[2];
	if (signature_len > size - 3) {
		return 0;
	}
	const uint8_t *signature = data + 3;
	const uint8_t *message = signature + signature_len;
	size_t message_len = size - 3 - signature_len;
	if (dcd_public_key_verify(key, message, message_len, signature, signature_len)) {
		expect_one_meaning(key, message, message_len, signature, signature_len);
	}
	return 0;
}
