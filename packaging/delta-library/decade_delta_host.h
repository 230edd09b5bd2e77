/* libdecade-delta-host: makes payloads (docs/delta-library.md), and brings SHA-256 and zstd. */
#ifndef DECADE_DELTA_HOST_H
#define DECADE_DELTA_HOST_H

#include "bsdiff/codec/zstd_decode.h"
#include "bsdiff/diff/encode.h"
#include "manifest/crypto/sha256.h"

#endif
