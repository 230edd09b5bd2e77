/*
 * A folder of payloads that were made: what a crash, a second run or another machine need not make again. Files appear whole.
 * Nothing in it is believed: whoever publishes one makes the image from it first.
 */
#ifndef DCD_TOOLS_REPO_CACHE_H
#define DCD_TOOLS_REPO_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"

struct repo_cache {
	char *folder;
	bool lasting;       /* somebody named it with --cache; another one goes when its release is out */
	uint64_t max_bytes; /* bounds of a lasting one, kept by repo_cache_tidy() */
	uint64_t max_days;
};

/* Makes the folder where it is missing. `folder`: --cache, or null for REPO.cache. */
DCD_NODISCARD int repo_cache_open(const char *folder, const char *repo, struct repo_cache *ret, struct dcd_diag *diag);
void repo_cache_close(struct repo_cache *cache);

/* Where a file of that name is or would be (caller frees). */
char *repo_cache_path(const struct repo_cache *cache, const char *name);
/* Whether it is there; marks it as used. */
bool repo_cache_has(const struct repo_cache *cache, const char *name);
/* Where nobody else writes, in the same folder (caller frees). */
char *repo_cache_scratch(const struct repo_cache *cache, const char *name);
/* Durable, and under its name at once. What is there already under that name is replaced: it is the same. */
DCD_NODISCARD int repo_cache_put(const struct repo_cache *cache, const char *scratch, const char *name, struct dcd_diag *diag);
/* Another name for the file, or a copy where that can't be: durable. */
DCD_NODISCARD int repo_cache_link(const char *path, const char *to, struct dcd_diag *diag);

/* After a release: a cache of its own is removed; of a lasting one goes what wasn't used for long, then what was used least
 * lately. */
void repo_cache_tidy(const struct repo_cache *cache);

#endif
