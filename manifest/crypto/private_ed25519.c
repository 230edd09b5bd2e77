/* Ed25519 keys: libsodium. The file is what OpenSSL writes: PKCS #8 (RFC 8410 §7) in PEM form. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "manifest/crypto/private_half.h"

#define SEED crypto_sign_ed25519_SEEDBYTES
static const uint8_t pkcs8_head[] = { 0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
				      0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20 };
#define PKCS8_SIZE (sizeof pkcs8_head + SEED)
static const char pem_begin[] = "-----BEGIN PRIVATE KEY-----\n";
static const char pem_end[] = "\n-----END PRIVATE KEY-----\n";

struct private_ed25519 {
	uint8_t seed[SEED];
	uint8_t public_half[crypto_sign_ed25519_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_ed25519_SECRETKEYBYTES];
};

static void ed_free(void *key)
{
	sodium_memzero(key, sizeof(struct private_ed25519));
	free(key);
}

static void *ed_from_seed(const uint8_t *seed)
{
	struct private_ed25519 *self = malloc(sizeof *self);
	if (self != NULL) {
		memcpy(self->seed, seed, SEED);
		crypto_sign_ed25519_seed_keypair(self->public_half, self->secret, seed);
	}
	return self;
}

static void *ed_generate(enum dcd_key_algorithm algorithm)
{
	(void)algorithm;
	uint8_t seed[SEED];
	if (sodium_init() < 0) {
		return NULL;
	}
	randombytes_buf(seed, sizeof seed);
	void *key = ed_from_seed(seed);
	sodium_memzero(seed, sizeof seed);
	return key;
}

static void *ed_parse(const unsigned char *pem, size_t len, enum dcd_key_algorithm *ret_algorithm)
{
	const char *begin = strstr((const char *)pem, pem_begin);
	const char *text = begin == NULL ? NULL : begin + sizeof pem_begin - 1;
	uint8_t der[PKCS8_SIZE];
	size_t der_len = 0;
	const char *end = NULL;
	if (sodium_init() < 0 || text == NULL ||
	    sodium_base642bin(der, sizeof der, text, len - (size_t)(text - (const char *)pem), "\r\n", &der_len, &end,
			      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    der_len != sizeof der || strncmp(end, pem_end + 1, sizeof pem_end - 3) != 0 ||
	    memcmp(der, pkcs8_head, sizeof pkcs8_head) != 0) {
		sodium_memzero(der, sizeof der);
		return NULL;
	}
	*ret_algorithm = DCD_KEY_ED25519;
	void *key = ed_from_seed(der + sizeof pkcs8_head);
	sodium_memzero(der, sizeof der);
	return key;
}

static int ed_write_pem(const void *key, unsigned char *pem, size_t size)
{
	const struct private_ed25519 *self = key;
	uint8_t der[PKCS8_SIZE];
	char base64[sodium_base64_ENCODED_LEN(PKCS8_SIZE, sodium_base64_VARIANT_ORIGINAL)];
	memcpy(der, pkcs8_head, sizeof pkcs8_head);
	memcpy(der + sizeof pkcs8_head, self->seed, SEED);
	sodium_bin2base64(base64, sizeof base64, der, sizeof der, sodium_base64_VARIANT_ORIGINAL);
	int len = snprintf((char *)pem, size, "%s%s%s", pem_begin, base64, pem_end);
	sodium_memzero(der, sizeof der);
	sodium_memzero(base64, sizeof base64);
	return len > 0 && (size_t)len < size ? 0 : -1;
}

static int ed_write_public(const void *key, unsigned char *text, size_t size)
{
	const struct private_ed25519 *self = key;
	return sodium_bin2hex((char *)text, size, self->public_half, sizeof self->public_half) == NULL ? -1 : 0;
}

static int ed_sign(const void *key, enum dcd_key_algorithm algorithm, const uint8_t *message, size_t message_len,
		   uint8_t *signature, size_t *ret_len)
{
	(void)algorithm;
	const struct private_ed25519 *self = key;
	*ret_len = crypto_sign_ed25519_BYTES;
	return crypto_sign_ed25519_detached(signature, NULL, message, message_len, self->secret);
}

const struct private_half dcd_private_ed25519 = {
	.generate = ed_generate,
	.parse = ed_parse,
	.write_pem = ed_write_pem,
	.write_public = ed_write_public,
	.sign = ed_sign,
	.free = ed_free,
};
