#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "manifest/sign/key_signer.h"
#include "tools/repo/repo_commands.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_publish.h"
#include "tools/repo/repo_signing.h"
#include "tools/repo/repo_supervise.h"
#include "tools/repo/repo_text.h"

struct init_work {
	struct repo_place *place;
	const struct repo_options *options;
};

/* A folder of nothing but hidden files (.gitkeep, .htaccess) is as good as an empty one. */
static int check_empty(const struct repo_place *place, struct dcd_diag *diag)
{
	DIR *dir = opendir(place->root);
	if (dir == NULL) {
		return errno == ENOENT ? 0 : repo_file_error(diag, "look into", place->root);
	}
	int err = 0;
	for (const struct dirent *entry = readdir(dir); entry != NULL && err == 0; entry = readdir(dir)) {
		if (entry->d_name[0] != '.') {
			err = dcd_diag_set(diag, DCD_ERR_EXISTS,
					   "%s is not empty (it has %s); a new repository needs a new folder", place->root,
					   entry->d_name);
		}
	}
	closedir(dir);
	return err;
}

static int make_keys_folder(const char *keys, struct dcd_diag *diag)
{
	int err = repo_file_make_parents(keys, diag);
	if (err == 0 && mkdir(keys, 0700) != 0 && errno != EEXIST) {
		err = repo_file_error(diag, "make the folder", keys);
	}
	struct stat st;
	if (err == 0 && stat(keys, &st) == 0 && (st.st_mode & 077) != 0) {
		fprintf(stderr, "decade-repo: warning: %s can be entered by others; chmod 700 it\n", keys);
	}
	return err;
}

/* A key that is there already is used: an init that was stopped half-way can simply be run again. */
static int make_key(const char *keys, enum repo_role role, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *path = repo_text("%s/%s.pem", keys, repo_role_name(role));
	if (repo_file_exists(path)) {
		printf("found   %s\n", path);
		return 0;
	}
	struct dcd_private_key *key = NULL;
	int err = dcd_private_key_generate(&key, diag);
	if (err == 0) {
		err = dcd_private_key_save(key, path, diag);
	}
	dcd_private_key_free(key);
	if (err == 0) {
		printf("made    %s\n", path);
	}
	return err;
}

static int write_root(const struct repo_signing *signing, struct repo_publish *publish, struct dcd_diag *diag)
{
	struct dcd_document_role roles[REPO_ROLES];
	for (int role = 0; role < REPO_ROLES; role++) {
		roles[role] = (struct dcd_document_role){ .name = repo_role_name((enum repo_role)role),
							  .threshold = 1,
							  .signer_count = signing->signers[role].count,
							  .signers = signing->signers[role].list };
	}
	struct dcd_document_head head;
	struct dcd_document_file file;
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
	int err = repo_signing_head(signing, REPO_ROOT, 1, &head, diag);
	if (err == 0) {
		err = dcd_document_root(&head, roles, REPO_ROLES, &document, diag);
	}
	return err == 0 ? repo_signing_write(signing, publish, REPO_ROOT, "1.root.json", document, &file, diag) : err;
}

static int write_targets(const struct repo_signing *signing, struct repo_publish *publish, const char *product,
			 struct dcd_document_file *ret, struct dcd_diag *diag)
{
	struct dcd_document_head head;
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *document = NULL;
	int err = repo_signing_head(signing, REPO_TARGETS, 1, &head, diag);
	if (err == 0) {
		err = dcd_document_targets(&head, NULL, &document, diag);
	}
	if (err == 0) {
		err = dcd_json_set_string(document, "x-decade-product", product);
	}
	return err == 0 ? repo_signing_write(signing, publish, REPO_TARGETS, "1.targets.json", document, ret, diag) : err;
}

static int init_write(const struct repo_signing *signing, struct repo_publish *publish, const struct init_work *work,
		      struct dcd_diag *diag)
{
	struct dcd_document_file targets;
	int err = write_root(signing, publish, diag);
	if (err == 0) {
		err = write_targets(signing, publish, work->options->product, &targets, diag);
	}
	if (err == 0) {
		err = repo_signing_write_upper(signing, publish, &targets, 1, 1, diag);
	}
	if (err == 0) {
		err = repo_publish_check(publish, signing->now, diag);
	}
	return err == 0 ? repo_publish_commit(publish, diag) : err;
}

static int init_work(void *context, struct dcd_diag *diag)
{
	const struct init_work *work = context;
	const char *keys = work->options->keys;
	struct repo_signing signing = { .expires_days = work->options->expires_days };
	struct repo_publish publish = { 0 };
	int err = check_empty(work->place, diag);
	if (err == 0) {
		err = repo_clock_now(&signing.now, diag);
	}
	if (err == 0) {
		err = repo_publish_begin(work->place, &publish, diag);
	}
	if (err == 0) {
		err = make_keys_folder(keys, diag);
	}
	for (int role = 0; err == 0 && role < REPO_ROLES; role++) {
		err = make_key(keys, (enum repo_role)role, diag);
		if (err == 0) {
			err = repo_signing_load(&signing, work->options, (enum repo_role)role, NULL, diag);
		}
	}
	if (err == 0) {
		err = init_write(&signing, &publish, work, diag);
	}
	if (err == 0) {
		printf("made    %s for product %s\n", work->place->root, work->options->product);
		printf("next    keep root.pem offline; put %s/metadata/1.root.json into your devices' images\n",
		       work->place->root);
	}
	repo_publish_free(&publish);
	repo_signing_free(&signing);
	return err;
}

int repo_init(struct repo_place *place, const struct repo_options *options, struct dcd_diag *diag)
{
	if (options->product == NULL) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "init needs --product NAME");
	}
	if (repo_place_is_repository(place)) {
		return dcd_diag_set(diag, DCD_ERR_EXISTS, "%s is a repository already; init never replaces one", place->root);
	}
	int err = repo_place_check_keys(place, options->keys, diag);
	struct init_work work = { place, options };
	return err == 0 ? repo_supervise(place, init_work, &work, diag) : err;
}
