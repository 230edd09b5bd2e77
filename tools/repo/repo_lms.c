#include "tools/repo/repo_lms.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "manifest/sign/lms_private.h"
#include "manifest/sign/lms_signer.h"
#include "manifest/tuf/tuf.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"
#include "updater/journal/dir_posix.h"

#define WARN_LEFT 32U

struct folder_home {
	struct dcd_lms_home base;
	char *path; /* of the key file */
	char *repository;
	int lock; /* while a leaf is reserved: the key file itself, which never changes */
};

/* ---- where a key is ---- */

/*
 * The key file's inode and the time that it was made: a copy, a restored backup and a synchronised folder have others. The
 * device's number is left out, because it changes from boot to boot.
 */
static int place_of(int fd, const char *path, char ret[DCD_LMS_PLACE_MAX], struct dcd_diag *diag)
{
	struct statx st;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) != 0) {
		return repo_file_error(diag, "look at", path);
	}
	bool born = (st.stx_mask & STATX_BTIME) != 0;
	(void)snprintf(ret, DCD_LMS_PLACE_MAX, "inode-%" PRIu64 "-made-%lld.%u", (uint64_t)st.stx_ino,
		       born ? (long long)st.stx_btime.tv_sec : 0LL, born ? st.stx_btime.tv_nsec : 0U);
	return 0;
}

/* ---- what is published ---- */

/* The leaf of each signature by the key; *unused ends above the highest. */
static void note_signatures(const struct dcd_json *signatures, const char *keyid, uint32_t *unused)
{
	for (size_t i = 0; i < dcd_json_count(signatures); i++) {
		const struct dcd_json *one = dcd_json_item(signatures, i);
		const char *id = dcd_json_string(dcd_json_member(one, "keyid"));
		const char *hex = dcd_json_string(dcd_json_member(one, "sig"));
		uint8_t q[4];
		if (id != NULL && hex != NULL && strcmp(id, keyid) == 0 && strlen(hex) >= 8 && dcd_hex_decode(hex, 8, q)) {
			uint32_t leaf = (uint32_t)q[0] << 24 | (uint32_t)q[1] << 16 | (uint32_t)q[2] << 8 | q[3];
			*unused = leaf < 1U << DCD_LMS_HEIGHT_MAX && leaf + 1 > *unused ? leaf + 1 : *unused;
		}
	}
}

/* A repository keeps every metadata file but old timestamps, so it is a second memory. What can't be read tells nothing. */
static void look_into(const char *repository, const char *keyid, uint32_t *unused)
{
	DCD_AUTO_FREE char *folder = repo_text("%s/metadata", repository);
	DIR *dir = opendir(folder);
	for (const struct dirent *entry = dir == NULL ? NULL : readdir(dir); entry != NULL; entry = readdir(dir)) {
		DCD_AUTO_FREE char *path = repo_text("%s/%s", folder, entry->d_name);
		DCD_AUTO_FREE char *text = NULL;
		DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
		size_t len = 0;
		if (entry->d_name[0] != '.' && repo_file_load(path, DCD_TUF_TARGETS_MAX, &text, &len, NULL) == 0 &&
		    strstr(text, keyid) != NULL && dcd_json_parse((const uint8_t *)text, len, path, &document, NULL) == 0) {
			note_signatures(dcd_json_member(document, "signatures"), keyid, unused);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
}

/* ---- the home ---- */

static int home_enter(struct dcd_lms_home *base, const char *keyid, char ret_place[DCD_LMS_PLACE_MAX], uint32_t *ret_unused,
		      struct dcd_diag *diag)
{
	struct folder_home *home = (struct folder_home *)base;
	int fd = open(home->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		return repo_file_error(diag, "open", home->path);
	}
	while (flock(fd, LOCK_EX) != 0) {
		if (errno != EINTR) {
			int err = repo_file_error(diag, "lock", home->path);
			close(fd);
			return err;
		}
	}
	int err = place_of(fd, home->path, ret_place, diag);
	if (err != 0) {
		close(fd);
		return err;
	}
	home->lock = fd;
	if (home->repository != NULL && keyid[0] != '\0') {
		look_into(home->repository, keyid, ret_unused);
	}
	return 0;
}

static void home_leave(struct dcd_lms_home *base)
{
	repo_file_closep(&((struct folder_home *)base)->lock);
	((struct folder_home *)base)->lock = -1;
}

static void home_close(struct dcd_lms_home *base)
{
	struct folder_home *home = (struct folder_home *)base;
	if (home->base.dir != NULL) {
		home->base.dir->ops->close(home->base.dir);
	}
	free((char *)(uintptr_t)home->base.state_name);
	free(home->path);
	free(home->repository);
	free(home);
}

static int home_open(const char *path, const struct repo_lms_options *options, struct dcd_lms_home **ret, struct dcd_diag *diag)
{
	const char *slash = strrchr(path, '/');
	DCD_AUTO_FREE char *folder = slash == NULL ? repo_text(".") : repo_text("%.*s", (int)(slash - path), path);
	struct folder_home *home = repo_alloc(1, sizeof *home);
	*home = (struct folder_home){ .base = { .state_name = repo_text("%s.state", slash == NULL ? path : slash + 1),
						.enter = home_enter,
						.leave = home_leave,
						.close = home_close,
						.moved = options->moved },
				      .path = repo_text("%s", path),
				      .repository = options->repository == NULL ? NULL : repo_text("%s", options->repository),
				      .lock = -1 };
	int err = dcd_dir_posix_open(folder[0] == '\0' ? "/" : folder, &home->base.dir, diag);
	if (err != 0) {
		home_close(&home->base);
		return err;
	}
	*ret = &home->base;
	return 0;
}

/* ---- keys ---- */

int repo_lms_open(const char *path, const struct repo_lms_options *options, struct dcd_signer **ret, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *data = NULL;
	size_t len = 0;
	struct dcd_lms_home *home = NULL;
	int err = repo_file_load(path, DCD_LMS_KEY_FILE_SIZE, &data, &len, diag);
	if (err == 0) {
		err = home_open(path, options, &home, diag);
	}
	if (err == 0) {
		err = dcd_lms_signer_new(home, (const uint8_t *)data, len, path, ret, diag);
	}
	if (data != NULL) {
		explicit_bzero(data, len);
	}
	return err;
}

/* The key is durable under its name before its state is there, and without a state it doesn't sign. */
static int finish_key(const char *unfinished, const char *folder, const char *name, const struct repo_lms_options *options,
		      struct dcd_signer **ret, char **ret_path, struct dcd_diag *diag)
{
	struct dcd_signer *signer = NULL;
	struct dcd_lms_home *home = NULL;
	int err = repo_lms_open(unfinished, options, &signer, diag);
	if (err != 0) {
		return err;
	}
	DCD_AUTO_FREE char *path = repo_text("%s/%s-%.12s" REPO_LMS_SUFFIX, folder, name, signer->keyid);
	dcd_signer_close(signer);
	err = repo_file_rename(unfinished, path, diag);
	if (err == 0) {
		err = repo_file_sync_moved(path, diag);
	}
	if (err == 0) {
		err = home_open(path, options, &home, diag);
	}
	if (err == 0) {
		err = dcd_lms_state_create(home, diag);
		home->close(home);
	}
	if (err == 0) {
		err = repo_lms_open(path, options, ret, diag);
	}
	if (err == 0) {
		*ret_path = path;
		path = NULL;
	}
	return err;
}

int repo_lms_make(const char *folder, const char *name, const struct repo_lms_options *options, struct dcd_signer **ret,
		  char **ret_path, struct dcd_diag *diag)
{
	struct dcd_lms_private *key = NULL;
	DCD_AUTO_FREE char *unfinished = repo_text("%s/%s.new-key", folder, name);
	int err = dcd_lms_private_generate(&key, diag);
	if (err == 0) {
		(void)remove(unfinished);
		err = dcd_lms_private_save(key, unfinished, diag);
	}
	dcd_lms_private_free(key);
	return err == 0 ? finish_key(unfinished, folder, name, options, ret, ret_path, diag) : err;
}

void repo_lms_warn(struct dcd_signer *signer)
{
	size_t len = strlen(signer->name);
	size_t suffix = sizeof REPO_LMS_SUFFIX - 1;
	uint32_t left = 0;
	if (len > suffix && strcmp(signer->name + len - suffix, REPO_LMS_SUFFIX) == 0 &&
	    dcd_lms_signer_left(signer, &left, NULL) == 0 && left <= WARN_LEFT) {
		fprintf(stderr,
			"decade-repo: warning: %s has %" PRIu32 " signatures left; rotate to a new key before they are used\n",
			signer->name, left);
	}
}
