#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/repo/repo_file.h"
#include "tools/repo/repo_publish.h"
#include "tools/repo/repo_text.h"

/* A repository of two files in a folder of its own. */
struct fixture {
	char folder[64];
	struct repo_place place;
};

static void put(const char *folder, const char *relative, const char *text)
{
	char *path = repo_text("%s/%s", folder, relative);
	assert_int_equal(repo_file_make_parents(path, NULL), 0);
	assert_int_equal(repo_file_write(path, text, strlen(text), NULL), 0);
	free(path);
}

static bool has(const char *folder, const char *relative, const char *text)
{
	char *path = repo_text("%s/%s", folder, relative);
	char *data = NULL;
	size_t len = 0;
	bool same = repo_file_load(path, 1000, &data, &len, NULL) == 0 && strcmp(data, text) == 0;
	free(data);
	free(path);
	return same;
}

#define SYNCS_MAX 64

/* What was synced, by the name that it had then. */
static char synced[SYNCS_MAX][256];
static size_t sync_count;

/* In place of the C library's. */
int fsync(int fd)
{
	char link[64];
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	assert_true(sync_count < SYNCS_MAX);
	ssize_t len = readlink(link, synced[sync_count], sizeof synced[0] - 1);
	synced[sync_count++][len < 0 ? 0 : len] = '\0';
	return (int)syscall(SYS_fsync, fd);
}

/* When it was synced last, or SYNCS_MAX. */
static size_t when_synced(const char *folder, const char *relative)
{
	char *path = repo_text("%s/%s", folder, relative);
	size_t at = SYNCS_MAX;
	for (size_t i = 0; i < sync_count; i++) {
		at = strcmp(synced[i], path) == 0 ? i : at;
	}
	free(path);
	return at;
}

static void setup(struct fixture *f)
{
	strcpy(f->folder, "/tmp/test-repo-publish-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	char *repo = repo_text("%s/a repo", f->folder);
	assert_int_equal(repo_place_open(repo, &f->place, NULL), 0);
	free(repo);
	put(f->place.root, "metadata/timestamp.json", "old");
	put(f->place.root, "metadata/1.snapshot.json", "old snapshot");
}

static void teardown(struct fixture *f)
{
	repo_place_close(&f->place);
	assert_int_equal(repo_file_remove_tree(f->folder, NULL), 0);
}

static void prepare(struct fixture *f, struct repo_publish *publish)
{
	assert_int_equal(repo_publish_begin(&f->place, publish, NULL), 0);
	assert_int_equal(repo_publish_write(publish, "targets/payloads/p.dcp", "payload", 7, NULL), 0);
	assert_int_equal(repo_publish_write(publish, "metadata/2.snapshot.json", "new snapshot", 12, NULL), 0);
	assert_int_equal(repo_publish_write(publish, "metadata/timestamp.json", "new", 3, NULL), 0);
}

static void a_publish_ends_with_everything_in_place(void **state)
{
	(void)state;
	struct fixture f;
	struct repo_publish publish;
	enum repo_leftover leftover;
	setup(&f);
	prepare(&f, &publish);
	assert_int_equal(repo_publish_commit(&publish, NULL), 0);
	repo_publish_free(&publish);
	assert_int_equal(repo_publish_recover(&f.place, &leftover, NULL), 0);
	assert_int_equal(leftover, REPO_LEFTOVER_COMMITTED);
	assert_true(has(f.place.root, "metadata/timestamp.json", "new"));
	assert_true(has(f.place.root, "metadata/1.snapshot.json", "old snapshot"));
	assert_true(has(f.place.root, "metadata/2.snapshot.json", "new snapshot"));
	assert_true(has(f.place.root, "targets/payloads/p.dcp", "payload"));
	assert_false(repo_file_exists(f.place.staging));
	teardown(&f);
}

/* FAT has it in the name's entry how long a file is and where: a cut before that left an empty one. */
static void each_file_is_synced_under_its_new_name_before_the_commit(void **state)
{
	(void)state;
	struct fixture f;
	struct repo_publish publish;
	setup(&f);
	prepare(&f, &publish);
	sync_count = 0;
	assert_int_equal(repo_publish_commit(&publish, NULL), 0);
	size_t timestamp = when_synced(f.place.root, "metadata/timestamp.json");
	assert_true(timestamp < SYNCS_MAX);
	assert_true(when_synced(f.place.root, "metadata/2.snapshot.json") < timestamp);
	assert_true(when_synced(f.place.root, "targets/payloads/p.dcp") < timestamp);
	assert_true(when_synced(f.place.root, "metadata") > timestamp);
	assert_true(when_synced(f.place.staging, "publish.list") < when_synced(f.place.root, "targets/payloads/p.dcp"));
	repo_publish_free(&publish);
	teardown(&f);
}

static void what_was_moved_is_synced_before_its_folder(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	put(f.folder, "role.new-key", "a key");
	char *from = repo_text("%s/role.new-key", f.folder);
	char *to = repo_text("%s/role.pem", f.folder);
	assert_int_equal(repo_file_rename(from, to, NULL), 0);
	sync_count = 0;
	assert_int_equal(repo_file_sync_moved(to, NULL), 0);
	assert_int_equal(sync_count, 2);
	assert_string_equal(synced[0], to);
	assert_string_equal(synced[1], f.folder);
	assert_int_equal(unlink(to), 0);
	assert_true(repo_file_sync_moved(to, NULL) < 0);
	free(from);
	free(to);
	teardown(&f);
}

/* The state that a kill after `moved` renames leaves, made with the publish's own list. */
static void undo_after(size_t moved)
{
	struct fixture f;
	struct repo_publish publish;
	enum repo_leftover leftover;
	setup(&f);
	prepare(&f, &publish);
	char *list = repo_text("%s/publish.list", f.place.staging);
	static const char text[] =
		"folder targets\nfolder targets/payloads\nfile targets/payloads/p.dcp\nfile metadata/2.snapshot.json\n"
		"file metadata/timestamp.json\n";
	assert_int_equal(repo_file_write(list, text, strlen(text), NULL), 0);
	free(list);
	for (size_t i = 0; i < moved; i++) {
		char *from = repo_publish_path(&publish, publish.paths[i]);
		char *to = repo_text("%s/%s", f.place.root, publish.paths[i]);
		assert_int_equal(repo_file_make_parents(to, NULL), 0);
		assert_int_equal(repo_file_rename(from, to, NULL), 0);
		free(from);
		free(to);
	}
	repo_publish_free(&publish);
	assert_int_equal(repo_publish_recover(&f.place, &leftover, NULL), 0);
	bool committed = moved == 3;
	char *targets = repo_text("%s/targets", f.place.root);
	assert_int_equal(leftover, committed ? REPO_LEFTOVER_COMMITTED : REPO_LEFTOVER_REMOVED);
	assert_true(has(f.place.root, "metadata/timestamp.json", committed ? "new" : "old"));
	assert_true(has(f.place.root, "metadata/2.snapshot.json", "new snapshot") == committed);
	assert_true(repo_file_exists(targets) == committed);
	assert_false(repo_file_exists(f.place.staging));
	free(targets);
	teardown(&f);
}

static void a_publish_that_was_cut_after_any_rename_is_undone_or_whole(void **state)
{
	(void)state;
	for (size_t moved = 0; moved <= 3; moved++) {
		undo_after(moved);
	}
}

static void a_file_that_was_there_before_is_neither_replaced_nor_removed(void **state)
{
	(void)state;
	struct fixture f;
	struct repo_publish publish;
	enum repo_leftover leftover;
	setup(&f);
	put(f.place.root, "metadata/2.snapshot.json", "not ours");
	prepare(&f, &publish);
	assert_int_equal(repo_publish_commit(&publish, NULL), DCD_ERR_EXISTS);
	repo_publish_free(&publish);
	assert_int_equal(repo_publish_recover(&f.place, &leftover, NULL), 0);
	assert_true(has(f.place.root, "metadata/timestamp.json", "old"));
	assert_true(has(f.place.root, "metadata/2.snapshot.json", "not ours"));
	teardown(&f);
}

static void a_second_writer_is_turned_away(void **state)
{
	(void)state;
	struct fixture f;
	setup(&f);
	struct repo_place second;
	assert_int_equal(repo_place_open(f.place.root, &second, NULL), 0);
	assert_int_equal(repo_place_lock(&f.place, NULL), 0);
	assert_int_equal(repo_place_lock(&second, NULL), DCD_ERR_BUSY);
	repo_place_close(&second);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_publish_ends_with_everything_in_place),
		cmocka_unit_test(each_file_is_synced_under_its_new_name_before_the_commit),
		cmocka_unit_test(what_was_moved_is_synced_before_its_folder),
		cmocka_unit_test(a_publish_that_was_cut_after_any_rename_is_undone_or_whole),
		cmocka_unit_test(a_file_that_was_there_before_is_neither_replaced_nor_removed),
		cmocka_unit_test(a_second_writer_is_turned_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
