/* A small linked program of the tests' own making: code that calls, tables that point, unwind entries; and a later build of it.
 */
#ifndef DCD_TESTS_UNIT_PROGRAM_FIXTURE_H
#define DCD_TESTS_UNIT_PROGRAM_FIXTURE_H

#include <string.h>

#include "base/le.h"

#define PROGRAM_FUNCTIONS 400U
#define PROGRAM_CODE 0x1000U
#define PROGRAM_DATA 0x20000U
#define PROGRAM_SIZE 0x28000U

/* Writes PROGRAM_SIZE bytes: an ELF shared object without section headers. Functions from the `grown`th on lie 16 bytes further.
 */
static inline void program_make(uint8_t *out, unsigned grown)
{
	memset(out, 0, PROGRAM_SIZE);
	memcpy(out, "\177ELF\2\1\1", 7);
	dcd_le16_put(out + 16, 3);
	dcd_le16_put(out + 18, 62);
	dcd_le32_put(out + 32, 64);
	dcd_le16_put(out + 54, 56);
	dcd_le16_put(out + 56, 2);
	const uint32_t loads[2][3] = { { 5, PROGRAM_CODE, PROGRAM_DATA - PROGRAM_CODE },
				       { 6, PROGRAM_DATA, PROGRAM_SIZE - PROGRAM_DATA } };
	for (size_t i = 0; i < 2; i++) {
		uint8_t *header = out + 64 + 56 * i;
		dcd_le32_put(header, 1);
		dcd_le32_put(header + 4, loads[i][0]);
		dcd_le32_put(header + 8, loads[i][1]);
		dcd_le32_put(header + 16, loads[i][1]);
		dcd_le32_put(header + 32, loads[i][2]);
		dcd_le32_put(header + 40, loads[i][2]);
	}
	uint32_t place[PROGRAM_FUNCTIONS];
	for (unsigned f = 0; f < PROGRAM_FUNCTIONS; f++) {
		place[f] = PROGRAM_CODE + 256 * f + (f >= grown ? 16 : 0);
		dcd_le32_put(out + PROGRAM_DATA + 8 * f, place[f]);
	}
	for (unsigned f = 0; f < PROGRAM_FUNCTIONS; f++) {
		uint32_t mix = f * 2654435761U;
		for (uint32_t at = place[f]; at < place[f] + 240; at += 12) {
			uint32_t callee = place[(mix >> 8) % PROGRAM_FUNCTIONS];
			mix = mix * 1664525U + 1013904223U;
			dcd_le32_put(out + at, mix | 0x90); /* no opcode that the filter knows, as a rule */
			out[at + 3] = 0x50;
			out[at + 4] = 0xe8;
			dcd_le32_put(out + at + 5, callee - (at + 9));
			out[at + 9] = 0x55;
		}
	}
}

#endif
