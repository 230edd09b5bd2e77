#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "updater/slot/blockdev_posix.h"

/* Not a multiple of a sector, a page or the bounce buffer: its end is the interesting part. */
#define FILE_SIZE 200001U

/*
 * The C library's calls, replaced: while `stingy` is set they move few bytes at a time and are interrupted in between, as signals
 * make them.
 */
static bool stingy;
static unsigned stingy_calls;

static bool interrupted(size_t *len)
{
	if (!stingy) {
		return false;
	}
	*len = *len < 8192 ? *len : 8192;
	errno = EINTR;
	return stingy_calls++ % 3 == 0;
}

ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
	return interrupted(&len) ? -1 : (ssize_t)syscall(SYS_pread64, fd, buf, len, offset);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	return interrupted(&len) ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, buf, len, offset);
}

struct fixture {
	char path[64];
	uint8_t content[FILE_SIZE];
};

static void file_make(struct fixture *f, const char *folder)
{
	(void)snprintf(f->path, sizeof f->path, "%s/decade-slot-XXXXXX", folder);
	for (size_t i = 0; i < FILE_SIZE; i++) {
		f->content[i] = (uint8_t)(i * 131 + i / 251);
	}
	int fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, f->content, FILE_SIZE), FILE_SIZE);
	assert_int_equal(close(fd), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	assert_non_null(f);
	file_make(f, "/var/tmp");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	(void)unlink(f->path);
	free(f);
	return 0;
}

static struct dcd_blockdev *opened(const char *path, enum dcd_blockdev_access access)
{
	struct dcd_blockdev *dev = NULL;
	struct dcd_diag diag = { 0 };
	int err = dcd_blockdev_posix_open(path, access, &dev, &diag);
	if (err != 0) {
		fail_msg("%s", diag.text);
	}
	return dev;
}

static void check_every_kind_of_range(const struct fixture *f)
{
	static const struct {
		uint64_t offset;
		size_t len;
	} ranges[] = {
		{ 0, 0 },         { 0, 1 },        { 0, FILE_SIZE },         { 1, 4095 },
		{ 511, 2 },       { 4095, 65537 }, { 65535, 131072 },        { FILE_SIZE - 1, 1 },
		{ FILE_SIZE, 0 }, { 4096, 65536 }, { FILE_SIZE - 700, 700 },
	};
	struct dcd_blockdev *dev = opened(f->path, DCD_BLOCKDEV_READ_ONLY);
	assert_int_equal(dev->size, FILE_SIZE);
	uint8_t *buf = malloc(FILE_SIZE);
	assert_non_null(buf);
	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
		memset(buf, 0xee, FILE_SIZE);
		assert_int_equal(dev->ops->read(dev, ranges[i].offset, buf, ranges[i].len), 0);
		assert_memory_equal(buf, f->content + ranges[i].offset, ranges[i].len);
		memset(buf, 0xee, FILE_SIZE);
		assert_int_equal(dev->ops->read_medium(dev, ranges[i].offset, buf, ranges[i].len), 0);
		assert_memory_equal(buf, f->content + ranges[i].offset, ranges[i].len);
	}
	free(buf);
	dev->ops->close(dev);
}

static void ranges_of_any_alignment_are_read_from_cache_and_medium(void **state)
{
	check_every_kind_of_range(*state);
}

static void a_file_system_without_direct_io_reads_the_same(void **state)
{
	(void)state;
	static struct fixture f;
	if (access("/dev/shm", W_OK) != 0) {
		skip();
	}
	file_make(&f, "/dev/shm");
	check_every_kind_of_range(&f);
	(void)unlink(f.path);
}

static void ranges_outside_the_device_are_refused_without_touching_it(void **state)
{
	struct fixture *f = *state;
	struct dcd_blockdev *dev = opened(f->path, DCD_BLOCKDEV_READ_WRITE);
	uint8_t buf[16] = { 0 };
	assert_int_equal(dev->ops->read(dev, FILE_SIZE - 15, buf, 16), DCD_ERR_IO);
	assert_int_equal(dev->ops->read_medium(dev, FILE_SIZE + 1, buf, 0), DCD_ERR_IO);
	assert_int_equal(dev->ops->read_medium(dev, UINT64_MAX, buf, 16), DCD_ERR_IO);
	assert_int_equal(dev->ops->write(dev, FILE_SIZE - 15, buf, 16), DCD_ERR_NO_SPACE);
	assert_int_equal(dev->ops->write(dev, UINT64_MAX - 3, buf, 16), DCD_ERR_NO_SPACE);
	assert_int_equal(dcd_blockdev_posix_errno(dev), ENOSPC);
	dev->ops->close(dev);
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_size, FILE_SIZE);
}

static void what_is_written_and_flushed_is_on_the_medium(void **state)
{
	struct fixture *f = *state;
	struct dcd_blockdev *dev = opened(f->path, DCD_BLOCKDEV_READ_WRITE);
	memset(f->content + 70000, 0x5a, 100000);
	f->content[FILE_SIZE - 1] ^= 0xff;
	assert_int_equal(dev->ops->write(dev, 70000, f->content + 70000, 100000), 0);
	assert_int_equal(dev->ops->write(dev, FILE_SIZE - 1, f->content + FILE_SIZE - 1, 1), 0);
	assert_int_equal(dev->ops->flush(dev), 0);
	uint8_t *buf = malloc(FILE_SIZE);
	assert_non_null(buf);
	assert_int_equal(dev->ops->read_medium(dev, 0, buf, FILE_SIZE), 0);
	assert_memory_equal(buf, f->content, FILE_SIZE);
	free(buf);
	dev->ops->close(dev);
	check_every_kind_of_range(f);
}

static void short_and_interrupted_calls_are_continued(void **state)
{
	struct fixture *f = *state;
	struct dcd_blockdev *dev = opened(f->path, DCD_BLOCKDEV_READ_WRITE);
	for (size_t i = 0; i < FILE_SIZE; i++) {
		f->content[i] = (uint8_t)(i * 37 + i / 8192);
	}
	stingy = true;
	stingy_calls = 0;
	int err = dev->ops->write(dev, 0, f->content, FILE_SIZE);
	assert_true(stingy_calls > FILE_SIZE / 8192);
	check_every_kind_of_range(f);
	stingy = false;
	assert_int_equal(err, 0);
	dev->ops->close(dev);
	check_every_kind_of_range(f);
}

static void a_read_only_slot_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	struct dcd_blockdev *dev = opened(f->path, DCD_BLOCKDEV_READ_ONLY);
	assert_int_equal(dev->ops->write(dev, 0, "x", 1), DCD_ERR_IO);
	assert_int_equal(dcd_blockdev_posix_errno(dev), EROFS);
	assert_int_equal(dev->ops->flush(dev), 0);
	dev->ops->close(dev);
	check_every_kind_of_range(f);
}

static void a_medium_that_refuses_a_write_is_reported_with_its_errno(void **state)
{
	struct fixture *f = *state;
	struct dcd_blockdev *dev = opened(f->path, DCD_BLOCKDEV_READ_WRITE);
	/* RLIMIT_FSIZE makes pwrite write a part first and then fail with EFBIG: a short write and an error in one. */
	struct rlimit old, small;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 100000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int err = dev->ops->write(dev, 90000, f->content, 20000);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(err, DCD_ERR_IO);
	assert_int_equal(dcd_blockdev_posix_errno(dev), EFBIG);
	uint8_t at_limit[2];
	assert_int_equal(dev->ops->read(dev, 99999, at_limit, 2), 0);
	assert_int_equal(at_limit[0], f->content[9999]);
	assert_int_equal(at_limit[1], f->content[100000]);
	dev->ops->close(dev);
}

static void a_file_cut_under_us_is_an_error_not_a_loop(void **state)
{
	struct fixture *f = *state;
	struct dcd_blockdev *dev = opened(f->path, DCD_BLOCKDEV_READ_ONLY);
	assert_int_equal(truncate(f->path, 5000), 0);
	uint8_t buf[4096];
	assert_int_equal(dev->ops->read(dev, 3000, buf, sizeof buf), DCD_ERR_IO);
	assert_int_equal(dev->ops->read_medium(dev, 3000, buf, sizeof buf), DCD_ERR_IO);
	assert_int_equal(dev->ops->read_medium(dev, 100000, buf, sizeof buf), DCD_ERR_IO);
	assert_int_equal(dev->ops->read_medium(dev, 3000, buf, 2000), 0);
	dev->ops->close(dev);
}

static void two_paths_of_one_file_are_the_same_slot(void **state)
{
	struct fixture *f = *state;
	static struct fixture other;
	file_make(&other, "/var/tmp");
	char link_path[80];
	(void)snprintf(link_path, sizeof link_path, "%s.link", f->path);
	assert_int_equal(symlink(f->path, link_path), 0);
	struct dcd_blockdev *a = opened(f->path, DCD_BLOCKDEV_READ_ONLY);
	struct dcd_blockdev *b = opened(link_path, DCD_BLOCKDEV_READ_WRITE);
	struct dcd_blockdev *c = opened(other.path, DCD_BLOCKDEV_READ_WRITE);
	assert_true(dcd_blockdev_same(a, b));
	assert_false(dcd_blockdev_same(b, c));
	a->ops->close(a);
	b->ops->close(b);
	c->ops->close(c);
	(void)unlink(link_path);
	(void)unlink(other.path);
}

static void what_is_no_slot_is_refused_with_a_sentence(void **state)
{
	(void)state;
	struct dcd_blockdev *dev = NULL;
	struct dcd_diag diag = { 0 };
	assert_int_equal(dcd_blockdev_posix_open("/dev/null", DCD_BLOCKDEV_READ_WRITE, &dev, &diag), DCD_ERR_IO);
	assert_non_null(strstr(diag.text, "/dev/null"));
	assert_int_equal(dcd_blockdev_posix_open("/", DCD_BLOCKDEV_READ_ONLY, &dev, &diag), DCD_ERR_IO);
	assert_int_equal(dcd_blockdev_posix_open("/var/tmp/decade-no-such-slot", DCD_BLOCKDEV_READ_ONLY, &dev, &diag),
			 DCD_ERR_IO);
	assert_non_null(strstr(diag.text, "No such file"));
	assert_null(dev);
}

int main(void)
{
	/* RLIMIT_FSIZE also raises a signal, which would hide the error that the test wants. */
	(void)signal(SIGXFSZ, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ranges_of_any_alignment_are_read_from_cache_and_medium, setup, teardown),
		cmocka_unit_test(a_file_system_without_direct_io_reads_the_same),
		cmocka_unit_test_setup_teardown(ranges_outside_the_device_are_refused_without_touching_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_written_and_flushed_is_on_the_medium, setup, teardown),
		cmocka_unit_test_setup_teardown(short_and_interrupted_calls_are_continued, setup, teardown),
		cmocka_unit_test_setup_teardown(a_read_only_slot_cannot_be_written, setup, teardown),
		cmocka_unit_test_setup_teardown(a_medium_that_refuses_a_write_is_reported_with_its_errno, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_cut_under_us_is_an_error_not_a_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(two_paths_of_one_file_are_the_same_slot, setup, teardown),
		cmocka_unit_test(what_is_no_slot_is_refused_with_a_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
