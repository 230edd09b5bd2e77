/*
 * One kind of private key behind private_key.c: what mbedTLS can sign with, and Ed25519. Internal to manifest/crypto; host only.
 */
#ifndef DCD_MANIFEST_CRYPTO_PRIVATE_HALF_H
#define DCD_MANIFEST_CRYPTO_PRIVATE_HALF_H

#include "manifest/crypto/private_key.h"

#define PRIVATE_PEM_MAX 16384 /* bytes */

struct private_half {
	/* Both return null without a sentence when it isn't that kind, or can't be made. */
	void *(*generate)(enum dcd_key_algorithm algorithm);
	void *(*parse)(const unsigned char *pem, size_t len, enum dcd_key_algorithm *ret_algorithm); /* pem[len] is NUL */
	/* Both write text with a NUL; non-zero when it doesn't fit. */
	int (*write_pem)(const void *key, unsigned char *pem, size_t size);
	int (*write_public)(const void *key, unsigned char *text, size_t size);
	int (*sign)(const void *key, enum dcd_key_algorithm algorithm, const uint8_t *message, size_t message_len,
		    uint8_t *signature, size_t *ret_len);
	void (*free)(void *key);
};

extern const struct private_half dcd_private_pk;
extern const struct private_half dcd_private_ed25519;

#endif
