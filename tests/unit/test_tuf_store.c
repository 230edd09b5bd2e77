/* What a device's own store protects from, also when a part of it is damaged, and what it doesn't keep. */
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

static void damage(struct fake_repository *repository, const char *name)
{
	struct fake_file *file = fake_find(&repository->stored, name);
	assert_non_null(file);
	file->data[file->len / 2] ^= 1;
}

/* What is served goes back to version 1, all of it. */
static void serve_the_past(struct fake_repository *repository, uint64_t snapshot, uint64_t targets)
{
	repository->roles[FAKE_TIMESTAMP].version = snapshot;
	repository->roles[FAKE_SNAPSHOT].version = snapshot;
	repository->roles[FAKE_TARGETS].version = targets;
	fake_publish(repository);
}

static void advance(struct fake_repository *repository)
{
	for (int i = 0; i < 3; i++) {
		fake_publish_next(repository);
	}
	assert_int_equal(fake_try(repository, NULL), 0); /* version 4 of all */
}

/* One version below the floor that is left is refused, and says what it fell below; the floor itself is taken. */
static void expect_floor(struct fake_repository *repository, uint64_t snapshot, uint64_t targets, const char *why)
{
	struct dcd_diag diag = { 0 };
	serve_the_past(repository, snapshot - 1, targets - 1);
	assert_int_equal(fake_try(repository, &diag), DCD_ERR_METADATA_ROLLBACK);
	assert_non_null(strstr(diag.text, why));
	serve_the_past(repository, snapshot, targets);
	assert_int_equal(fake_try(repository, NULL), 0);
}

static void a_damaged_timestamp_leaves_the_snapshots_version_as_the_floor(void **state)
{
	struct fake_repository *repository = *state;
	advance(repository);
	damage(repository, "timestamp.json");
	expect_floor(repository, 4, 4, "snapshot version 3");
}

static void a_damaged_snapshot_leaves_the_targets_version_as_the_floor(void **state)
{
	struct fake_repository *repository = *state;
	advance(repository);
	damage(repository, "timestamp.json");
	damage(repository, "snapshot.json");
	expect_floor(repository, 2, 4, "version 3 of targets.json");
}

/* What a refresh says was damaged in the store; null: nothing. */
static void expect_damaged(struct fake_repository *repository, const char *names)
{
	struct dcd_tuf *tuf = NULL;
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL), 0);
	if (names == NULL) {
		assert_null(dcd_tuf_damaged(tuf));
	} else {
		assert_string_equal(dcd_tuf_damaged(tuf), names);
	}
	dcd_tuf_free(tuf);
}

static void what_did_not_verify_is_named(void **state)
{
	struct fake_repository *repository = *state;
	advance(repository);
	expect_damaged(repository, NULL);
	damage(repository, "timestamp.json");
	damage(repository, "snapshot.json");
	fake_find(&repository->stored, "targets.json")->len -= 3;
	expect_damaged(repository, "timestamp.json, snapshot.json, targets.json");
	expect_damaged(repository, NULL);
}

static void new_keys_are_no_damage(void **state)
{
	struct fake_repository *repository = *state;
	advance(repository);
	for (int role = FAKE_TIMESTAMP; role <= FAKE_TARGETS; role++) {
		repository->roles[role].keys[0] = 5;
	}
	repository->roles[FAKE_ROOT].version = 2;
	fake_publish_root(repository);
	fake_publish(repository);
	expect_damaged(repository, NULL);
	repository->roles[FAKE_TARGETS].keys[0] = 6;
	repository->roles[FAKE_ROOT].version = 3;
	fake_publish_root(repository);
	fake_publish_next(repository);
	expect_damaged(repository, NULL);
}

/* The specification's way back from targets versions that ran away: the snapshot's keys are replaced. */
static void rotated_snapshot_keys_forget_the_targets_version_too(void **state)
{
	struct fake_repository *repository = *state;
	repository->roles[FAKE_TARGETS].version = 1 << 30;
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	repository->roles[FAKE_SNAPSHOT].keys[0] = 5;
	repository->roles[FAKE_ROOT].version = 2;
	fake_publish_root(repository);
	repository->roles[FAKE_TARGETS].version = 1;
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
}

static int load_all(struct fake_repository *repository)
{
	struct dcd_tuf *tuf = NULL;
	int err = fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL);
	if (err == 0) {
		err = dcd_tuf_load_delegations(tuf, "", NULL);
	}
	dcd_tuf_free(tuf);
	return err;
}

static void a_role_that_nobody_delegates_to_any_more_leaves_the_store(void **state)
{
	struct fake_repository *repository = *state;
	static const char *const names[] = { "team", "odd name", "other" };
	struct dcd_json *inner = NULL;
	fake_delegate(repository, &inner, "below", 6, "paths", "team/x/*", false);
	for (size_t i = 0; i < 3; i++) {
		fake_delegate(repository, &repository->delegations, names[i], 5, "paths", "team/*", false);
		fake_publish_delegated(repository, names[i], 5, NULL, i == 0 ? inner : NULL);
	}
	fake_publish_delegated(repository, "below", 6, NULL, NULL);
	fake_publish_next(repository);
	assert_int_equal(load_all(repository), 0);
	assert_non_null(fake_find(&repository->stored, "team.json"));
	assert_non_null(fake_find(&repository->stored, "odd%20name.json"));
	assert_non_null(fake_find(&repository->stored, "below.json"));
	dcd_json_free(repository->delegations);
	repository->delegations = NULL;
	fake_delegate(repository, &repository->delegations, "other", 5, "paths", "team/*", false);
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0); /* fetches no delegated role again */
	assert_non_null(fake_find(&repository->stored, "other.json"));
	assert_int_equal(load_all(repository), 0);
	assert_null(fake_find(&repository->stored, "team.json"));
	assert_null(fake_find(&repository->stored, "odd%20name.json"));
	assert_non_null(fake_find(&repository->stored, "other.json"));
	assert_non_null(fake_find(&repository->stored, "targets.json"));
	dcd_json_free(inner);
}

static void a_source_that_forbids_the_next_root_has_none(void **state)
{
	struct fake_repository *repository = *state;
	repository->missing = DCD_ERR_FORBIDDEN;
	assert_int_equal(fake_try(repository, NULL), 0);
	fake_remove(&repository->served, "metadata/timestamp.json");
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_FORBIDDEN);
}

static void a_file_that_is_too_large_is_refused_in_the_sources_own_words(void **state)
{
	struct fake_repository *repository = *state;
	struct dcd_diag diag = { 0 };
	repository->endless = "metadata/timestamp.json";
	assert_int_equal(fake_try(repository, &diag), DCD_ERR_SIZE);
	assert_non_null(strstr(diag.text, "metadata/timestamp.json"));
	assert_non_null(strstr(diag.text, "16384"));
	repository->why = "https://a.example: it says that it has a gigabyte";
	assert_int_equal(fake_try(repository, &diag), DCD_ERR_SIZE);
	assert_string_equal(diag.text, "metadata/timestamp.json: https://a.example: it says that it has a gigabyte");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_repository, free_repository)
	const struct CMUnitTest tests[] = {
		CASE(a_damaged_timestamp_leaves_the_snapshots_version_as_the_floor),
		CASE(a_damaged_snapshot_leaves_the_targets_version_as_the_floor),
		CASE(what_did_not_verify_is_named),
		CASE(new_keys_are_no_damage),
		CASE(rotated_snapshot_keys_forget_the_targets_version_too),
		CASE(a_role_that_nobody_delegates_to_any_more_leaves_the_store),
		CASE(a_source_that_forbids_the_next_root_has_none),
		CASE(a_file_that_is_too_large_is_refused_in_the_sources_own_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
