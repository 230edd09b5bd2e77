/*
 * From a log of operations to everything that a power cut may leave on the media: at each operation, each subset of what was not
 * flushed yet (all of them up to SIM_SUBSET_MAX, else prefixes, each one dropped, each one kept, and seeded samples), and torn
 * variants of single writes.
 */
#ifndef DCD_TESTS_SIM_SIM_CRASH_H
#define DCD_TESTS_SIM_SIM_CRASH_H

#include "tests/sim/sim_medium.h"

#define SIM_SUBSET_MAX 10

struct sim_traits {
	const char *name;
	size_t sector;      /* bytes that a block device writes or doesn't: 512, 4096 */
	bool nand;          /* a cut write leaves an erased or half-erased block */
	bool ordered_names; /* the file system keeps the order of names (a journal), not that of data */
	bool drive_cache;   /* see struct sim_media */
};

struct sim_crash_state {
	const struct sim_image *image;
	size_t cut;  /* operations that were begun */
	int running; /* the slot that ran */
	bool torn;
	bool promised;   /* at a mark: nothing pending may matter */
	const char *how; /* for people */
};

struct sim_crash_plan {
	const struct sim_image *start;
	const struct sim_log *log;
	const struct sim_traits *traits;
	bool sparse; /* all dropped, all kept and one tear at each operation; not every subset */
	uint64_t seed;
	/* A non-zero return stops the walk. */
	int (*visit)(void *context, const struct sim_crash_state *state);
	void *context;
};

int sim_crash_walk(const struct sim_crash_plan *plan);

#endif
