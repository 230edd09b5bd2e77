#include "tools/repo/repo_job.h"

#include <string.h>

#include "base/hex.h"
#include "bsdiff/diff/encode.h"
#include "tools/repo/repo_text.h"

#define HEX_LENGTH (2 * DCD_HASH_SIZE)

static int effort_of(const struct repo_recipe *recipe)
{
	return recipe->effort == 0 ? 6 : recipe->effort;
}

static char *name_pair(const char *first, const struct dcd_hash *image_id, const struct repo_recipe *recipe, bool keep_packed,
		       const char *suffix)
{
	char image[DCD_HASH_HEX_SIZE], encoder[DCD_ENCODER_NAME_SIZE];
	dcd_hash_to_hex(image_id, image);
	dcd_encoder_name(encoder);
	return repo_text("%s-%s-e%d%s-%s%s", first, image, effort_of(recipe), keep_packed ? "k" : "", encoder, suffix);
}

char *repo_job_text(const struct repo_job *job)
{
	char base[DCD_HASH_HEX_SIZE];
	dcd_hash_to_hex(&job->base_table, base);
	return name_pair(base, &job->image_id, &job->recipe, job->recipe.keep_packed, "");
}

char *repo_job_result(const struct dcd_hash *base_id, const struct dcd_hash *image_id, const struct repo_recipe *recipe)
{
	char base[DCD_HASH_HEX_SIZE] = "full";
	if (base_id != NULL) {
		dcd_hash_to_hex(base_id, base);
	}
	return name_pair(base, image_id, recipe, base_id != NULL && recipe->keep_packed, ".dcp");
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

static bool take_recipe(const char **at, struct repo_recipe *ret)
{
	const char *text = *at;
	if (text[0] != 'e' || text[1] < '1' || text[1] > '9') {
		return false;
	}
	bool keep_packed = text[2] == 'k';
	if (text[2 + keep_packed] != '-') {
		return false;
	}
	*ret = (struct repo_recipe){ text[1] - '0', keep_packed };
	*at += 3 + keep_packed;
	return true;
}

int repo_job_parse(const char *text, struct repo_job *ret, struct dcd_diag *diag)
{
	struct repo_job job;
	const char *at = text;
	char encoder[DCD_ENCODER_NAME_SIZE];
	dcd_encoder_name(encoder);
	if (!take_hash(&at, &job.base_table) || !take_hash(&at, &job.image_id) || !take_recipe(&at, &job.recipe)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: is no job; `decade-repo plan` prints them", text);
	}
	if (strcmp(at, encoder) != 0) {
		return dcd_diag_set(
			diag, DCD_ERR_USAGE,
			"this job was planned for encoder %s and this is %s; both machines need the same decade-repo and zstd",
			at, encoder);
	}
	*ret = job;
	return 0;
}
