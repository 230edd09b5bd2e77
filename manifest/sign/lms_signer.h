/*
 * The signer that can run out: an LMS key (RFC 8554), whose every signature uses up one of 1,024 leaves. A leaf that signs two
 * messages lets anybody forge a third, so which leaves are used must never be forgotten: not by a crash, a power cut, two
 * processes, a backup that is played back or a copy of the folder.
 *
 *  - A leaf is reserved before it signs: the state file with the next number is durable before the signature is made
 *    (dcd_dir_replace: data synced, renamed, synced again, folder synced). A cut costs a leaf, never uses one twice.
 *  - A lost, damaged or foreign state file stops the key; nothing is ever guessed.
 *  - The state says where it belongs ("place", for a folder of files: which inodes). A copy is somewhere else and is refused
 * until somebody says that it is the only one.
 *  - Whoever knows of signatures by the key (a repository is full of them) says so: a state that is behind them is an old copy.
 *
 * Not noticed: a copy of a whole disk or virtual machine, inodes included, that signs before it sees what the other one
 * published.
 */
#ifndef DCD_MANIFEST_SIGN_LMS_SIGNER_H
#define DCD_MANIFEST_SIGN_LMS_SIGNER_H

#include "base/dir.h"
#include "manifest/sign/signer.h"

#define DCD_LMS_PLACE_MAX 128 /* bytes */

/* Where the key's state lives. Implementations embed this as their first member. */
struct dcd_lms_home {
	struct dcd_dir *dir;
	const char *state_name; /* the state file's in `dir` */
	/*
	 * Before anything is read: takes the lock that keeps other processes out, and says where the key is now (printable, no
	 * spaces) and the lowest number that is certainly unused as far as others know (0: nothing is known).
	 */
	int (*enter)(struct dcd_lms_home *home, const char *keyid, char ret_place[DCD_LMS_PLACE_MAX], uint32_t *ret_unused,
		     struct dcd_diag *diag);
	void (*leave)(struct dcd_lms_home *home);
	void (*close)(struct dcd_lms_home *home);
	/* The owner's word that every other copy is gone: a state from elsewhere, or one behind what is known, is taken over. */
	bool moved;
};

/* Leaves that are left out when a state is taken over: signatures that were made but that nobody here knows of. */
#define DCD_LMS_MOVED_MARGIN 16U

/* A new key's state: nothing is used. Called once, after the key's own file is durable and before anybody knows the key. */
DCD_NODISCARD int dcd_lms_state_create(struct dcd_lms_home *home, struct dcd_diag *diag);

/*
 * A signer over a key file's bytes (lms_private.h). Takes `home` over, also on failure. `name` is copied. Its sign() gives
 * DCD_ERR_EXISTS for a copy or an old state, DCD_ERR_HOST when the key is used up or its state is gone, DCD_ERR_MALFORMED for a
 * damaged state; nothing
 * has then been signed.
 */
DCD_NODISCARD int dcd_lms_signer_new(struct dcd_lms_home *home, const uint8_t *key_file, size_t key_file_len, const char *name,
				     struct dcd_signer **ret, struct dcd_diag *diag);

/* How many signatures the key has left, as the state says now. */
DCD_NODISCARD int dcd_lms_signer_left(struct dcd_signer *signer, uint32_t *ret, struct dcd_diag *diag);

#endif
