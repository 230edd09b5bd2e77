#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "updater/journal/lock.h"

static char folder[] = "/var/tmp/decade-lock-XXXXXX";

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	char path[64];
	(void)snprintf(path, sizeof path, "%s/lock", folder);
	(void)unlink(path);
	return rmdir(folder);
}

static void a_second_run_is_told_who_holds_the_lock(void **state)
{
	(void)state;
	struct dcd_lock *first = NULL, *second = NULL;
	struct dcd_diag diag = { 0 };
	assert_int_equal(dcd_lock_take(folder, &first, NULL), 0);
	assert_int_equal(dcd_lock_take(folder, &second, &diag), DCD_ERR_BUSY);
	assert_null(second);
	char pid[32];
	(void)snprintf(pid, sizeof pid, "process %ld)", (long)getpid());
	assert_non_null(strstr(diag.text, pid));
	dcd_lock_release(first);
	assert_int_equal(dcd_lock_take(folder, &second, NULL), 0);
	dcd_lock_release(second);
}

static void a_killed_holder_frees_the_lock(void **state)
{
	(void)state;
	int ready[2];
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct dcd_lock *lock;
		char ok = dcd_lock_take(folder, &lock, NULL) == 0 ? 'y' : 'n';
		if (write(ready[1], &ok, 1) == 1) {
			(void)pause();
		}
		_exit(0);
	}
	char answer = 0;
	assert_int_equal(read(ready[0], &answer, 1), 1);
	assert_int_equal(answer, 'y');
	struct dcd_lock *lock = NULL;
	assert_int_equal(dcd_lock_take(folder, &lock, NULL), DCD_ERR_BUSY);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(dcd_lock_take(folder, &lock, NULL), 0);
	dcd_lock_release(lock);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void a_folder_that_is_not_there_is_no_busy_lock(void **state)
{
	(void)state;
	struct dcd_lock *lock = NULL;
	assert_int_equal(dcd_lock_take("/var/tmp/decade-no-such-folder", &lock, NULL), DCD_ERR_IO);
	assert_null(lock);
	dcd_lock_release(lock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_run_is_told_who_holds_the_lock),
		cmocka_unit_test(a_killed_holder_frees_the_lock),
		cmocka_unit_test(a_folder_that_is_not_there_is_no_busy_lock),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
