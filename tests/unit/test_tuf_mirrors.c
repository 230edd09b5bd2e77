/* The signed mirror list: whose word it is, and what of it is used. */
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

struct given {
	size_t count;
	size_t stop_at; /* 0: never */
	char urls[DCD_TUF_MIRRORS_MAX + 1][DCD_TUF_MIRROR_URL_MAX + 8];
};

static int give(void *context, const char *url)
{
	struct given *given = context;
	assert_true(given->count <= DCD_TUF_MIRRORS_MAX);
	(void)snprintf(given->urls[given->count++], sizeof given->urls[0], "%s", url);
	return given->count == given->stop_at ? DCD_ERR_CANCELLED : 0;
}

static int mirrors(struct fake_repository *repository, struct given *given)
{
	const struct dcd_tuf_options options = { .store = &repository->store,
						 .factory_root = repository->factory_root,
						 .factory_root_len = repository->factory_root_len };
	*given = (struct given){ .stop_at = given->stop_at };
	return dcd_tuf_stored_mirrors(&options, give, given, NULL);
}

static void publish_list(struct fake_repository *repository, const char *const *urls, size_t count)
{
	dcd_json_free(repository->mirrors);
	repository->mirrors = dcd_json_new_array();
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(dcd_json_append_string(repository->mirrors, urls[i]), 0);
	}
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
}

static void the_list_is_what_the_stored_targets_say(void **state)
{
	struct fake_repository *repository = *state;
	static const char *const urls[] = { "https://a.example/x", "HTTP://b.example" };
	static const char *const other[] = { "https://c.example" };
	struct given given = { 0 };
	assert_int_equal(mirrors(repository, &given), 0); /* nothing was fetched yet */
	assert_int_equal(given.count, 0);
	publish_list(repository, urls, 2);
	size_t requests = repository->requests;
	assert_int_equal(mirrors(repository, &given), 0);
	assert_int_equal(given.count, 2);
	assert_string_equal(given.urls[0], urls[0]);
	assert_string_equal(given.urls[1], urls[1]);
	given.stop_at = 1;
	assert_int_equal(mirrors(repository, &given), DCD_ERR_CANCELLED);
	given.stop_at = 0;
	publish_list(repository, other, 1);
	assert_int_equal(mirrors(repository, &given), 0);
	assert_int_equal(given.count, 1);
	assert_string_equal(given.urls[0], other[0]);
	assert_int_equal(repository->requests, requests + 4); /* all by the refresh */
}

static void only_urls_of_web_servers_within_bounds_are_given(void **state)
{
	struct fake_repository *repository = *state;
	char longest[DCD_TUF_MIRROR_URL_MAX + 2];
	memset(longest, 'x', sizeof longest);
	memcpy(longest, "https://", 8);
	longest[DCD_TUF_MIRROR_URL_MAX] = '\0';
	char too_long[DCD_TUF_MIRROR_URL_MAX + 2];
	memcpy(too_long, longest, sizeof longest);
	too_long[DCD_TUF_MIRROR_URL_MAX] = 'x';
	too_long[DCD_TUF_MIRROR_URL_MAX + 1] = '\0';
	const char *const urls[] = { "file:///etc",  "/media/stick",        "",  "ftp://a.example", "https://a b",
				     "https://a\nb", "https://\xc3\xbc.de", "-", too_long,          "https://good.example",
				     longest };
	struct given given = { 0 };
	publish_list(repository, urls, sizeof urls / sizeof urls[0]);
	assert_int_equal(mirrors(repository, &given), 0);
	assert_int_equal(given.count, 2);
	assert_string_equal(given.urls[0], "https://good.example");
	assert_string_equal(given.urls[1], longest);
}

static void a_long_list_is_cut_and_a_strange_one_is_none(void **state)
{
	struct fake_repository *repository = *state;
	char text[3 * DCD_TUF_MIRRORS_MAX][32];
	const char *urls[3 * DCD_TUF_MIRRORS_MAX];
	for (size_t i = 0; i < 3 * DCD_TUF_MIRRORS_MAX; i++) {
		(void)snprintf(text[i], sizeof text[i], "http://%zu.example", i);
		urls[i] = text[i];
	}
	struct given given = { 0 };
	publish_list(repository, urls, 3 * DCD_TUF_MIRRORS_MAX);
	assert_int_equal(mirrors(repository, &given), 0);
	assert_int_equal(given.count, DCD_TUF_MIRRORS_MAX);
	assert_string_equal(given.urls[DCD_TUF_MIRRORS_MAX - 1], urls[DCD_TUF_MIRRORS_MAX - 1]);
	dcd_json_free(repository->mirrors);
	repository->mirrors = dcd_json_new_object();
	assert_int_equal(dcd_json_set_string(repository->mirrors, "0", "https://a.example"), 0);
	fake_publish_next(repository);
	assert_int_equal(fake_try(repository, NULL), 0);
	assert_int_equal(mirrors(repository, &given), 0);
	assert_int_equal(given.count, 0);
}

/* Who can write into the store can't send the device anywhere. */
static void a_list_that_nobody_signed_is_not_believed(void **state)
{
	struct fake_repository *repository = *state;
	static const char *const urls[] = { "https://a.example" };
	struct given given = { 0 };
	publish_list(repository, urls, 1);
	struct fake_file *file = fake_find(&repository->stored, "targets.json");
	char *place = memmem(file->data, file->len, "a.example", 9);
	assert_non_null(place);
	*place = 'e';
	assert_int_equal(mirrors(repository, &given), 0);
	assert_int_equal(given.count, 0);
}

static void a_list_out_of_date_is_still_a_list(void **state)
{
	struct fake_repository *repository = *state;
	static const char *const urls[] = { "https://a.example" };
	struct given given = { 0 };
	publish_list(repository, urls, 1);
	repository->now = INT64_C(9000000000);
	assert_int_equal(fake_try(repository, NULL), DCD_ERR_EXPIRED);
	assert_int_equal(mirrors(repository, &given), 0);
	assert_int_equal(given.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_list_is_what_the_stored_targets_say, make_repository, free_repository),
		cmocka_unit_test_setup_teardown(only_urls_of_web_servers_within_bounds_are_given, make_repository,
						free_repository),
		cmocka_unit_test_setup_teardown(a_long_list_is_cut_and_a_strange_one_is_none, make_repository, free_repository),
		cmocka_unit_test_setup_teardown(a_list_that_nobody_signed_is_not_believed, make_repository, free_repository),
		cmocka_unit_test_setup_teardown(a_list_out_of_date_is_still_a_list, make_repository, free_repository),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
