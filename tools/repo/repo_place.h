/* Where a repository, its staging folder and its lock lie: beside each other, on one file system. */
#ifndef DCD_TOOLS_REPO_PLACE_H
#define DCD_TOOLS_REPO_PLACE_H

#include <stdbool.h>

#include "base/diag.h"

struct repo_place {
	char *root;    /* REPO, absolute, without links */
	char *staging; /* REPO.staging */
	char *lock;    /* REPO.lock */
	int lock_fd;   /* -1: not held */
};

/* `repo` need not exist yet, the folder that it lies in must. */
DCD_NODISCARD int repo_place_open(const char *repo, struct repo_place *ret, struct dcd_diag *diag);
void repo_place_close(struct repo_place *place);

/* Takes the writers' lock, or DCD_ERR_BUSY. It is held until the last process that inherited it ends. */
DCD_NODISCARD int repo_place_lock(struct repo_place *place, struct dcd_diag *diag);

/* True when REPO has metadata/timestamp.json. */
bool repo_place_is_repository(const struct repo_place *place);

/* DCD_ERR_USAGE when KEYS is REPO, lies in it or in its staging folder: what is in REPO is served to the world. */
DCD_NODISCARD int repo_place_check_keys(const struct repo_place *place, const char *keys, struct dcd_diag *diag);

#endif
