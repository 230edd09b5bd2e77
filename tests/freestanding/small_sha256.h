/* SHA-256 (FIPS 180-4) in little code: what a micro-controller without a library brings along. Freestanding. */
#ifndef DCD_TESTS_FREESTANDING_SMALL_SHA256_H
#define DCD_TESTS_FREESTANDING_SMALL_SHA256_H

#include "base/hash.h"

extern const struct dcd_hash_alg small_sha256;

#endif
