/* The folder of private keys, and a command for those that live elsewhere: who can sign for a role. */
#ifndef DCD_TOOLS_REPO_KEYS_H
#define DCD_TOOLS_REPO_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "manifest/sign/signer.h"
#include "tools/repo/repo_lms.h"

#define REPO_SIGNERS_MAX 256 /* keys of a role */

/* Some of the pool's signers. They belong to it. */
struct repo_signers {
	struct dcd_signer *list[REPO_SIGNERS_MAX];
	size_t count;
};

struct repo_keys {
	const char *folder;
	const char *sign_with; /* a command line (manifest/sign/command_signer.h), or null */
	struct repo_lms_options lms;
	bool scanned;
	struct dcd_signer **pool;
	size_t pool_count;
	char *unreadable; /* a PEM file in the folder that is no key for us, or null */
};

/* One certain file of the folder, whatever it is for. */
DCD_NODISCARD int repo_keys_load_file(struct repo_keys *keys, const char *path, struct dcd_signer **ret, struct dcd_diag *diag);

/* Takes the signer over; returns it, or the one with that key id that was there already. */
struct dcd_signer *repo_keys_add(struct repo_keys *keys, struct dcd_signer *signer);

/*
 * Adds to `ret` every key that `role` ({"keyids","threshold"}) lists and whose private half is in a *.pem or *.lms file of the
 * folder; where those are fewer than the threshold, as many as it takes of the others, by the command. DCD_ERR_SIGNATURE when it
 * stays below the threshold. `name` is the role's.
 */
DCD_NODISCARD int repo_keys_for_role(struct repo_keys *keys, const struct dcd_json *key_map, const struct dcd_json *role,
				     const char *name, struct repo_signers *ret, struct dcd_diag *diag);

void repo_keys_free(struct repo_keys *keys);

#endif
