#include "tools/repo/repo_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"

#define SUFFIX ".dcp"
#define SCRATCH_PREFIX ".making-"
#define DAY_SECONDS 86400
#define COPY_BYTES (1U << 20)

int repo_cache_open(const char *folder, const char *repo, struct repo_cache *ret, struct dcd_diag *diag)
{
	struct repo_cache cache = { .folder = folder != NULL ? repo_text("%s", folder) : repo_text("%s.cache", repo),
				    .lasting = folder != NULL };
	int err = repo_file_make_folders(cache.folder, diag);
	if (err != 0) {
		repo_cache_close(&cache);
		return err;
	}
	*ret = cache;
	return 0;
}

void repo_cache_close(struct repo_cache *cache)
{
	free(cache->folder);
	cache->folder = NULL;
}

char *repo_cache_path(const struct repo_cache *cache, const char *name)
{
	return repo_text("%s/%s", cache->folder, name);
}

bool repo_cache_has(const struct repo_cache *cache, const char *name)
{
	DCD_AUTO_FREE char *path = repo_cache_path(cache, name);
	return utimensat(AT_FDCWD, path, NULL, 0) == 0 || repo_file_exists(path);
}

char *repo_cache_scratch(const struct repo_cache *cache, const char *name)
{
	static atomic_uint number;
	return repo_text("%s/" SCRATCH_PREFIX "%ld-%u-%.16s", cache->folder, (long)getpid(), atomic_fetch_add(&number, 1U), name);
}

int repo_cache_put(const struct repo_cache *cache, const char *scratch, const char *name, struct dcd_diag *diag)
{
	DCD_AUTO_FREE char *path = repo_cache_path(cache, name);
	int err = repo_file_rename(scratch, path, diag);
	return err != 0 ? err : repo_file_sync_folder(cache->folder, diag);
}

static int copy_all(int from, int to)
{
	DCD_AUTO_FREE uint8_t *buf = repo_alloc(COPY_BYTES, 1);
	for (;;) {
		ssize_t n = read(from, buf, COPY_BYTES);
		if (n <= 0) {
			return n == 0 && fsync(to) == 0 ? 0 : -1;
		}
		for (ssize_t done = 0; done < n;) {
			ssize_t written = write(to, buf + done, (size_t)(n - done));
			if (written < 0) {
				return -1;
			}
			done += written;
		}
	}
}

int repo_cache_link(const char *path, const char *to, struct dcd_diag *diag)
{
	if (link(path, to) == 0) {
		return 0;
	}
	DCD_CLEANUP(repo_file_closep) int from_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (from_fd < 0) {
		return repo_file_error(diag, "read", path);
	}
	DCD_CLEANUP(repo_file_closep) int to_fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (to_fd < 0 || copy_all(from_fd, to_fd) != 0) {
		return repo_file_error(diag, "write", to);
	}
	return 0;
}

/* ---- bounds ---- */

struct cached {
	char *path;
	uint64_t size;
	time_t used;
};

struct cached_list {
	struct cached *items;
	size_t count;
};

static bool is_ours(const char *name)
{
	size_t len = strlen(name);
	bool payload = len > sizeof SUFFIX - 1 && strcmp(name + len - (sizeof SUFFIX - 1), SUFFIX) == 0;
	return payload || strncmp(name, SCRATCH_PREFIX, sizeof SCRATCH_PREFIX - 1) == 0;
}

static void list_files(const struct repo_cache *cache, struct cached_list *ret)
{
	DIR *dir = opendir(cache->folder);
	for (struct dirent *entry = dir == NULL ? NULL : readdir(dir); entry != NULL; entry = readdir(dir)) {
		struct stat st;
		char *path = repo_cache_path(cache, entry->d_name);
		if (!is_ours(entry->d_name) || lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
			free(path);
			continue;
		}
		ret->items = repo_grow(ret->items, ret->count + 1, sizeof *ret->items);
		ret->items[ret->count++] = (struct cached){ path, (uint64_t)st.st_size, st.st_mtime };
	}
	if (dir != NULL) {
		closedir(dir);
	}
}

static int latest_first(const void *a, const void *b)
{
	const struct cached *x = a, *y = b;
	return x->used != y->used ? (x->used < y->used ? 1 : -1) : strcmp(x->path, y->path);
}

void repo_cache_tidy(const struct repo_cache *cache)
{
	struct cached_list list = { 0 };
	uint64_t sum = 0;
	time_t oldest = time(NULL) - (time_t)(cache->max_days * DAY_SECONDS);
	list_files(cache, &list);
	if (list.count > 1) {
		qsort(list.items, list.count, sizeof *list.items, latest_first);
	}
	for (size_t i = 0; i < list.count; i++) {
		struct cached *file = &list.items[i];
		sum = file->size <= UINT64_MAX - sum ? sum + file->size : UINT64_MAX;
		if (!cache->lasting || sum > cache->max_bytes || file->used < oldest) {
			(void)unlink(file->path);
		}
		free(file->path);
	}
	free(list.items);
	if (!cache->lasting) {
		(void)rmdir(cache->folder);
	}
}
