/* LMS keys in a folder of keys: KEYS/NAME.lms, and beside it NAME.lms.state, which counts what it has signed. */
#ifndef DCD_TOOLS_REPO_LMS_H
#define DCD_TOOLS_REPO_LMS_H

#include "manifest/sign/signer.h"

/* The end of such a file's name. */
#define REPO_LMS_SUFFIX ".lms"

struct repo_lms_options {
	const char *repository; /* a repository that may show what the key has signed, or null */
	bool moved;             /* --keys-moved */
};

/* The key file `path`. Opening it says nothing of whether it may sign: each signature finds that out. */
DCD_NODISCARD int repo_lms_open(const char *path, const struct repo_lms_options *options, struct dcd_signer **ret,
				struct dcd_diag *diag);

/* A new key and its state in `folder`, both durable: FOLDER/NAME-<12 digits of its id>.lms. Takes seconds. `*ret_path` is freed
 * by the caller. */
DCD_NODISCARD int repo_lms_make(const char *folder, const char *name, const struct repo_lms_options *options,
				struct dcd_signer **ret, char **ret_path, struct dcd_diag *diag);

/* Says on stderr when one of these signers is nearly used up. Other signers are left alone. */
void repo_lms_warn(struct dcd_signer *signer);

#endif
