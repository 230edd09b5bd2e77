#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "manifest/crypto/private_key.h"

struct folder {
	char path[64];
	char key[80];
};

static int make_folder(void **state)
{
	struct folder *folder = calloc(1, sizeof *folder);
	assert_non_null(folder);
	(void)snprintf(folder->path, sizeof folder->path, P_tmpdir "/decade-key-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	(void)snprintf(folder->key, sizeof folder->key, "%s/key.pem", folder->path);
	*state = folder;
	return 0;
}

static int remove_folder(void **state)
{
	struct folder *folder = *state;
	(void)unlink(folder->key);
	(void)rmdir(folder->path);
	free(folder);
	return 0;
}

static void a_saved_key_is_private_and_signs_the_same_when_loaded(void **state)
{
	struct folder *folder = *state;
	struct dcd_private_key *key = NULL, *loaded = NULL;
	struct dcd_diag diag;
	assert_int_equal(dcd_private_key_generate(&key, &diag), 0);
	mode_t mask = umask(0);
	assert_int_equal(dcd_private_key_save(key, folder->key, &diag), 0);
	umask(mask);
	struct stat st;
	assert_int_equal(stat(folder->key, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(dcd_private_key_load(folder->key, &loaded, &diag), 0);

	uint8_t one[DCD_SIGNATURE_MAX], two[DCD_SIGNATURE_MAX];
	size_t one_len = 0, two_len = 0;
	assert_int_equal(dcd_private_key_sign(key, (const uint8_t *)"x", 1, one, &one_len, &diag), 0);
	assert_int_equal(dcd_private_key_sign(loaded, (const uint8_t *)"x", 1, two, &two_len, &diag), 0);
	assert_int_equal(one_len, two_len);
	assert_memory_equal(one, two, one_len);
	dcd_private_key_free(key);
	dcd_private_key_free(loaded);
}

static void a_key_is_never_replaced(void **state)
{
	struct folder *folder = *state;
	struct dcd_private_key *key = NULL;
	struct dcd_diag diag;
	assert_int_equal(dcd_private_key_generate(&key, &diag), 0);
	assert_int_equal(dcd_private_key_save(key, folder->key, &diag), 0);
	assert_int_equal(dcd_private_key_save(key, folder->key, &diag), DCD_ERR_EXISTS);
	dcd_private_key_free(key);
}

static void what_is_no_key_is_refused(void **state)
{
	struct folder *folder = *state;
	struct dcd_private_key *key = NULL;
	struct dcd_diag diag;
	assert_int_equal(dcd_private_key_load(folder->key, &key, &diag), DCD_ERR_HOST);
	FILE *file = fopen(folder->key, "w");
	assert_non_null(file);
	fputs("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", file);
	fclose(file);
	assert_int_equal(dcd_private_key_load(folder->key, &key, &diag), DCD_ERR_MALFORMED);
	assert_non_null(strstr(diag.text, folder->key));
	assert_null(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_saved_key_is_private_and_signs_the_same_when_loaded, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(a_key_is_never_replaced, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_is_no_key_is_refused, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
