#include "tools/repo/repo_publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"
#include "tools/repo/repo_view.h"

#define LIST_MAX (64U << 20)
#define TIMESTAMP "metadata/timestamp.json"

static char *list_path(const struct repo_place *place)
{
	return repo_text("%s/publish.list", place->staging);
}

char *repo_publish_path(const struct repo_publish *publish, const char *relative)
{
	return repo_text("%s/new/%s", publish->place->staging, relative);
}

char *repo_publish_scratch(const struct repo_publish *publish, const char *name)
{
	return repo_text("%s/scratch/%s", publish->place->staging, name);
}

/* ---- recovery ---- */

/* One listed file: ours to remove from REPO when it has left the staging folder. */
static int undo_file(const struct repo_place *place, const char *relative, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *staged = repo_text("%s/new/%s", place->staging, relative);
	if (repo_file_exists(staged)) {
		return 0;
	}
	DCD_AUTO_FREE char *published = repo_text("%s/%s", place->root, relative);
	if (unlink(published) != 0 && errno != ENOENT && errno != ENOTDIR) {
		return repo_file_error(diag, "remove what an interrupted run had added", published);
	}
	return 0;
}

static void undo_folder(const struct repo_place *place, const char *relative)
{
	DCD_AUTO_FREE char *folder = repo_text("%s/%s", place->root, relative);
	/* Not empty: somebody else's files are in it, and it stays. */
	(void)rmdir(folder);
}

/* Folders were listed first, parents before children; undone from the end, each is empty when its turn comes. */
static int undo_list(const struct repo_place *place, char *list, struct dcd_diag *diag)
{
	size_t len = strlen(list);
	while (len > 0) {
		list[--len] = '\0';
		char *line = strrchr(list, '\n');
		line = line == NULL ? list : line + 1;
		len = (size_t)(line - list);
		int err = 0;
		if (strncmp(line, "file ", 5) == 0) {
			err = undo_file(place, line + 5, diag);
		} else if (strncmp(line, "folder ", 7) == 0) {
			undo_folder(place, line + 7);
		}
		if (err != 0) {
			return err;
		}
	}
	return 0;
}

/* Removed folders and files are durable before the list that knows of them goes. */
static int sync_repository(const struct repo_place *place, struct dcd_diag *diag)
{
	static const char *const folders[] = { "/targets/payloads", "/targets/releases", "/targets", "/metadata", "" };
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		DCD_AUTO_FREE char *folder = repo_text("%s%s", place->root, folders[i]);
		int err = repo_file_exists(folder) ? repo_file_sync_folder(folder, diag) : 0;
		if (err != 0) {
			return err;
		}
	}
	return repo_file_sync_parent(place->root, diag);
}

static int undo_publish(const struct repo_place *place, const char *list_file, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *list = NULL;
	size_t len = 0;
	int err = repo_file_load(list_file, LIST_MAX, &list, &len, diag);
	if (err == 0) {
		err = undo_list(place, list, diag);
	}
	if (err == 0) {
		err = sync_repository(place, diag);
	}
	return err;
}

int repo_publish_recover(const struct repo_place *place, enum repo_leftover *ret, struct dcd_diag *diag)
{
	if (!repo_file_exists(place->staging)) {
		*ret = REPO_LEFTOVER_NONE;
		return 0;
	}
	enum repo_leftover leftover = REPO_LEFTOVER_REMOVED;
	DCD_AUTO_FREE char *list_file = list_path(place);
	if (repo_file_exists(list_file)) {
		DCD_AUTO_FREE char *timestamp = repo_text("%s/new/" TIMESTAMP, place->staging);
		if (!repo_file_exists(timestamp)) {
			leftover = REPO_LEFTOVER_COMMITTED;
		} else {
			int err = undo_publish(place, list_file, diag);
			if (err != 0) {
				return err;
			}
		}
		/* The list goes first: what is left of the staging folder then means nothing. */
		if (unlink(list_file) != 0) {
			return repo_file_error(diag, "remove", list_file);
		}
	}
	int err = repo_file_remove_tree(place->staging, diag);
	if (err == 0) {
		*ret = leftover;
	}
	return err;
}

/* ---- preparing ---- */

/* A rename can't cross file systems: said before an hour of encoding, not after it. */
static int check_file_system(const struct repo_place *place, struct dcd_diag *diag)
{
	struct stat root;
	struct stat staging;
	if (stat(place->root, &root) == 0 && stat(place->staging, &staging) == 0 && root.st_dev != staging.st_dev) {
		return dcd_diag_set(
			diag, DCD_ERR_USAGE,
			"%s is a mount point, so nothing beside it can be moved into it; use a folder below it as the repository",
			place->root);
	}
	return 0;
}

int repo_publish_begin(const struct repo_place *place, struct repo_publish *ret, struct dcd_diag *diag)
{
	struct repo_publish publish = { .place = place };
	int err = repo_file_make_folders(place->staging, diag);
	if (err == 0 && chmod(place->staging, 0700) != 0) {
		err = repo_file_error(diag, "make private", place->staging);
	}
	if (err == 0) {
		err = check_file_system(place, diag);
	}
	static const char *const folders[] = { "new/metadata", "new/targets/releases", "new/targets/payloads", "scratch" };
	for (size_t i = 0; err == 0 && i < sizeof folders / sizeof folders[0]; i++) {
		DCD_AUTO_FREE char *folder = repo_text("%s/%s", place->staging, folders[i]);
		err = repo_file_make_folders(folder, diag);
	}
	if (err == 0) {
		*ret = publish;
	}
	return err;
}

void repo_publish_add(struct repo_publish *publish, const char *relative)
{
	publish->paths = repo_grow(publish->paths, publish->count + 1, sizeof *publish->paths);
	publish->paths[publish->count++] = repo_text("%s", relative);
}

int repo_publish_write(struct repo_publish *publish, const char *relative, const void *data, size_t len, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *path = repo_publish_path(publish, relative);
	int err = repo_file_make_parents(path, diag);
	if (err == 0) {
		err = repo_file_write(path, data, len, diag);
	}
	if (err == 0) {
		repo_publish_add(publish, relative);
	}
	return err;
}

void repo_publish_free(struct repo_publish *publish)
{
	for (size_t i = 0; i < publish->count; i++) {
		free(publish->paths[i]);
	}
	free(publish->paths);
	*publish = (struct repo_publish){ 0 };
}

/* ---- the publish ---- */

int repo_publish_check(const struct repo_publish *publish, int64_t now, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *over = repo_publish_path(publish, "");
	over[strlen(over) - 1] = '\0';
	DCD_CLEANUP(repo_view_closep) struct repo_view *view = NULL;
	int err = repo_view_open(publish->place, over, NULL, now, &view, diag);
	if (err == 0) {
		err = repo_view_load_releases(view, diag);
	}
	if (err == 0 && dcd_tuf_stale(view->tuf) != NULL) {
		/* Said, not refused: devices that only report expiry can still be served. */
		fprintf(stderr, "decade-repo: warning: %s; devices that enforce expiry refuse this repository\n",
			dcd_tuf_stale(view->tuf));
	}
	return err == 0 ? 0 : dcd_diag_prefix(diag, err, "what would be published doesn't verify");
}

static int write_list(const struct repo_publish *publish, struct dcd_diag *diag)
{
	static const char *const folders[] = { "", "metadata", "targets", "targets/payloads", "targets/releases" };
	char *text = repo_text("%s", "");
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		DCD_AUTO_FREE char *folder = repo_text("%s/%s", publish->place->root, folders[i]);
		if (!repo_file_exists(folder)) {
			char *longer = repo_text("%sfolder %s\n", text, folders[i]);
			free(text);
			text = longer;
		}
	}
	for (size_t i = 0; i < publish->count; i++) {
		char *longer = repo_text("%sfile %s\n", text, publish->paths[i]);
		free(text);
		text = longer;
	}
	DCD_AUTO_FREE char *list = list_path(publish->place);
	DCD_AUTO_FREE char *unfinished = repo_publish_scratch(publish, "publish.list");
	int err = repo_file_write(unfinished, text, strlen(text), diag);
	free(text);
	if (err == 0) {
		err = repo_file_rename(unfinished, list, diag);
	}
	return err == 0 ? repo_file_sync_moved(list, diag) : err;
}

/* Only timestamp.json is ever replaced. Anything else that has one of our names is not ours to touch. */
static int check_ways(const struct repo_publish *publish, struct dcd_diag *diag)
{
	for (size_t i = 0; i + 1 < publish->count; i++) {
		DCD_AUTO_FREE char *path = repo_text("%s/%s", publish->place->root, publish->paths[i]);
		if (repo_file_exists(path)) {
			return dcd_diag_set(diag, DCD_ERR_EXISTS,
					    "%s is in the way: no signed metadata names it; move it away and run this again",
					    path);
		}
	}
	return 0;
}

static int make_folders(const struct repo_publish *publish, struct dcd_diag *diag)
{
	static const char *const folders[] = { "metadata", "targets/payloads", "targets/releases" };
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		DCD_AUTO_FREE char *folder = repo_text("%s/%s", publish->place->root, folders[i]);
		int err = repo_file_make_folders(folder, diag);
		if (err != 0) {
			return err;
		}
	}
	return sync_repository(publish->place, diag);
}

static int move_one(const struct repo_publish *publish, size_t index, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *from = repo_publish_path(publish, publish->paths[index]);
	DCD_AUTO_FREE char *to = repo_text("%s/%s", publish->place->root, publish->paths[index]);
	return repo_file_rename(from, to, diag);
}

static int sync_one(const struct repo_publish *publish, size_t index, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *path = repo_text("%s/%s", publish->place->root, publish->paths[index]);
	return repo_file_sync_content(path, diag);
}

int repo_publish_commit(struct repo_publish *publish, struct dcd_diag *diag)
{
	/* A single file needs no commit: its rename is one. */
	if (publish->count == 0 || (publish->count > 1 && strcmp(publish->paths[publish->count - 1], TIMESTAMP) != 0)) {
		return dcd_diag_set(diag, DCD_ERR_BUG, "a publish of several files must end with " TIMESTAMP);
	}
	int err = check_ways(publish, diag);
	if (err == 0) {
		err = write_list(publish, diag);
	}
	if (err == 0) {
		err = make_folders(publish, diag);
	}
	for (size_t i = 0; err == 0 && i + 1 < publish->count; i++) {
		err = move_one(publish, i, diag);
	}
	/* When all are moved: a file system with a journal then has them all in one commit. */
	for (size_t i = 0; err == 0 && i + 1 < publish->count; i++) {
		err = sync_one(publish, i, diag);
	}
	/* All that the new timestamp leads to is durable before the timestamp is there to lead to it. */
	if (err == 0) {
		err = sync_repository(publish->place, diag);
	}
	if (err == 0) {
		err = move_one(publish, publish->count - 1, diag);
	}
	if (err == 0) {
		err = sync_one(publish, publish->count - 1, diag);
	}
	if (err == 0) {
		DCD_AUTO_FREE char *metadata = repo_text("%s/metadata", publish->place->root);
		err = repo_file_sync_folder(metadata, diag);
	}
	return err;
}
