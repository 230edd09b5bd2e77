#include "tools/repo/repo_known.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "tools/repo/repo_file.h"
#include "tools/repo/repo_text.h"

struct name_list {
	char **names;
	size_t count;
};

static void list_add(struct name_list *list, char *name)
{
	list->names = repo_grow(list->names, list->count + 1, sizeof *list->names);
	list->names[list->count++] = name;
}

static void list_free(struct name_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->names[i]);
	}
	free(list->names);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Earlier versions stay: a client that read the timestamp a moment ago still asks for them. */
static void add_metadata(const struct repo_view *view, struct name_list *list)
{
	static const enum repo_role roles[] = { REPO_ROOT, REPO_SNAPSHOT, REPO_TARGETS };
	list_add(list, repo_text("metadata/timestamp.json"));
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
		for (uint64_t version = repo_view_version(view, roles[i]); version > 0; version--) {
			list_add(list, repo_text("metadata/%llu.%s.json", (unsigned long long)version, repo_role_name(roles[i])));
		}
	}
}

static void add_delegated(const struct repo_view *view, struct name_list *list)
{
	const struct dcd_json *meta = dcd_json_member(repo_view_signed(view, REPO_SNAPSHOT), "meta");
	for (void *it = dcd_json_iter(meta); it != NULL; it = dcd_json_iter_next(meta, it)) {
		int64_t version = dcd_json_integer(dcd_json_member(dcd_json_iter_value(it), "version"));
		for (; strcmp(dcd_json_iter_key(it), "targets.json") != 0 && version > 0; version--) {
			list_add(list, repo_text("metadata/%lld.%s", (long long)version, dcd_json_iter_key(it)));
		}
	}
}

static int add_target(void *context, const struct dcd_tuf_target *target)
{
	list_add(context, repo_view_target_file(target));
	return 0;
}

static void add_payloads(const struct dcd_release *release, struct name_list *list)
{
	for (size_t i = 0; i < release->image_count; i++) {
		for (size_t p = 0; p < release->images[i].payload_count; p++) {
			char path[DCD_RELEASE_PAYLOAD_PATH_SIZE];
			dcd_release_payload_path(&release->images[i].payloads[p], path);
			list_add(list, repo_text("targets/%s", path));
		}
	}
}

static int walk(const char *root, const struct name_list *list, size_t *ret_unknown, struct dcd_diag *diag)
{
	char *const roots[] = { (char *)(uintptr_t)root, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if (tree == NULL) {
		return repo_file_error(diag, "look into", root);
	}
	size_t unknown = 0;
	for (FTSENT *entry = fts_read(tree); entry != NULL; entry = fts_read(tree)) {
		if (entry->fts_info == FTS_D || entry->fts_info == FTS_DP) {
			continue;
		}
		const char *relative = entry->fts_path + strlen(root) + 1;
		if (bsearch(&relative, list->names, list->count, sizeof *list->names, by_name) == NULL) {
			fprintf(stderr, "decade-repo: warning: %s: nothing that is signed names this file\n", relative);
			unknown++;
		}
	}
	fts_close(tree);
	*ret_unknown = unknown;
	return 0;
}

int repo_known_warn(const struct repo_view *view, size_t *ret_unknown, struct dcd_diag *diag)
{
	struct name_list list = { 0 };
	add_metadata(view, &list);
	add_delegated(view, &list);
	int err = dcd_tuf_each_target(view->tuf, add_target, &list);
	for (size_t i = 0; i < view->release_count; i++) {
		add_payloads(view->releases[i].release, &list);
	}
	qsort(list.names, list.count, sizeof *list.names, by_name);
	if (err == 0) {
		err = walk(view->source.root, &list, ret_unknown, diag);
	}
	list_free(&list);
	return err;
}
