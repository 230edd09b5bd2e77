/* What the client does with an honest repository. The dishonest ones are in test_tuf_attacks.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

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

static void assert_hello(struct dcd_tuf *tuf)
{
	struct dcd_tuf_target target;
	struct dcd_diag diag;
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(dcd_tuf_find_target(tuf, "folder/hello", &target, &diag), 0);
	assert_int_equal(dcd_tuf_load_target(tuf, &target, 100, &data, &len, &diag), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(data, "hello", 5);
	free(data);
	assert_int_equal(dcd_tuf_load_target(tuf, &target, 4, &data, &len, &diag), DCD_ERR_SIZE);
	assert_int_equal(dcd_tuf_find_target(tuf, "folder", &target, &diag), DCD_ERR_UNLISTED);
}

static void assert_works(struct fake_repository *repository)
{
	struct dcd_tuf *tuf = NULL;
	struct dcd_diag diag = { 0 };
	int err = fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, &diag);
	if (err != 0) {
		print_error("%s\n", diag.text);
	}
	assert_int_equal(err, 0);
	assert_null(dcd_tuf_stale(tuf));
	assert_hello(tuf);
	dcd_tuf_free(tuf);
}

static void a_target_comes_out_of_every_layout(void **state)
{
	(void)state;
	for (int layout = 0; layout < 8; layout++) {
		struct fake_repository *repository = fake_repository_new();
		repository->consistent = (layout & 1) != 0;
		repository->names_hashes = (layout & 2) != 0;
		repository->canonical = (layout & 4) != 0;
		repository->roles[FAKE_ROOT].version = 2;
		fake_add_target(repository, "folder/hello", "hello", 5, NULL);
		fake_publish_root(repository);
		fake_publish_next(repository);
		assert_works(repository);
		fake_repository_free(repository);
	}
}

static void a_poll_that_finds_nothing_new_asks_for_two_files(void **state)
{
	struct fake_repository *repository = *state;
	assert_works(repository);
	repository->requests = 0;
	assert_int_equal(fake_try(repository, NULL), 0);
	assert_int_equal(repository->requests, 2);
}

static int count_target(void *context, const struct dcd_tuf_target *target)
{
	assert_non_null(target->path);
	return ++*(int *)context == 2 ? DCD_ERR_CANCELLED : 0;
}

static void every_listed_target_is_named_until_the_caller_stops(void **state)
{
	struct fake_repository *repository = *state;
	struct dcd_tuf *tuf = NULL;
	int count = 0;
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL), 0);
	assert_int_equal(dcd_tuf_each_target(tuf, count_target, &count), 0);
	assert_int_equal(count, 1);
	dcd_tuf_free(tuf);
	fake_add_target(repository, "b", "b", 1, NULL);
	fake_add_target(repository, "c", "c", 1, NULL);
	fake_publish_next(repository);
	count = 0;
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL), 0);
	assert_int_equal(dcd_tuf_each_target(tuf, count_target, &count), DCD_ERR_CANCELLED);
	assert_int_equal(count, 2);
	dcd_tuf_free(tuf);
}

static void roots_are_walked_one_by_one_and_kept(void **state)
{
	struct fake_repository *repository = *state;
	for (uint64_t version = 2; version <= 5; version++) {
		repository->roles[FAKE_ROOT].version = version;
		fake_publish_root(repository);
	}
	assert_works(repository);
	assert_non_null(fake_find(&repository->stored, "5.root.json"));
	repository->requests = 0;
	assert_works(repository);
	assert_int_equal(repository->requests, 3); /* 6.root.json, timestamp, and the target */
}

static void a_stored_root_that_does_not_follow_is_not_used(void **state)
{
	struct fake_repository *repository = *state;
	repository->roles[FAKE_ROOT].version = 2;
	fake_publish_root(repository);
	assert_works(repository);
	/* Somebody wrote into the store: a root signed by a stranger, with the stranger's keys. */
	struct fake_repository *stranger = fake_repository_new();
	stranger->roles[FAKE_ROOT].version = 2;
	fake_publish_root(stranger);
	const struct fake_file *root = fake_find(&stranger->served, "metadata/2.root.json");
	fake_put(&repository->stored, "2.root.json", root->data, root->len);
	assert_works(repository);
	fake_repository_free(stranger);
}

static void a_damaged_store_counts_as_an_empty_one(void **state)
{
	struct fake_repository *repository = *state;
	assert_works(repository);
	for (size_t i = 0; i < repository->stored.count; i++) {
		repository->stored.files[i].data[repository->stored.files[i].len / 2] ^= 1;
	}
	assert_works(repository);
}

static void rotated_timestamp_keys_forget_a_version_that_ran_away(void **state)
{
	struct fake_repository *repository = *state;
	/* The timestamp key was stolen, and the thief signed version 2^62: without recovery no honest one could follow. */
	repository->roles[FAKE_TIMESTAMP].version = UINT64_C(1) << 62;
	repository->roles[FAKE_SNAPSHOT].version = 7;
	fake_publish(repository);
	assert_works(repository);
	repository->roles[FAKE_TIMESTAMP].version = 2;
	repository->roles[FAKE_SNAPSHOT].version = 3;
	fake_publish(repository);
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_METADATA_ROLLBACK);
	/* The new key joins the old one, so that the thief's file would still verify. */
	repository->roles[FAKE_TIMESTAMP].keys[1] = 5;
	repository->roles[FAKE_TIMESTAMP].key_count = 2;
	repository->roles[FAKE_ROOT].version = 2;
	fake_publish_root(repository);
	fake_publish(repository);
	assert_works(repository);
}

static void what_has_expired_is_reported_where_the_policy_says_so(void **state)
{
	struct fake_repository *repository = *state;
	struct dcd_tuf *tuf = NULL;
	for (int role = FAKE_TIMESTAMP; role < FAKE_ROLES; role++) {
		repository->roles[role].expires = FAKE_PAST;
	}
	fake_publish_next(repository);
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_REPORT, &tuf, NULL), 0);
	assert_string_equal(dcd_tuf_stale(tuf), "timestamp expired 2026-01-01T00:00:00Z, snapshot expired 2026-01-01T00:00:00Z, "
						"targets expired 2026-01-01T00:00:00Z");
	assert_hello(tuf);
	dcd_tuf_free(tuf);
	/* From the store it is no fresher. */
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_EXPIRED);
}

static void an_expired_root_is_passed_on_the_way_to_a_fresh_one(void **state)
{
	struct fake_repository *repository = *state;
	repository->roles[FAKE_ROOT].version = 2;
	repository->roles[FAKE_ROOT].expires = FAKE_PAST;
	fake_publish_root(repository);
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_EXPIRED);
	repository->roles[FAKE_ROOT].version = 3;
	repository->roles[FAKE_ROOT].expires = FAKE_LATER;
	fake_publish_root(repository);
	assert_works(repository);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_repository, free_repository)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_target_comes_out_of_every_layout),
		CASE(a_poll_that_finds_nothing_new_asks_for_two_files),
		CASE(every_listed_target_is_named_until_the_caller_stops),
		CASE(roots_are_walked_one_by_one_and_kept),
		CASE(a_stored_root_that_does_not_follow_is_not_used),
		CASE(a_damaged_store_counts_as_an_empty_one),
		CASE(rotated_timestamp_keys_forget_a_version_that_ran_away),
		CASE(what_has_expired_is_reported_where_the_policy_says_so),
		CASE(an_expired_root_is_passed_on_the_way_to_a_fresh_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
