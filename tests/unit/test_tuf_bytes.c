/* Every byte of every metadata file, changed, cut off and added to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_repository.h"

static int make_repository(void **state)
{
	*state = fake_repository_new();
	return 0;
}

static int free_repository(void **state)
{
	fake_repository_free(*state);
	return 0;
}

/* A changed copy of a served file, as the first thing that a fresh device sees. */
static void assert_change_refused(struct fake_repository *repository, const char *path, const uint8_t *data, size_t len,
				  size_t at)
{
	struct dcd_diag diag = { 0 };
	while (repository->stored.count > 0) {
		fake_remove(&repository->stored, repository->stored.files[0].name);
	}
	fake_put(&repository->served, path, data, len);
	int err = fake_try(repository, &diag);
	if (err == 0 || dcd_err_exit_code(err) != 5 || strstr(diag.text, path) == NULL) {
		print_error("%s, byte %zu: %s (%s)\n", path, at, dcd_err_name(err), diag.text);
		fail();
	}
}

static void every_byte_of_every_metadata_file_matters(void **state)
{
	struct fake_repository *repository = *state;
	static const char *const paths[] = { "metadata/2.root.json", "metadata/timestamp.json", "metadata/1.snapshot.json",
					     "metadata/1.targets.json" };
	repository->roles[FAKE_ROOT].version = 2;
	fake_publish_root(repository);
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		const struct fake_file *file = fake_find(&repository->served, paths[i]);
		size_t len = file->len;
		uint8_t *original = malloc(len);
		uint8_t *changed = malloc(len + 1);
		assert_true(original != NULL && changed != NULL);
		memcpy(original, file->data, len);
		memcpy(changed, original, len);
		for (size_t at = 0; at < len; at++) {
			changed[at] ^= (uint8_t)(1U << at % 8);
			assert_change_refused(repository, paths[i], changed, len, at);
			changed[at] = original[at];
		}
		changed[len] = '\n';
		assert_change_refused(repository, paths[i], changed, len + 1, len);
		assert_change_refused(repository, paths[i], changed, len - 1, len - 1);
		fake_put(&repository->served, paths[i], original, len);
		assert_int_equal(fake_try(repository, NULL), 0);
		free(original);
		free(changed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_byte_of_every_metadata_file_matters, make_repository, free_repository),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
