/* What a device's clock may do: stand at 1970, pass 2038 and 2106, jump; and the floor under it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_repository.h"

#define YEAR_2038 INT64_C(2147483648) /* one past what 32 signed bits hold */
#define YEAR_2106 INT64_C(4294967296)

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

static void expire_all(struct fake_repository *repository, const char *when)
{
	for (int role = 0; role < FAKE_ROLES; role++) {
		repository->roles[role].expires = when;
	}
	repository->roles[FAKE_ROOT].version++;
	fake_publish_root(repository);
	fake_publish_next(repository);
}

static void a_clock_at_1970_is_no_obstacle(void **state)
{
	struct fake_repository *repository = *state;
	repository->now = 0;
	assert_int_equal(fake_try(repository, NULL), 0);
}

static void times_beyond_2038_and_2106_compare_right(void **state)
{
	struct fake_repository *repository = *state;
	static const struct {
		int64_t now;
		const char *expires;
		int err;
	} cases[] = {
		{ YEAR_2038 - 1, "2038-01-19T03:14:08Z", 0 }, { YEAR_2038, "2038-01-19T03:14:08Z", DCD_ERR_EXPIRED },
		{ YEAR_2038, "2038-01-19T03:14:09Z", 0 },     { YEAR_2106, "2031-01-01T00:00:00Z", DCD_ERR_EXPIRED },
		{ YEAR_2106, "2106-02-07T06:28:17Z", 0 },     { YEAR_2106 + 1, "2106-02-07T06:28:17Z", DCD_ERR_EXPIRED },
		{ FAKE_NOW, "9999-12-31T23:59:59Z", 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		repository->now = cases[i].now;
		expire_all(repository, cases[i].expires);
		assert_int_equal(fake_try(repository, NULL), cases[i].err);
	}
}

static void a_clock_that_falls_back_does_not_revive_what_had_expired(void **state)
{
	struct fake_repository *repository = *state;
	/* Signed at the device's time; the timestamp is good for a month. */
	repository->signed_at = "2027-01-14T00:00:00Z";
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	/* The attacker holds the device at an old, validly signed timestamp, and its clock at 1970. */
	repository->now = 0;
	repository->roles[FAKE_TIMESTAMP].expires = "2027-01-13T00:00:00Z";
	repository->roles[FAKE_TIMESTAMP].version++;
	repository->signed_at = NULL;
	fake_publish_role(repository, FAKE_TIMESTAMP);
	struct dcd_diag diag = { 0 };
	assert_int_equal(fake_try(repository, &diag), DCD_ERR_EXPIRED);
	assert_non_null(strstr(diag.text, "timestamp.json"));
}

static void the_floor_is_only_what_the_timestamps_keys_signed(void **state)
{
	struct fake_repository *repository = *state;
	repository->signed_at = "2030-06-01T00:00:00Z";
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	/* Somebody edits the store. */
	struct fake_file *stored = fake_find(&repository->stored, "timestamp.json");
	char *year = strstr((char *)stored->data, "2030-06");
	assert_non_null(year);
	memcpy(year, "2035-06", 7);
	repository->signed_at = NULL;
	expire_all(repository, "2030-01-01T00:00:00Z"); /* before the signed floor, after the device's clock */
	assert_int_equal(fake_try(repository, NULL), 0);
}

static void a_stolen_timestamp_key_cannot_lock_a_device_out_with_a_floor(void **state)
{
	struct fake_repository *repository = *state;
	repository->signed_at = "2099-01-01T00:00:00Z";
	repository->roles[FAKE_TIMESTAMP].expires = "2100-01-01T00:00:00Z";
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	/* As long as that key counts, time stands at 2099. */
	repository->signed_at = NULL;
	repository->roles[FAKE_TIMESTAMP].expires = FAKE_LATER;
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_EXPIRED);
	/* The root that replaces it takes the floor along. */
	repository->roles[FAKE_TIMESTAMP].keys[0] = 6;
	repository->roles[FAKE_ROOT].version++;
	fake_publish_root(repository);
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
}

static void a_signing_time_after_the_expiry_says_nothing(void **state)
{
	struct fake_repository *repository = *state;
	repository->signed_at = "2031-01-01T00:00:00Z"; /* FAKE_LATER itself */
	fake_publish_next(repository);
	struct dcd_tuf *tuf = NULL;
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL), 0);
	assert_int_equal(dcd_tuf_signing_time(tuf), 0);
	dcd_tuf_free(tuf);
	repository->signed_at = "2027-01-14T00:00:00Z";
	fake_publish_next(repository);
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, NULL), 0);
	assert_int_equal(dcd_tuf_signing_time(tuf), 1799884800);
	dcd_tuf_free(tuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_repository, free_repository)
		CASE(a_clock_at_1970_is_no_obstacle),
		CASE(times_beyond_2038_and_2106_compare_right),
		CASE(a_clock_that_falls_back_does_not_revive_what_had_expired),
		CASE(the_floor_is_only_what_the_timestamps_keys_signed),
		CASE(a_stolen_timestamp_key_cannot_lock_a_device_out_with_a_floor),
		CASE(a_signing_time_after_the_expiry_says_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
