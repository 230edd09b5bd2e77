/* Delegated roles: who is asked, in which order, by whose keys, and what ends the search. */
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

/* "targets" of a delegated role with one target, whose bytes are `text`. */
static struct dcd_json *one_target(struct fake_repository *repository, const char *path, const char *text)
{
	struct dcd_json *own = repository->targets;
	repository->targets = dcd_json_new_object();
	fake_add_target(repository, path, text, strlen(text), NULL);
	struct dcd_json *made = repository->targets;
	repository->targets = own;
	return made;
}

static void publish_with(struct fake_repository *repository, const char *name, int key, const char *path, const char *text,
			 const struct dcd_json *delegations)
{
	struct dcd_json *targets = path == NULL ? NULL : one_target(repository, path, text);
	fake_publish_delegated(repository, name, key, targets, delegations);
	dcd_json_free(targets);
}

static int find(struct dcd_tuf *tuf, const char *path, const char *expected)
{
	struct dcd_tuf_target target;
	struct dcd_diag diag = { 0 };
	uint8_t *data = NULL;
	size_t len = 0;
	int err = dcd_tuf_find_target(tuf, path, &target, &diag);
	if (err != 0) {
		return err;
	}
	assert_int_equal(dcd_tuf_load_target(tuf, &target, 1000, &data, &len, &diag), 0);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(data, expected, len);
	free(data);
	return 0;
}

/* One look-up by a new client. */
static int find_fresh(struct fake_repository *repository, const char *path, const char *expected)
{
	struct dcd_tuf *tuf = NULL;
	struct dcd_diag diag = { 0 };
	int err = fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, &diag);
	if (err == 0) {
		err = find(tuf, path, expected);
	}
	dcd_tuf_free(tuf);
	return err;
}

static void a_delegated_target_is_found_and_nothing_outside_of_its_paths(void **state)
{
	struct fake_repository *repository = *state;
	fake_delegate(repository, &repository->delegations, "team", 5, "paths", "team/*", false);
	struct dcd_json *targets = one_target(repository, "team/a", "A");
	fake_publish_delegated(repository, "team", 5, targets, NULL);
	dcd_json_free(targets);
	fake_publish_next(repository);
	assert_int_equal(find_fresh(repository, "team/a", "A"), 0);
	assert_int_equal(find_fresh(repository, "team/b", ""), DCD_ERR_UNLISTED);

	/* The team lists a path that it wasn't given. */
	targets = one_target(repository, "other/a", "not theirs");
	fake_publish_delegated(repository, "team", 5, targets, NULL);
	dcd_json_free(targets);
	fake_publish_next(repository);
	assert_int_equal(find_fresh(repository, "other/a", ""), DCD_ERR_UNLISTED);
}

static void a_delegated_role_needs_its_delegators_key(void **state)
{
	struct fake_repository *repository = *state;
	fake_delegate(repository, &repository->delegations, "team", 5, "paths", "team/*", false);
	publish_with(repository, "team", 6, "team/a", "A", NULL);
	fake_publish_next(repository);
	assert_int_equal(find_fresh(repository, "team/a", ""), DCD_ERR_SIGNATURE);
	/* Nor do the keys of the roles above it do. */
	publish_with(repository, "team", FAKE_TARGETS, "team/a", "A", NULL);
	fake_publish_next(repository);
	assert_int_equal(find_fresh(repository, "team/a", ""), DCD_ERR_SIGNATURE);
}

static void a_cached_role_is_verified_by_each_delegator_anew(void **state)
{
	struct fake_repository *repository = *state;
	struct dcd_json *by_a = NULL, *by_b = NULL;
	fake_delegate(repository, &repository->delegations, "parent-a", 4, "paths", "a/*", false);
	fake_delegate(repository, &repository->delegations, "parent-b", 4, "paths", "b/*", false);
	fake_delegate(repository, &by_a, "shared", 5, "paths", "a/*", false);
	fake_delegate(repository, &by_b, "shared", 6, "paths", "b/*", false);
	fake_publish_delegated(repository, "parent-a", 4, NULL, by_a);
	fake_publish_delegated(repository, "parent-b", 4, NULL, by_b);
	struct dcd_json *targets = one_target(repository, "a/x", "by a");
	struct dcd_json *more = one_target(repository, "b/x", "by b");
	assert_int_equal(dcd_json_set(targets, "b/x", dcd_json_copy(dcd_json_member(more, "b/x"))), 0);
	fake_publish_delegated(repository, "shared", 5, targets, NULL); /* signed for parent-a alone */
	fake_publish_next(repository);

	struct dcd_tuf *tuf = NULL;
	struct dcd_diag diag = { 0 };
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, &diag), 0);
	assert_int_equal(find(tuf, "a/x", "by a"), 0); /* now it is in memory and in the store */
	assert_int_equal(find(tuf, "b/x", ""), DCD_ERR_SIGNATURE);
	assert_int_equal(find(tuf, "a/x", "by a"), 0);
	dcd_tuf_free(tuf);
	assert_int_equal(find_fresh(repository, "b/x", ""), DCD_ERR_SIGNATURE);
	dcd_json_free(by_a);
	dcd_json_free(by_b);
	dcd_json_free(targets);
	dcd_json_free(more);
}

static void the_first_role_in_preorder_wins_and_a_terminating_one_ends_the_search(void **state)
{
	struct fake_repository *repository = *state;
	struct dcd_json *below = NULL;
	fake_delegate(repository, &repository->delegations, "one", 4, "paths", "p/*", false);
	fake_delegate(repository, &repository->delegations, "two", 5, "paths", "p/*", true);
	fake_delegate(repository, &repository->delegations, "three", 6, "paths", "p/*", false);
	fake_delegate(repository, &below, "deep", 7, "paths", "p/*", false);
	fake_publish_delegated(repository, "one", 4, NULL, below);
	publish_with(repository, "deep", 7, "p/x", "deep", NULL);
	publish_with(repository, "two", 5, "p/x", "two", NULL);
	publish_with(repository, "three", 6, "p/y", "three", NULL);
	fake_publish_next(repository);
	assert_int_equal(find_fresh(repository, "p/x", "deep"), 0);
	assert_int_equal(find_fresh(repository, "p/y", ""), DCD_ERR_UNLISTED);
	dcd_json_free(below);
}

static void cycles_end_and_so_does_a_search_of_too_many_roles(void **state)
{
	struct fake_repository *repository = *state;
	struct dcd_json *to_two = NULL, *to_one = NULL;
	fake_delegate(repository, &repository->delegations, "one", 4, "paths", "c/*", false);
	fake_delegate(repository, &to_two, "two", 4, "paths", "c/*", false);
	fake_delegate(repository, &to_one, "one", 4, "paths", "c/*", false);
	fake_publish_delegated(repository, "one", 4, NULL, to_two);
	fake_publish_delegated(repository, "two", 4, NULL, to_one);
	/* The cycle must not use up what may be visited. */
	fake_delegate(repository, &repository->delegations, "after", 4, "paths", "c/*", false);
	publish_with(repository, "after", 4, "c/y", "after", NULL);
	fake_publish_next(repository);
	assert_int_equal(find_fresh(repository, "c/x", ""), DCD_ERR_UNLISTED);
	assert_int_equal(find_fresh(repository, "c/y", "after"), 0);
	dcd_json_free(to_two);
	dcd_json_free(to_one);

	char name[32];
	for (unsigned i = 0; i <= DCD_TUF_DELEGATED_MAX; i++) {
		(void)snprintf(name, sizeof name, "many%u", i);
		fake_delegate(repository, &repository->delegations, name, 4, "paths", "m/*", false);
		publish_with(repository, name, 4,
			     i == DCD_TUF_DELEGATED_MAX       ? "m/last"
			     : i == DCD_TUF_DELEGATED_MAX - 1 ? "m/x"
							      : NULL,
			     "many", NULL);
	}
	fake_publish_next(repository);
	assert_int_equal(find_fresh(repository, "m/x", "many"), 0);
	assert_int_equal(find_fresh(repository, "m/last", ""), DCD_ERR_UNLISTED);
}

static void hash_prefixes_choose_by_the_paths_hash(void **state)
{
	struct fake_repository *repository = *state;
	/* SHA-256 of "bin/x" begins with b8. */
	fake_delegate(repository, &repository->delegations, "wrong", 4, "path_hash_prefixes", "zz", false);
	fake_delegate(repository, &repository->delegations, "bin", 5, "path_hash_prefixes", "b8", false);
	publish_with(repository, "wrong", 4, "bin/x", "wrong", NULL);
	publish_with(repository, "bin", 5, "bin/x", "right", NULL);
	fake_publish_next(repository);
	assert_int_equal(find_fresh(repository, "bin/x", "right"), 0);
}

static void delegations_that_cannot_be_followed_are_refused(void **state)
{
	struct fake_repository *repository = *state;
	static const char *const names[] = { "root", "targets", "", "line\nend" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		fake_delegate(repository, &repository->delegations, names[i], 4, "paths", "*", false);
		fake_publish_next(repository);
		assert_int_equal(fake_try(repository, NULL), DCD_ERR_MALFORMED);
		dcd_json_free(repository->delegations);
		repository->delegations = NULL;
	}
	fake_delegate(repository, &repository->delegations, "x", 4, "no paths at all", "*", false);
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_MALFORMED);
	dcd_json_free(repository->delegations);
	repository->delegations = NULL;
	fake_delegate(repository, &repository->delegations, "twice", 4, "paths", "*", false);
	fake_delegate(repository, &repository->delegations, "twice", 5, "paths", "*", false);
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_MALFORMED);
}

static void a_role_that_the_snapshot_does_not_list_is_not_asked_for(void **state)
{
	struct fake_repository *repository = *state;
	fake_delegate(repository, &repository->delegations, "team", 5, "paths", "team/*", false);
	publish_with(repository, "team", 5, "team/a", "A", NULL);
	dcd_json_free(repository->delegated_meta);
	repository->delegated_meta = dcd_json_new_object();
	fake_publish_next(repository);
	struct dcd_tuf *tuf = NULL;
	struct dcd_diag diag = { 0 };
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, &diag), 0);
	size_t before = repository->requests;
	assert_int_equal(find(tuf, "team/a", ""), DCD_ERR_MALFORMED);
	assert_int_equal(repository->requests, before);
	dcd_tuf_free(tuf);
}

static void a_role_called_like_a_stored_root_does_not_replace_it(void **state)
{
	struct fake_repository *repository = *state;
	repository->roles[FAKE_ROOT].version = 2;
	fake_publish_root(repository);
	fake_delegate(repository, &repository->delegations, "2.root", 5, "paths", "team/*", false);
	publish_with(repository, "2.root", 5, "team/a", "A", NULL);
	fake_publish_next(repository);
	assert_int_equal(find_fresh(repository, "team/a", "A"), 0);
	const struct fake_file *kept = fake_find(&repository->stored, "2.root.json");
	const struct fake_file *served = fake_find(&repository->served, "metadata/2.root.json");
	assert_int_equal(kept->len, served->len);
	assert_memory_equal(kept->data, served->data, kept->len);
}

static int collect(void *context, const struct dcd_tuf_target *target)
{
	char *names = context;
	strcat(strcat(names, target->path), " ");
	return 0;
}

static void delegated_releases_are_listed_where_a_look_up_would_find_them(void **state)
{
	struct fake_repository *repository = *state;
	char names[200] = "";
	fake_delegate(repository, &repository->delegations, "product", 5, "paths", "releases/*", false);
	fake_delegate(repository, &repository->delegations, "elsewhere", 6, "paths", "other/*", false);
	struct dcd_json *targets = one_target(repository, "releases/1.json", "1");
	struct dcd_json *more = one_target(repository, "stolen/1.json", "2");
	assert_int_equal(dcd_json_set(targets, "stolen/1.json", dcd_json_copy(dcd_json_member(more, "stolen/1.json"))), 0);
	fake_publish_delegated(repository, "product", 5, targets, NULL);
	/* "elsewhere" is listed but not served: nobody asks for it. */
	publish_with(repository, "elsewhere", 6, NULL, "", NULL);
	fake_remove(&repository->served, "metadata/1.elsewhere.json");
	fake_publish_next(repository);
	struct dcd_tuf *tuf = NULL;
	struct dcd_diag diag = { 0 };
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, &diag), 0);
	assert_int_equal(dcd_tuf_each_target(tuf, collect, names), 0);
	assert_string_equal(names, "folder/hello ");
	names[0] = '\0';
	assert_int_equal(dcd_tuf_load_delegations(tuf, "releases/", &diag), 0);
	assert_int_equal(dcd_tuf_each_target(tuf, collect, names), 0);
	assert_string_equal(names, "folder/hello releases/1.json ");
	assert_int_equal(dcd_tuf_load_delegations(tuf, "", &diag), DCD_ERR_NOT_FOUND); /* a withheld role is an error */
	dcd_tuf_free(tuf);
	dcd_json_free(targets);
	dcd_json_free(more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_repository, free_repository)
		CASE(a_delegated_target_is_found_and_nothing_outside_of_its_paths),
		CASE(a_delegated_role_needs_its_delegators_key),
		CASE(a_cached_role_is_verified_by_each_delegator_anew),
		CASE(the_first_role_in_preorder_wins_and_a_terminating_one_ends_the_search),
		CASE(cycles_end_and_so_does_a_search_of_too_many_roles),
		CASE(hash_prefixes_choose_by_the_paths_hash),
		CASE(delegations_that_cannot_be_followed_are_refused),
		CASE(a_role_that_the_snapshot_does_not_list_is_not_asked_for),
		CASE(a_role_called_like_a_stored_root_does_not_replace_it),
		CASE(delegated_releases_are_listed_where_a_look_up_would_find_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
