/*
 * libdecade-delta: makes images from payloads (docs/delta-library.md). Freestanding: no allocation, no operating system, no
 * globals; imports memcpy, memmove, memset and memcmp. SHA-256 and zstd come in through interfaces (base/hash.h, struct
 * dcd_decoder); libdecade-delta-host has both.
 */
#ifndef DECADE_DELTA_H
#define DECADE_DELTA_H

#include "base/hash.h"
#include "base/reader.h"
#include "bsdiff/apply/frame.h"
#include "bsdiff/apply/image_id.h"
#include "bsdiff/apply/payload.h"

#endif
