/* SHA-256 (FIPS 180-4) for base/hash.h, by the library that the build chose: cmake/DecadeSha256.cmake, one sha256_PROVIDER.c each. */
#ifndef DCD_MANIFEST_CRYPTO_SHA256_H
#define DCD_MANIFEST_CRYPTO_SHA256_H

#include "base/hash.h"

extern const struct dcd_hash_alg dcd_sha256;

#endif
