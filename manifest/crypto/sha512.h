/* SHA-512 (FIPS 180-4): not a hash of ours, but one that other repositories' metadata may name files by. */
#ifndef DCD_MANIFEST_CRYPTO_SHA512_H
#define DCD_MANIFEST_CRYPTO_SHA512_H

#include <stddef.h>
#include <stdint.h>

#define DCD_SHA512_SIZE 64

void dcd_sha512(const void *data, size_t len, uint8_t ret[DCD_SHA512_SIZE]);

#endif
