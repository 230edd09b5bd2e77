/* One repository an attack: each must be refused, with the code that says why and the file's name. */
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

static void assert_refused(struct fake_repository *repository, int expected, const char *file)
{
	struct dcd_diag diag = { 0 };
	int err = fake_try(repository, &diag);
	if (err != expected) {
		print_error("%s (%s)\n", dcd_err_name(err), diag.text);
	}
	assert_int_equal(err, expected);
	if (strstr(diag.text, file) == NULL) {
		print_error("the sentence doesn't name %s: %s\n", file, diag.text);
	}
	assert_non_null(strstr(diag.text, file));
}

static void a_key_that_is_not_the_roles_signs_nothing(void **state)
{
	struct fake_repository *repository = *state;
	for (int role = FAKE_TIMESTAMP; role < FAKE_ROLES; role++) {
		static const char *const files[] = { "", "metadata/timestamp.json", "metadata/3.snapshot.json",
						     "metadata/4.targets.json" };
		int own = repository->roles[role].keys[0];
		repository->roles[role].keys[0] = 6;
		fake_publish_next(repository);
		assert_refused(repository, DCD_ERR_SIGNATURE, files[role]);
		repository->roles[role].keys[0] = own;
	}
}

static void another_key_under_the_right_id_signs_nothing(void **state)
{
	struct fake_repository *repository = *state;
	struct dcd_private_key *own = repository->keys[FAKE_TIMESTAMP];
	repository->keys[FAKE_TIMESTAMP] = repository->keys[6];
	fake_publish_role(repository, FAKE_TIMESTAMP);
	repository->keys[FAKE_TIMESTAMP] = own;
	assert_refused(repository, DCD_ERR_SIGNATURE, "metadata/timestamp.json");
}

static void rotate_timestamp_role(struct fake_repository *repository, int first, int second, int signers)
{
	repository->roles[FAKE_ROOT].version++;
	repository->roles[FAKE_TIMESTAMP] = (struct fake_role){
		.keys = { first, second }, .key_count = 2, .signers = signers, .threshold = 2, .version = 1, .expires = FAKE_LATER
	};
	fake_publish_root(repository);
	fake_publish(repository);
}

static void a_key_under_two_ids_counts_once(void **state)
{
	struct fake_repository *repository = *state;
	rotate_timestamp_role(repository, 5, 5 + FAKE_ALIAS, 2);
	assert_refused(repository, DCD_ERR_SIGNATURE, "metadata/timestamp.json");
	/* And two keys count twice. */
	rotate_timestamp_role(repository, 5, 6, 2);
	assert_int_equal(fake_try(repository, NULL), 0);
}

static void one_signature_of_two_is_too_few(void **state)
{
	struct fake_repository *repository = *state;
	rotate_timestamp_role(repository, 5, 6, 1);
	assert_refused(repository, DCD_ERR_SIGNATURE, "metadata/timestamp.json");
}

static void a_root_version_cannot_be_skipped(void **state)
{
	struct fake_repository *repository = *state;
	repository->roles[FAKE_ROOT].version = 3;
	fake_publish_root(repository);
	const struct fake_file *root = fake_find(&repository->served, "metadata/3.root.json");
	fake_put(&repository->served, "metadata/2.root.json", root->data, root->len);
	assert_refused(repository, DCD_ERR_METADATA_ROLLBACK, "metadata/2.root.json");
	/* Nor can the same one come again. */
	fake_put(&repository->served, "metadata/2.root.json", repository->factory_root, repository->factory_root_len);
	assert_refused(repository, DCD_ERR_METADATA_ROLLBACK, "metadata/2.root.json");
	assert_null(fake_find(&repository->stored, "2.root.json"));
}

static void a_root_needs_the_old_keys_and_its_own(void **state)
{
	struct fake_repository *repository = *state;
	/* Its own keys are not among the signers. */
	repository->roles[FAKE_ROOT].version = 2;
	repository->roles[FAKE_ROOT].keys[0] = 6;
	repository->roles[FAKE_ROOT].signers = 0;
	fake_publish_root(repository);
	assert_refused(repository, DCD_ERR_SIGNATURE, "metadata/2.root.json");
	/* The old ones are not. */
	struct dcd_private_key *own = repository->keys[0];
	repository->roles[FAKE_ROOT].signers = 1;
	repository->keys[0] = repository->keys[7];
	fake_publish_root(repository);
	repository->keys[0] = own;
	assert_refused(repository, DCD_ERR_SIGNATURE, "metadata/2.root.json");
	fake_publish_root(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
}

static void an_old_timestamp_is_a_rollback(void **state)
{
	struct fake_repository *repository = *state;
	const struct fake_file *old = fake_find(&repository->served, "metadata/timestamp.json");
	struct fake_file kept = *old;
	uint8_t *copy = malloc(kept.len);
	assert_non_null(copy);
	memcpy(copy, kept.data, kept.len);
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	fake_put(&repository->served, "metadata/timestamp.json", copy, kept.len);
	free(copy);
	assert_refused(repository, DCD_ERR_METADATA_ROLLBACK, "metadata/timestamp.json");
}

static void an_old_snapshot_under_a_new_timestamp_is_a_rollback(void **state)
{
	struct fake_repository *repository = *state;
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	repository->roles[FAKE_TIMESTAMP].version = 3;
	repository->roles[FAKE_SNAPSHOT].version = 1;
	fake_publish_role(repository, FAKE_TIMESTAMP);
	assert_refused(repository, DCD_ERR_METADATA_ROLLBACK, "metadata/timestamp.json");
}

static void old_targets_under_a_new_snapshot_are_a_rollback(void **state)
{
	struct fake_repository *repository = *state;
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	repository->roles[FAKE_TIMESTAMP].version = 3;
	repository->roles[FAKE_SNAPSHOT].version = 3;
	repository->roles[FAKE_TARGETS].version = 1;
	fake_publish(repository);
	assert_refused(repository, DCD_ERR_METADATA_ROLLBACK, "metadata/3.snapshot.json");
}

static void a_file_of_another_version_does_not_fit_in(void **state)
{
	struct fake_repository *repository = *state;
	repository->names_hashes = false;
	fake_publish_next(repository);
	/* Mix and match: version 1 of the targets, honestly signed, in the place of version 2. */
	repository->roles[FAKE_TARGETS].version = 1;
	fake_publish_role(repository, FAKE_TARGETS);
	const struct fake_file *old = fake_find(&repository->served, "metadata/1.targets.json");
	fake_put(&repository->served, "metadata/2.targets.json", old->data, old->len);
	assert_refused(repository, DCD_ERR_METADATA_ROLLBACK, "metadata/2.targets.json");
}

static void a_file_of_the_wrong_role_does_not_fit_in(void **state)
{
	struct fake_repository *repository = *state;
	const struct fake_file *snapshot = fake_find(&repository->served, "metadata/1.snapshot.json");
	fake_put(&repository->served, "metadata/timestamp.json", snapshot->data, snapshot->len);
	assert_refused(repository, DCD_ERR_MALFORMED, "metadata/timestamp.json");
}

static void metadata_of_another_content_or_length_is_refused(void **state)
{
	struct fake_repository *repository = *state;
	/* Signed by the right key, but not the file that the snapshot means. */
	fake_add_target(repository, "folder/hallo", "hallo", 5, NULL);
	fake_publish_role(repository, FAKE_TARGETS);
	assert_refused(repository, DCD_ERR_SIZE, "metadata/1.targets.json");
	fake_publish_next(repository);
	size_t len = fake_find(&repository->served, "metadata/2.targets.json")->len;
	/* Until the lengths agree: signatures vary in length by a byte or two. */
	for (int day = 2; day < 30; day++) {
		char expires[32];
		(void)snprintf(expires, sizeof expires, "2031-01-%02dT00:00:00Z", day);
		repository->roles[FAKE_TARGETS].expires = expires;
		fake_publish_role(repository, FAKE_TARGETS);
		if (fake_find(&repository->served, "metadata/2.targets.json")->len == len) {
			break;
		}
	}
	assert_refused(repository, DCD_ERR_HASH, "metadata/2.targets.json");
}

static void each_expired_role_is_named(void **state)
{
	struct fake_repository *repository = *state;
	static const char *const files[] = { "root", "metadata/timestamp.json", "metadata/2.snapshot.json",
					     "metadata/3.targets.json" };
	repository->roles[FAKE_TIMESTAMP].expires = FAKE_PAST;
	fake_publish(repository);
	assert_refused(repository, DCD_ERR_EXPIRED, files[FAKE_TIMESTAMP]);
	repository->roles[FAKE_TIMESTAMP].expires = FAKE_LATER;
	repository->roles[FAKE_SNAPSHOT].expires = FAKE_PAST;
	fake_publish_next(repository);
	assert_refused(repository, DCD_ERR_EXPIRED, files[FAKE_SNAPSHOT]);
	repository->roles[FAKE_SNAPSHOT].expires = FAKE_LATER;
	repository->roles[FAKE_TARGETS].expires = FAKE_PAST;
	fake_publish_next(repository);
	assert_refused(repository, DCD_ERR_EXPIRED, files[FAKE_TARGETS]);
	repository->roles[FAKE_TARGETS].expires = FAKE_LATER;
	repository->roles[FAKE_ROOT].expires = FAKE_PAST;
	repository->roles[FAKE_ROOT].version = 2;
	fake_publish_root(repository);
	assert_refused(repository, DCD_ERR_EXPIRED, files[FAKE_ROOT]);
	assert_null(fake_find(&repository->stored, "targets.json"));
}

static void endless_data_ends_at_the_bound(void **state)
{
	struct fake_repository *repository = *state;
	static const char *const paths[] = { "metadata/2.root.json", "metadata/timestamp.json", "metadata/1.snapshot.json",
					     "metadata/1.targets.json" };
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		repository->endless = paths[i];
		assert_refused(repository, DCD_ERR_SIZE, paths[i]);
	}
	/* Without a signed length the fixed bounds hold. */
	repository->names_hashes = false;
	fake_publish_next(repository);
	repository->endless = "metadata/2.targets.json";
	assert_refused(repository, DCD_ERR_SIZE, "metadata/2.targets.json");
}

static void a_target_of_other_bytes_is_refused(void **state)
{
	struct fake_repository *repository = *state;
	struct dcd_tuf *tuf = NULL;
	struct dcd_tuf_target target;
	struct dcd_diag diag = { 0 };
	uint8_t *data = NULL;
	size_t len = 0;
	char path[200] = "";
	for (size_t i = 0; i < repository->served.count; i++) {
		if (strstr(repository->served.files[i].name, ".hello") != NULL) {
			(void)snprintf(path, sizeof path, "%s", repository->served.files[i].name);
		}
	}
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, &diag), 0);
	assert_int_equal(dcd_tuf_find_target(tuf, "folder/hello", &target, &diag), 0);
	static const struct {
		const char *bytes;
		int err;
	} wrong[] = { { "hallo", DCD_ERR_HASH }, { "hell", DCD_ERR_SIZE }, { "hello!", DCD_ERR_SIZE }, { "", DCD_ERR_SIZE } };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		fake_put(&repository->served, path, wrong[i].bytes, strlen(wrong[i].bytes));
		assert_int_equal(dcd_tuf_load_target(tuf, &target, 100, &data, &len, &diag), wrong[i].err);
		assert_non_null(strstr(diag.text, path));
		assert_null(data);
	}
	dcd_tuf_free(tuf);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_repository, free_repository)
	const struct CMUnitTest tests[] = {
		CASE(a_key_that_is_not_the_roles_signs_nothing),
		CASE(another_key_under_the_right_id_signs_nothing),
		CASE(a_key_under_two_ids_counts_once),
		CASE(one_signature_of_two_is_too_few),
		CASE(a_root_version_cannot_be_skipped),
		CASE(a_root_needs_the_old_keys_and_its_own),
		CASE(an_old_timestamp_is_a_rollback),
		CASE(an_old_snapshot_under_a_new_timestamp_is_a_rollback),
		CASE(old_targets_under_a_new_snapshot_are_a_rollback),
		CASE(a_file_of_another_version_does_not_fit_in),
		CASE(a_file_of_the_wrong_role_does_not_fit_in),
		CASE(metadata_of_another_content_or_length_is_refused),
		CASE(each_expired_role_is_named),
		CASE(endless_data_ends_at_the_bound),
		CASE(a_target_of_other_bytes_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
