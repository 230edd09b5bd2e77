#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/repo/repo_store.h"

static void what_is_replaced_is_loaded_again_and_removed_is_gone(void **state)
{
	(void)state;
	struct repo_store store;
	repo_store_init(&store);
	assert_int_equal(dcd_dir_replace(&store.base, "root.json", "one", 3, NULL), 0);
	assert_int_equal(dcd_dir_replace(&store.base, "root.json", "second", 6, NULL), 0);
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(dcd_dir_load(&store.base, "root.json", 100, &data, &len, NULL), 0);
	assert_int_equal(len, 6);
	assert_memory_equal(data, "second", 6);
	free(data);
	data = NULL;
	assert_int_equal(dcd_dir_load(&store.base, "root.json", 5, &data, &len, NULL), DCD_ERR_SIZE);
	assert_int_equal(store.base.ops->remove(&store.base, "root.json"), 0);
	assert_int_equal(dcd_dir_load(&store.base, "root.json", 100, &data, &len, NULL), DCD_ERR_NOT_FOUND);
	repo_store_free(&store);
}

static void a_rename_replaces_what_had_the_name(void **state)
{
	(void)state;
	struct repo_store store;
	repo_store_init(&store);
	assert_int_equal(store.base.ops->write(&store.base, "a", "aa", 2), 0);
	assert_int_equal(store.base.ops->write(&store.base, "b", "bbb", 3), 0);
	assert_int_equal(store.base.ops->write(&store.base, "c", "c", 1), 0);
	assert_int_equal(store.base.ops->rename(&store.base, "c", "a"), 0);
	assert_int_equal(store.count, 2);
	assert_int_equal(repo_store_find(&store, "a")->len, 1);
	assert_int_equal(repo_store_find(&store, "b")->len, 3);
	assert_null(repo_store_find(&store, "c"));
	assert_int_equal(store.base.ops->rename(&store.base, "c", "a"), DCD_ERR_NOT_FOUND);
	repo_store_free(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_replaced_is_loaded_again_and_removed_is_gone),
		cmocka_unit_test(a_rename_replaces_what_had_the_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
