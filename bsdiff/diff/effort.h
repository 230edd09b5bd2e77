/* What the encoder's levels of effort mean. */
#ifndef DCD_BSDIFF_DIFF_EFFORT_H
#define DCD_BSDIFF_DIFF_EFFORT_H

#include <stdint.h>

/* Rounds of matching before the one that encodes, when there are references. */
#define DCD_SURVEYS 2

/* How hard to try, from the effort. */
struct dcd_effort {
	int full_level;           /* zstd level of full frames */
	int delta_level;          /* zstd level of delta streams: they are small, so it may be high */
	int hasty_surveys;        /* of DCD_SURVEYS the first so many look at equal blocks alone */
	unsigned patience;        /* of struct dcd_seed_finder */
	uint64_t whole_base_max;  /* bytes; a base up to this size is searched by suffix array alone */
	uint64_t suffix_text_max; /* bytes of base for one suffix array */
};

/* `effort`: 1 to 9, as in struct dcd_encode_options. */
struct dcd_effort dcd_effort_of(int effort);

#endif
