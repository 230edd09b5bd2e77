#include "tools/repo/repo_job.h"

#include <string.h>

#include "base/hex.h"
#include "bsdiff/diff/encode.h"
#include "tools/repo/repo_text.h"

#define HEX_LENGTH (2 * DCD_HASH_SIZE)

static char *name_pair(const char *first, const struct dcd_hash *image_id, int effort, const char *suffix)
{
	char image[DCD_HASH_HEX_SIZE], encoder[DCD_ENCODER_NAME_SIZE];
	dcd_hash_to_hex(image_id, image);
	dcd_encoder_name(encoder);
	return repo_text("%s-%s-e%d-%s%s", first, image, repo_job_effort(effort), encoder, suffix);
}

char *repo_job_text(const struct repo_job *job)
{
	char base[DCD_HASH_HEX_SIZE];
	dcd_hash_to_hex(&job->base_table, base);
	return name_pair(base, &job->image_id, job->effort, "");
}

char *repo_job_result(const struct dcd_hash *base_id, const struct dcd_hash *image_id, int effort)
{
	char base[DCD_HASH_HEX_SIZE] = "full";
	if (base_id != NULL) {
		dcd_hash_to_hex(base_id, base);
	}
	return name_pair(base, image_id, effort, ".dcp");
}

static bool take_hash(const char **at, struct dcd_hash *ret)
{
	char hex[DCD_HASH_HEX_SIZE] = "";
	if (strnlen(*at, HEX_LENGTH + 1) <= HEX_LENGTH || (*at)[HEX_LENGTH] != '-') {
		return false;
	}
	memcpy(hex, *at, HEX_LENGTH);
	hex[HEX_LENGTH] = '\0';
	*at += HEX_LENGTH + 1;
	return dcd_hash_from_hex(hex, ret);
}

int repo_job_parse(const char *text, struct repo_job *ret, struct dcd_diag *diag)
{
	struct repo_job job;
	const char *at = text;
	char encoder[DCD_ENCODER_NAME_SIZE];
	dcd_encoder_name(encoder);
	if (!take_hash(&at, &job.base_table) || !take_hash(&at, &job.image_id) || at[0] != 'e' || at[1] < '1' || at[1] > '9' ||
	    at[2] != '-') {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: is no job; `decade-repo plan` prints them", text);
	}
	job.effort = at[1] - '0';
	if (strcmp(at + 3, encoder) != 0) {
		return dcd_diag_set(
			diag, DCD_ERR_USAGE,
			"this job was planned for encoder %s and this is %s; both machines need the same decade-repo and zstd",
			at + 3, encoder);
	}
	*ret = job;
	return 0;
}
