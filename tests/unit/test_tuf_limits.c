/* Rules that an attack doesn't show but that the client holds: bounds, doubled ids, other hashes, delegated roles that age. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "manifest/crypto/sha512.h"
#include "manifest/tuf/tuf_delegation.h"
#include "manifest/tuf/tuf_metadata.h"
#include "manifest/tuf/tuf_role.h"
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

static int parse_metadata(const char *text)
{
	TUF_AUTO_METADATA struct tuf_metadata *metadata = NULL;
	const struct tuf_bytes bytes = { (uint8_t *)(uintptr_t)text, strlen(text) };
	return tuf_metadata_parse(&bytes, "timestamp", "a file", &metadata, NULL);
}

#define TIMESTAMP(spec)                                                                                                          \
	"{\"_type\":\"timestamp\",\"spec_version\":\"" spec "\",\"version\":1,\"expires\":\"2031-01-01T00:00:00Z\",\"meta\":{}}"

static void another_major_version_of_the_specification_is_refused(void **state)
{
	(void)state;
	assert_int_equal(parse_metadata("{\"signatures\":[],\"signed\":" TIMESTAMP("1.0.34") "}"), 0);
	assert_int_equal(parse_metadata("{\"signatures\":[],\"signed\":" TIMESTAMP("1.9") "}"), 0);
	assert_int_equal(parse_metadata("{\"signatures\":[],\"signed\":" TIMESTAMP("2.0.0") "}"), DCD_ERR_UNSUPPORTED);
	assert_int_equal(parse_metadata("{\"signatures\":[],\"signed\":" TIMESTAMP("10.0") "}"), DCD_ERR_UNSUPPORTED);
}

static void two_signatures_by_one_key_id_and_floods_of_them_are_refused(void **state)
{
	(void)state;
	static const char one[] = "{\"keyid\":\"a\",\"sig\":\"00\"}";
	char *text = malloc(200000);
	assert_non_null(text);
	(void)snprintf(text, 200000, "{\"signatures\":[%s,%s],\"signed\":%s}", one, one, TIMESTAMP("1.0"));
	assert_int_equal(parse_metadata(text), DCD_ERR_MALFORMED);
	size_t used = (size_t)snprintf(text, 200000, "{\"signatures\":[");
	for (unsigned i = 0; i <= TUF_SIGNATURES_MAX; i++) {
		used += (size_t)snprintf(text + used, 200000 - used, "%s{\"keyid\":\"%u\",\"sig\":\"\"}", i > 0 ? "," : "", i);
	}
	(void)snprintf(text + used, 200000 - used, "],\"signed\":%s}", TIMESTAMP("1.0"));
	assert_int_equal(parse_metadata(text), DCD_ERR_MALFORMED);
	free(text);
}

static int read_role(const char *text)
{
	struct dcd_json *document = NULL;
	struct tuf_role role = { 0 };
	assert_int_equal(dcd_json_parse((const uint8_t *)text, strlen(text), "a role", &document, NULL), 0);
	struct dcd_json *keys = dcd_json_new_object();
	int err = tuf_role_read(keys, document, "x", "a file", &role, NULL);
	if (err == 0) {
		tuf_role_clear(&role);
	}
	dcd_json_free(keys);
	dcd_json_free(document);
	return err;
}

static void a_role_lists_each_key_id_once_and_not_too_many(void **state)
{
	(void)state;
	char text[4000];
	assert_int_equal(read_role("{\"threshold\":1,\"keyids\":[\"a\",\"b\"]}"), 0);
	assert_int_equal(read_role("{\"threshold\":1,\"keyids\":[\"a\",\"a\"]}"), DCD_ERR_MALFORMED);
	assert_int_equal(read_role("{\"threshold\":0,\"keyids\":[\"a\"]}"), DCD_ERR_MALFORMED);
	size_t used = (size_t)snprintf(text, sizeof text, "{\"threshold\":1,\"keyids\":[");
	for (unsigned i = 0; i <= TUF_ROLE_KEYS_MAX; i++) {
		used += (size_t)snprintf(text + used, sizeof text - used, "%s\"%u\"", i > 0 ? "," : "", i);
	}
	(void)snprintf(text + used, sizeof text - used, "]}");
	assert_int_equal(read_role(text), DCD_ERR_MALFORMED);
}

static void a_factory_root_that_its_own_keys_did_not_sign_is_refused(void **state)
{
	struct fake_repository *repository = *state;
	char *sig = strstr((char *)repository->factory_root, "\"sig\":\"");
	assert_non_null(sig);
	sig[20] = sig[20] == '0' ? '1' : '0';
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_SIGNATURE);
}

static void a_new_snapshot_key_forgets_a_snapshot_that_ran_away(void **state)
{
	struct fake_repository *repository = *state;
	repository->roles[FAKE_SNAPSHOT].version = 1000000;
	repository->names_hashes = false;
	fake_publish(repository);
	repository->roles[FAKE_TIMESTAMP].version = 2;
	fake_publish_role(repository, FAKE_TIMESTAMP);
	assert_int_equal(fake_try(repository, NULL), 0);
	repository->roles[FAKE_SNAPSHOT].version = 2;
	repository->roles[FAKE_TIMESTAMP].version = 3;
	repository->roles[FAKE_SNAPSHOT].keys[0] = 6;
	fake_publish(repository);
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_METADATA_ROLLBACK);
	repository->roles[FAKE_ROOT].version = 2;
	fake_publish_root(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
}

static void one_timestamp_version_has_one_content(void **state)
{
	struct fake_repository *repository = *state;
	assert_int_equal(fake_try(repository, NULL), 0);
	repository->roles[FAKE_SNAPSHOT].version = 9;
	fake_publish_role(repository, FAKE_SNAPSHOT);
	fake_publish_role(repository, FAKE_TIMESTAMP); /* version 1 again, naming snapshot 9 */
	struct dcd_tuf *tuf = NULL;
	struct dcd_tuf_versions versions;
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL), 0);
	dcd_tuf_versions(tuf, &versions);
	assert_int_equal(versions.snapshot, 1);
	dcd_tuf_free(tuf);
}

static void a_timestamps_version_may_not_fall_with_the_same_snapshot_either(void **state)
{
	struct fake_repository *repository = *state;
	repository->roles[FAKE_TIMESTAMP].version = 5;
	fake_publish_role(repository, FAKE_TIMESTAMP);
	assert_int_equal(fake_try(repository, NULL), 0);
	repository->roles[FAKE_TIMESTAMP].version = 4;
	fake_publish_role(repository, FAKE_TIMESTAMP);
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_METADATA_ROLLBACK);
}

static int check_delegation(const char *members)
{
	char text[300];
	struct dcd_json *body = NULL;
	(void)snprintf(text, sizeof text,
		       "{\"delegations\":{\"keys\":{},\"roles\":[{\"name\":\"x\",\"keyids\":[],\"threshold\":1%s}]}}", members);
	assert_int_equal(dcd_json_parse((const uint8_t *)text, strlen(text), "targets", &body, NULL), 0);
	const struct tuf_metadata metadata = { .body = body };
	int err = tuf_delegations_check(&metadata, "targets", NULL);
	dcd_json_free(body);
	return err;
}

static void a_delegation_has_paths_or_prefixes_and_not_both(void **state)
{
	(void)state;
	assert_int_equal(check_delegation(",\"paths\":[\"a\"]"), 0);
	assert_int_equal(check_delegation(",\"path_hash_prefixes\":[\"a\"]"), 0);
	assert_int_equal(check_delegation(""), DCD_ERR_MALFORMED);
	assert_int_equal(check_delegation(",\"paths\":[\"a\"],\"path_hash_prefixes\":[\"a\"]"), DCD_ERR_MALFORMED);
	assert_int_equal(check_delegation(",\"paths\":[1]"), DCD_ERR_MALFORMED);
	assert_int_equal(check_delegation(",\"paths\":\"a\""), DCD_ERR_MALFORMED);
}

static void stored_targets_are_used_only_in_the_version_that_the_snapshot_names(void **state)
{
	struct fake_repository *repository = *state;
	repository->names_hashes = false; /* the version is all that tells them apart */
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	fake_publish_next(repository);
	fake_remove(&repository->served, "metadata/3.targets.json");
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_NOT_FOUND);
}

static void a_file_may_be_as_large_as_its_bound_and_no_larger(void **state)
{
	struct fake_repository *repository = *state;
	static char padded[DCD_TUF_TIMESTAMP_MAX + 1];
	repository->canonical = false;
	fake_publish_next(repository);
	const struct fake_file *file = fake_find(&repository->served, "metadata/timestamp.json");
	memset(padded, ' ', sizeof padded);
	memcpy(padded, file->data, file->len);
	fake_put(&repository->served, "metadata/timestamp.json", padded, sizeof padded);
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_SIZE);
	fake_put(&repository->served, "metadata/timestamp.json", padded, sizeof padded - 1);
	assert_int_equal(fake_try(repository, NULL), 0);
}

static void a_file_may_not_vanish_from_the_snapshot(void **state)
{
	struct fake_repository *repository = *state;
	struct dcd_json *entry = dcd_json_new_object();
	assert_int_equal(dcd_json_set_u64(entry, "version", 3), 0);
	assert_int_equal(dcd_json_set(repository->delegated_meta, "team.json", entry), 0);
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	entry = dcd_json_new_object();
	assert_int_equal(dcd_json_set_u64(entry, "version", 2), 0);
	assert_int_equal(dcd_json_set(repository->delegated_meta, "team.json", entry), 0);
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_METADATA_ROLLBACK);
	dcd_json_free(repository->delegated_meta);
	repository->delegated_meta = NULL;
	fake_publish_next(repository);
	struct dcd_diag diag = { 0 };
	assert_int_equal(fake_try(repository, &diag), DCD_ERR_METADATA_ROLLBACK);
	assert_non_null(strstr(diag.text, "vanished"));
}

static void what_is_in_the_store_expires_as_well(void **state)
{
	struct fake_repository *repository = *state;
	repository->roles[FAKE_SNAPSHOT].expires = "2027-03-01T00:00:00Z";
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	repository->now = FAKE_NOW + 100 * 86400;
	struct dcd_diag diag = { 0 };
	assert_int_equal(fake_try(repository, &diag), DCD_ERR_EXPIRED);
	assert_non_null(strstr(diag.text, "snapshot"));
	repository->now = FAKE_NOW;
	repository->roles[FAKE_SNAPSHOT].expires = FAKE_LATER;
	repository->roles[FAKE_TARGETS].expires = "2027-03-01T00:00:00Z";
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	repository->now = FAKE_NOW + 100 * 86400;
	assert_int_equal(fake_try(repository, &diag), DCD_ERR_EXPIRED);
	assert_non_null(strstr(diag.text, "targets"));
}

/* A team with one target, as version 1, under a hash-less snapshot. */
static void publish_team(struct fake_repository *repository, const char *expires)
{
	const char *own = repository->roles[FAKE_TARGETS].expires;
	repository->roles[FAKE_TARGETS].expires = expires;
	fake_publish_delegated(repository, "team", 5, repository->targets, NULL);
	repository->roles[FAKE_TARGETS].expires = own;
	fake_publish_next(repository);
}

static int find_team(struct fake_repository *repository)
{
	struct dcd_tuf *tuf = NULL;
	struct dcd_tuf_target target;
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL), 0);
	int err = dcd_tuf_find_target(tuf, "team/x", &target, NULL);
	dcd_tuf_free(tuf);
	return err;
}

static void a_delegated_role_expires_fetched_or_stored(void **state)
{
	struct fake_repository *repository = *state;
	fake_delegate(repository, &repository->delegations, "team", 5, "paths", "team/*", false);
	publish_team(repository, FAKE_PAST);
	assert_int_equal(find_team(repository), DCD_ERR_EXPIRED);
	publish_team(repository, "2027-03-01T00:00:00Z");
	assert_int_equal(find_team(repository), DCD_ERR_UNLISTED);
	assert_non_null(fake_find(&repository->stored, "team.json"));
	repository->now = FAKE_NOW + 100 * 86400;
	assert_int_equal(find_team(repository), DCD_ERR_EXPIRED);
}

static void a_stored_delegated_role_is_used_only_in_the_version_that_the_snapshot_names(void **state)
{
	struct fake_repository *repository = *state;
	fake_delegate(repository, &repository->delegations, "team", 5, "paths", "team/*", false);
	publish_team(repository, FAKE_LATER);
	assert_int_equal(find_team(repository), DCD_ERR_UNLISTED);
	/* Version 2 is named and not served: version 1 in the store must not stand in for it. */
	struct dcd_json *entry = dcd_json_new_object();
	assert_int_equal(dcd_json_set_u64(entry, "version", 2), 0);
	assert_int_equal(dcd_json_set(repository->delegated_meta, "team.json", entry), 0);
	fake_publish_next(repository);
	assert_int_equal(find_team(repository), DCD_ERR_NOT_FOUND);
}

static void loading_all_delegations_ends_at_cycles_and_at_its_bound(void **state)
{
	struct fake_repository *repository = *state;
	struct dcd_json *to_two = NULL, *to_one = NULL;
	fake_delegate(repository, &repository->delegations, "one", 4, "paths", "c/*", false);
	fake_delegate(repository, &to_two, "two", 4, "paths", "c/*", false);
	fake_delegate(repository, &to_one, "one", 4, "paths", "c/*", false);
	fake_publish_delegated(repository, "one", 4, NULL, to_two);
	fake_publish_delegated(repository, "two", 4, NULL, to_one);
	fake_publish_next(repository);
	struct dcd_tuf *tuf = NULL;
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL), 0);
	assert_int_equal(dcd_tuf_load_delegations(tuf, "c/", NULL), 0);
	dcd_tuf_free(tuf);
	dcd_json_free(to_two);
	dcd_json_free(to_one);
	for (unsigned i = 0; i <= DCD_TUF_DELEGATED_MAX; i++) {
		char name[32];
		(void)snprintf(name, sizeof name, "many%u", i);
		fake_delegate(repository, &repository->delegations, name, 4, "paths", "m/*", false);
		fake_publish_delegated(repository, name, 4, NULL, NULL);
	}
	fake_publish_next(repository);
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL), 0);
	assert_int_equal(dcd_tuf_load_delegations(tuf, "m/", NULL), DCD_ERR_SIZE);
	dcd_tuf_free(tuf);
}

/* The listed target with a SHA-512 instead, or beside a SHA-256. */
static void hash_by_sha512(struct fake_repository *repository, bool right, bool beside)
{
	uint8_t digest[DCD_SHA512_SIZE];
	char hex[2 * DCD_SHA512_SIZE + 1];
	dcd_sha512(right ? "hello" : "hallo", 5, digest);
	dcd_hex_encode(digest, sizeof digest, hex);
	struct dcd_json *entry = dcd_json_copy(dcd_json_member(repository->targets, "folder/hello"));
	struct dcd_json *hashes = beside ? dcd_json_copy(dcd_json_member(entry, "hashes")) : dcd_json_new_object();
	assert_int_equal(dcd_json_set_string(hashes, "sha512", hex), 0);
	assert_int_equal(dcd_json_set(entry, "hashes", hashes), 0);
	assert_int_equal(dcd_json_set(repository->targets, "folder/hello", entry), 0);
	char path[300];
	(void)snprintf(path, sizeof path, "targets/folder/%s.hello", hex);
	fake_put(&repository->served, path, "hello", 5);
	fake_publish_next(repository);
}

static int load_hello(struct fake_repository *repository)
{
	struct dcd_tuf *tuf = NULL;
	struct dcd_tuf_target target;
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL), 0);
	assert_int_equal(dcd_tuf_find_target(tuf, "folder/hello", &target, NULL), 0);
	int err = dcd_tuf_load_target(tuf, &target, 100, &data, &len, NULL);
	dcd_tuf_free(tuf);
	return err;
}

static void every_known_hash_of_a_target_is_checked(void **state)
{
	struct fake_repository *repository = *state;
	hash_by_sha512(repository, true, true);
	assert_int_equal(load_hello(repository), 0);
	hash_by_sha512(repository, false, true);
	assert_int_equal(load_hello(repository), DCD_ERR_HASH);
	hash_by_sha512(repository, true, false);
	assert_int_equal(load_hello(repository), 0);
	hash_by_sha512(repository, false, false);
	assert_int_equal(load_hello(repository), DCD_ERR_HASH);
}

static void a_targets_path_stays_inside_the_repository(void **state)
{
	struct fake_repository *repository = *state;
	struct dcd_tuf *tuf = NULL;
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL), 0);
	static const char *const paths[] = { "../secret", "/etc/passwd", "a//b", "a/../../b", "" };
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		const struct dcd_tuf_target target = { .path = paths[i], .has_sha256 = true, .length = 1 };
		uint8_t *data = NULL;
		size_t len = 0;
		assert_int_equal(dcd_tuf_load_target(tuf, &target, 100, &data, &len, NULL), DCD_ERR_MALFORMED);
	}
	dcd_tuf_free(tuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_repository, free_repository)
		CASE(another_major_version_of_the_specification_is_refused),
		CASE(two_signatures_by_one_key_id_and_floods_of_them_are_refused),
		CASE(a_role_lists_each_key_id_once_and_not_too_many),
		CASE(a_factory_root_that_its_own_keys_did_not_sign_is_refused),
		CASE(a_new_snapshot_key_forgets_a_snapshot_that_ran_away),
		CASE(one_timestamp_version_has_one_content),
		CASE(a_timestamps_version_may_not_fall_with_the_same_snapshot_either),
		CASE(a_delegation_has_paths_or_prefixes_and_not_both),
		CASE(stored_targets_are_used_only_in_the_version_that_the_snapshot_names),
		CASE(a_file_may_be_as_large_as_its_bound_and_no_larger),
		CASE(a_file_may_not_vanish_from_the_snapshot),
		CASE(what_is_in_the_store_expires_as_well),
		CASE(a_delegated_role_expires_fetched_or_stored),
		CASE(a_stored_delegated_role_is_used_only_in_the_version_that_the_snapshot_names),
		CASE(loading_all_delegations_ends_at_cycles_and_at_its_bound),
		CASE(every_known_hash_of_a_target_is_checked),
		CASE(a_targets_path_stays_inside_the_repository),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
