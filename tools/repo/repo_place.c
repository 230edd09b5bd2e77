#include "tools/repo/repo_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"

/* The absolute path of what may not exist yet: the nearest folder that does, resolved, and the rest behind it. Null: errno. */
static char *resolve(const char *path)
{
	char resolved[PATH_MAX];
	if (realpath(path, resolved) != NULL) {
		return repo_text("%s", resolved);
	}
	if (errno != ENOENT || path[0] == '\0') {
		return NULL;
	}
	DCD_AUTO_FREE char *head = repo_text("%s", path);
	size_t len = strlen(head);
	while (len > 1 && head[len - 1] == '/') {
		head[--len] = '\0';
	}
	char *slash = strrchr(head, '/');
	const char *name = slash == NULL ? head : slash + 1;
	if (strcmp(name, "..") == 0 || strcmp(name, ".") == 0) {
		errno = ENOENT;
		return NULL;
	}
	DCD_AUTO_FREE char *last = repo_text("%s", name);
	if (slash != NULL) {
		*slash = '\0';
	}
	DCD_AUTO_FREE char *parent = resolve(slash == NULL ? "." : slash == head ? "/" : head);
	if (parent == NULL) {
		return NULL;
	}
	return repo_text("%s/%s", strcmp(parent, "/") == 0 ? "" : parent, last);
}

int repo_place_open(const char *repo, struct repo_place *ret, struct dcd_diag *diag)
{
	char *root = resolve(repo);
	if (root == NULL) {
		return repo_file_error(diag, "find", repo);
	}
	if (strcmp(root, "/") == 0) {
		free(root);
		return dcd_diag_set(diag, DCD_ERR_USAGE, "the root folder can't be a repository; name a folder below it");
	}
	*ret = (struct repo_place){
		.root = root, .staging = repo_text("%s.staging", root), .lock = repo_text("%s.lock", root), .lock_fd = -1
	};
	return 0;
}

void repo_place_close(struct repo_place *place)
{
	free(place->root);
	free(place->staging);
	free(place->lock);
	repo_file_closep(&place->lock_fd);
	*place = (struct repo_place){ .lock_fd = -1 };
}

int repo_place_lock(struct repo_place *place, struct dcd_diag *diag)
{
	int err = repo_file_make_parents(place->lock, diag);
	if (err != 0) {
		return err;
	}
	int fd = open(place->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		return repo_file_error(diag, "open the lock", place->lock);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int number = errno;
		close(fd);
		errno = number;
		if (number == EWOULDBLOCK) {
			return dcd_diag_set(diag, DCD_ERR_BUSY,
					    "%s: another decade-repo is writing; wait for it and run this again", place->root);
		}
		return repo_file_error(diag, "lock", place->lock);
	}
	place->lock_fd = fd;
	return 0;
}

bool repo_place_is_repository(const struct repo_place *place)
{
	DCD_AUTO_FREE char *path = repo_text("%s/metadata/timestamp.json", place->root);
	return repo_file_exists(path);
}

static bool lies_in(const char *path, const char *folder)
{
	size_t len = strlen(folder);
	return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

int repo_place_check_keys(const struct repo_place *place, const char *keys, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *path = resolve(keys);
	if (path == NULL) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "--keys %s: can't be found: %s", keys, strerror(errno));
	}
	if (lies_in(path, place->root) || lies_in(path, place->staging)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE,
				    "%s lies in the repository %s, which is served to the world; keep the keys outside of it",
				    keys, place->root);
	}
	return 0;
}
