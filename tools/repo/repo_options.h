/* The command line. */
#ifndef DCD_TOOLS_REPO_OPTIONS_H
#define DCD_TOOLS_REPO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "manifest/crypto/private_key.h"
#include "manifest/release/release.h"
#include "manifest/tuf/tuf.h"
#include "tools/repo/repo_job.h"
#include "tools/repo/repo_view.h"

#define REPO_KEY_OPTIONS_MAX 64
#define REPO_BASES_ALL UINT64_MAX
#define REPO_SECURITY_UNSET UINT64_MAX

struct repo_image_option {
	char *class_name;
	const char *file;
};

/* Strings belong to the command line, except the class names. */
struct repo_options {
	const char *repo;
	const char *keys;
	const char *product;
	const char *version;
	const char *channel;
	const char *requires_version;
	const char *notes;
	const char *root;
	const char *output;
	const char *file; /* of commands that take FILE REPO */
	struct repo_image_option images[DCD_RELEASE_IMAGES_MAX];
	size_t image_count;
	const char *boards[DCD_RELEASE_BOARDS_MAX];
	size_t board_count;
	uint64_t security_version; /* REPO_SECURITY_UNSET: as the newest release of the channel */
	uint64_t bases;            /* how many, or REPO_BASES_ALL */
	uint32_t segment_size;     /* bytes; 0: the default */
	struct repo_recipe recipe;
	int threads; /* 0: one a core */
	int jobs;    /* deltas at a time; 0: one */
	const char *cache;
	uint64_t cache_bytes;
	uint64_t cache_days;
	const char *scratch;
	const char **job_texts; /* of commands that take REPO and JOBs */
	size_t job_count;
	uint64_t expires_days[REPO_ROLES];
	const char **base_versions; /* owned; of --base */
	size_t base_count;
	bool no_full;
	bool deep;
	bool json;
	/* rotate, delegate */
	const char *sign_with;
	bool keys_moved;
	const char *mirrors[DCD_TUF_MIRRORS_MAX];
	size_t mirror_count;
	bool no_mirrors;
	const char *role;
	const char *name;
	enum dcd_key_algorithm algorithm;
	uint64_t threshold; /* 0: as it is */
	size_t new_keys;    /* --add, how often */
	const char *key_files[REPO_KEY_OPTIONS_MAX];
	size_t key_file_count;
	const char *removed[REPO_KEY_OPTIONS_MAX];
	size_t removed_count;
	const char *paths[REPO_KEY_OPTIONS_MAX];
	size_t path_count;
	bool replace;
	bool terminating;
};

/* argv[0] is the sub-command. `accepted`: the letters of the options that it knows (repo_options.c has them all); '2': it takes
 * FILE and REPO; '*': REPO and JOBs. */
DCD_NODISCARD int repo_options_parse(int argc, char **argv, const char *accepted, struct repo_options *ret, bool *ret_help,
				     struct dcd_diag *diag);
void repo_options_free(struct repo_options *options);

#endif
