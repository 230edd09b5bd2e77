/* The base of fuzz_frame and its seeds: bytes that look like code and tables with references into a small address space. */
#ifndef DCD_TESTS_FUZZ_FUZZ_BASE_H
#define DCD_TESTS_FUZZ_FUZZ_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bsdiff/codec/packer.h"

#define FUZZ_BASE_SIZE 12288U
#define FUZZ_PACKED_AT 11264U /* two compressed blocks, each in a half of what is left, and zeros */
#define FUZZ_PACKED_LEN 2048U
#define FUZZ_SEGMENT_SIZE 4096U

/* A word of the base. Each kibibyte looks like something else that the reference filter knows. */
static inline uint32_t fuzz_base_word(uint32_t at)
{
	uint32_t mix = at * 2654435761U;
	switch (at >> 10) {
	case 0: /* x86-64: calls and rip-relative loads, every second word an opcode at its end */
		return (at & 4) != 0 ? (at & 8) != 0 ? 0xe8000000U : 0x058b4800U : mix & 0x1fff;
	case 1: /* AArch64: BL, ADRP x1, ADD x1 */
		return (at & 12) == 0   ? 0x94000000U | (mix & 0x3ff)
		       : (at & 12) == 4 ? 0x90000001U
					: 0x91000021U | (mix & 0x3ffc00);
	case 2: /* pointers */
		return (at & 4) != 0 ? 0 : 0x1000 + (mix & 0xfff);
	case 3: /* unwind entries of 16 bytes: length, distance back, code */
		return (at & 15) == 0 ? 12 : (at & 15) == 4 ? 4 + (at & 0x3ff) : 0U - (mix & 0xfff);
	case 4: /* indices */
		return mix & 0xff;
	case 5: /* jump tables */
		return 0U - 0x1000 - (mix & 0xfff);
	case 6: /* distances in both directions; every third word says what kind of type it is in */
		return (at >> 2) % 3 == 1 ? (mix >> 3) % 20 << 24 | (mix & 3) : (mix & 0x1fff) - 0x1000;
	case 8: /* T32: BL; LDR r2 of the next word, ADD r2, pc; that word; MOVW r3 */
		return (at & 12) == 0   ? 0xf800f000U | (mix & 0x1ff) << 16
		       : (at & 12) == 4 ? 0x447a4a00U
		       : (at & 12) == 8 ? mix & 0xfff
					: 0x0300f241U | (mix & 0xff) << 16;
	case 9: /* A32: BL; LDR r2 of the last word; ADD r2, pc, r2; that word */
		return (at & 12) == 0   ? 0xeb000000U | (mix & 0xff)
		       : (at & 12) == 4 ? 0xe59f2000U
		       : (at & 12) == 8 ? 0xe08f2002U
					: mix & 0xfff;
	case 10: /* RISC-V: AUIPC a0, ADDI a0, JAL, BEQ */
		return (at & 12) == 0   ? 0x00000517U | (mix & 1) << 12
		       : (at & 12) == 4 ? 0x00050513U | mix << 20
		       : (at & 12) == 8 ? 0x000000efU | (mix & 0x3ff) << 21
					: 0x00b50063U | (mix & 15) << 8;
	default: /* small numbers, whatever their width; as bytes, short strings */
		return mix & 0x07070707;
	}
}

/* What the blocks unpack to. */
static inline void fuzz_packed_text(uint8_t *text)
{
	for (uint32_t i = 0; i < FUZZ_PACKED_LEN; i++) {
		text[i] = (uint8_t)("etaoin shrdlu\n"[((i % 61) * (i % 61) >> 2 ^ i >> 8) % 14]);
	}
}

/* A block as zlib has it, and one as zstd has it; how long they are. */
static inline void fuzz_base_packed(uint8_t out[FUZZ_BASE_SIZE - FUZZ_PACKED_AT], size_t lengths[2])
{
	static const enum dcd_pack_method methods[2] = { DCD_PACK_ZLIB, DCD_PACK_ZSTD };
	static const uint32_t params[2] = { 9, 3 };
	uint8_t text[FUZZ_PACKED_LEN];
	fuzz_packed_text(text);
	memset(out, 0, FUZZ_BASE_SIZE - FUZZ_PACKED_AT);
	for (size_t i = 0; i < 2; i++) {
		size_t size = dcd_packer_memory(methods[i], params[i], sizeof text), half = (FUZZ_BASE_SIZE - FUZZ_PACKED_AT) / 2;
		void *memory = malloc(size);
		if (memory == NULL || dcd_block_packer().pack(methods[i], params[i], out + i * half, half, text, sizeof text,
							      memory, size, &lengths[i]) != 0) {
			abort();
		}
		free(memory);
	}
}

static inline void fuzz_base_fill(uint64_t offset, void *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint32_t at = (uint32_t)(offset + i);
		((uint8_t *)out)[i] = (uint8_t)(fuzz_base_word(at & ~3U) >> 8 * (at & 3));
	}
}

#endif
