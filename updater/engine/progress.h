/* How the engine tells what it is doing: numbers only; what a person sees of them is the program's affair. */
#ifndef DCD_UPDATER_ENGINE_PROGRESS_H
#define DCD_UPDATER_ENGINE_PROGRESS_H

#include <stdint.h>

enum dcd_stage {
	DCD_STAGE_CHECKING, /* metadata and manifest */
	DCD_STAGE_SCANNING, /* hashing what the target slot already has */
	DCD_STAGE_WRITING,  /* fetching, decoding, writing, reading back */
};

struct dcd_progress {
	enum dcd_stage stage;
	uint64_t done;    /* bytes of the images, in this stage */
	uint64_t total;   /* bytes of the images, in this stage */
	uint64_t fetched; /* payload bytes received since the install began */
	uint64_t planned; /* payload bytes that the whole install takes */
	uint64_t full;    /* payload bytes that full images would take: full - planned is what is saved */
};

struct dcd_progress_port {
	/* May be null. A non-zero return asks the engine to stop; it then ends with DCD_ERR_CANCELLED. */
	int (*report)(void *context, const struct dcd_progress *progress);
	void *context;
};

#endif
