/*
 * libdecade-delta: makes images from payloads (docs/delta-library.md). Freestanding: no allocation, no operating system, no
 * globals; imports memcpy, memmove, memset and memcmp. SHA-256 and zstd come in through interfaces (base/hash.h, struct
 * dcd_decoder); libdecade-delta-host has both.
 *
 * Stack: no function calls itself and no frame's size depends on the input. A call takes at most 5 KiB on 32-bit Arm and 6 KiB on
 * 64-bit machines (gcc, -O2 or -Os), and what the functions that you give it take on top. The tests hold both.
 */
#ifndef DECADE_DELTA_H
#define DECADE_DELTA_H

#include "base/hash.h"
#include "base/reader.h"
#include "bsdiff/apply/frame.h"
#include "bsdiff/apply/image_id.h"
#include "bsdiff/apply/payload.h"

#endif
