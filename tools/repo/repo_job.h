/*
 * The making of one delta as a job that any machine can do: how it is written down, and what its result is called. The same job
 * gives the same bytes wherever it is done.
 */
#ifndef DCD_TOOLS_REPO_JOB_H
#define DCD_TOOLS_REPO_JOB_H

#include <stdbool.h>

#include "base/diag.h"
#include "base/hash.h"

/* What the bytes of a payload depend on beside its images and the encoder. */
struct repo_recipe {
	int effort;       /* 1..9; 0: the default */
	bool keep_packed; /* compressed blocks are taken as they are, in deltas */
};

struct repo_job {
	struct dcd_hash base_table; /* names the base's full payload: REPO/targets/payloads/<this>.dcp */
	struct dcd_hash image_id;   /* the new image, whose full payload is in the cache */
	struct repo_recipe recipe;
};

/* "<base table>-<image id>-e6-1-zstd1.5.4", "e6k" with keep_packed: one word, of letters, digits, '.' and '-'. The caller frees.
 */
char *repo_job_text(const struct repo_job *job);
/* DCD_ERR_USAGE for what is no job, or one of another encoder: its bytes would be others. */
DCD_NODISCARD int repo_job_parse(const char *text, struct repo_job *ret, struct dcd_diag *diag);

/*
 * What the cache calls the delta from `base_id`, or the full payload (null), of an image: everything that the bytes depend on.
 * (The segment size is in the image id. A full payload is the same with keep_packed and without.) The caller frees.
 */
char *repo_job_result(const struct dcd_hash *base_id, const struct dcd_hash *image_id, const struct repo_recipe *recipe);

#endif
