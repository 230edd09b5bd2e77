#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "updater/journal/dir_posix.h"

struct fixture {
	char parent[64];
	char path[80];
	struct dcd_dir *dir;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	assert_non_null(f);
	(void)snprintf(f->parent, sizeof f->parent, "/var/tmp/decade-dir-XXXXXX");
	assert_non_null(mkdtemp(f->parent));
	(void)snprintf(f->path, sizeof f->path, "%s/state", f->parent);
	assert_int_equal(dcd_dir_posix_open(f->path, &f->dir, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "one", "two", "link", "fifo", "one.new" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_int_equal(f->dir->ops->remove(f->dir, names[i]), 0);
	}
	f->dir->ops->close(f->dir);
	assert_int_equal(rmdir(f->path), 0);
	assert_int_equal(rmdir(f->parent), 0);
	free(f);
	return 0;
}

static void a_new_folder_and_its_files_are_the_owners_alone(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(f->dir->ops->write(f->dir, "one", "1", 1), 0);
	char path[96];
	(void)snprintf(path, sizeof path, "%s/one", f->path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_replaced_file_is_the_new_one_whole(void **state)
{
	struct fixture *f = *state;
	char buf[8];
	size_t len = 99;
	assert_int_equal(dcd_dir_replace(f->dir, "one", "longer", 6, NULL), 0);
	assert_int_equal(dcd_dir_replace(f->dir, "one", "new", 3, NULL), 0);
	assert_int_equal(f->dir->ops->read(f->dir, "one", buf, sizeof buf, &len), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(buf, "new", 3);
	assert_int_equal(f->dir->ops->read(f->dir, "one.new", buf, sizeof buf, &len), DCD_ERR_NOT_FOUND);
}

static void a_file_is_read_up_to_the_capacity_and_not_beyond(void **state)
{
	struct fixture *f = *state;
	char buf[4];
	size_t len = 99;
	assert_int_equal(f->dir->ops->write(f->dir, "one", "1234", 4), 0);
	assert_int_equal(f->dir->ops->read(f->dir, "one", buf, 3, &len), DCD_ERR_SIZE);
	assert_int_equal(len, 99);
	assert_int_equal(f->dir->ops->read(f->dir, "one", buf, 4, &len), 0);
	assert_int_equal(len, 4);
	assert_int_equal(f->dir->ops->write(f->dir, "one", "", 0), 0);
	assert_int_equal(f->dir->ops->read(f->dir, "one", buf, 0, &len), 0);
	assert_int_equal(len, 0);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = { "", ".", "..", "../x", "/etc/x", "a/b" };
	char buf[4];
	size_t len;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(f->dir->ops->read(f->dir, bad[i], buf, 4, &len), DCD_ERR_USAGE);
		assert_int_equal(f->dir->ops->write(f->dir, bad[i], "", 0), DCD_ERR_USAGE);
		assert_int_equal(f->dir->ops->sync(f->dir, bad[i]), DCD_ERR_USAGE);
		assert_int_equal(f->dir->ops->rename(f->dir, "one", bad[i]), DCD_ERR_USAGE);
		assert_int_equal(f->dir->ops->rename(f->dir, bad[i], "one"), DCD_ERR_USAGE);
		assert_int_equal(f->dir->ops->remove(f->dir, bad[i]), DCD_ERR_USAGE);
	}
	char longest[DCD_DIR_NAME_MAX + 2];
	memset(longest, 'n', sizeof longest);
	longest[DCD_DIR_NAME_MAX] = '\0';
	assert_int_equal(dcd_dir_replace(f->dir, longest, "x", 1, NULL), 0);
	assert_int_equal(f->dir->ops->remove(f->dir, longest), 0);
}

static void links_and_pipes_are_no_files(void **state)
{
	struct fixture *f = *state;
	char path[96], buf[64];
	size_t len;
	(void)snprintf(path, sizeof path, "%s/link", f->path);
	assert_int_equal(symlink("/etc/hostname", path), 0);
	assert_int_equal(f->dir->ops->read(f->dir, "link", buf, sizeof buf, &len), DCD_ERR_IO);
	assert_int_equal(f->dir->ops->write(f->dir, "link", "x", 1), DCD_ERR_IO);
	(void)snprintf(path, sizeof path, "%s/fifo", f->path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(f->dir->ops->read(f->dir, "fifo", buf, sizeof buf, &len), DCD_ERR_IO);
}

static void a_missing_file_is_told_from_trouble(void **state)
{
	struct fixture *f = *state;
	char buf[4];
	size_t len;
	assert_int_equal(f->dir->ops->read(f->dir, "two", buf, 4, &len), DCD_ERR_NOT_FOUND);
	assert_int_equal(f->dir->ops->remove(f->dir, "two"), 0);
	assert_int_equal(f->dir->ops->sync_dir(f->dir), 0);
	struct dcd_dir *none = NULL;
	assert_int_equal(dcd_dir_posix_open("/var/tmp/decade-none/none/none", &none, NULL), DCD_ERR_IO);
	assert_int_equal(dcd_dir_posix_open("/etc/passwd", &none, NULL), DCD_ERR_IO);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_folder_and_its_files_are_the_owners_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_replaced_file_is_the_new_one_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_is_read_up_to_the_capacity_and_not_beyond, setup, teardown),
		cmocka_unit_test_setup_teardown(names_that_lead_elsewhere_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(links_and_pipes_are_no_files, setup, teardown),
		cmocka_unit_test_setup_teardown(a_missing_file_is_told_from_trouble, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
