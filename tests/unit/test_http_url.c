#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "updater/source/http_url.h"

static void everything_but_unreserved_bytes_and_slashes_is_encoded(void **state)
{
	(void)state;
	char url[64];
	assert_true(dcd_http_url_join("http://h/r", "a-b._~/Z9", url, sizeof url));
	assert_string_equal(url, "http://h/r/a-b._~/Z9");
	assert_true(dcd_http_url_join("http://h", "a b?c#d%e+\xc3\xa9", url, sizeof url));
	assert_string_equal(url, "http://h/a%20b%3Fc%23d%25e%2B%C3%A9");
}

static void what_does_not_fit_is_refused(void **state)
{
	(void)state;
	for (size_t size = 0; size < 40; size++) {
		char url[41];
		memset(url, '!', sizeof url);
		(void)dcd_http_url_join("http://h", "aaa bbb ccc", url, size);
		assert_int_equal(url[size], '!');
	}
	char small[12];
	assert_false(dcd_http_url_join("http://h", "aaaa", small, sizeof small));
}

static void redirects_stay_on_the_web_and_never_leave_tls(void **state)
{
	(void)state;
	assert_true(dcd_http_url_may_redirect("http", "http"));
	assert_true(dcd_http_url_may_redirect("http", "https"));
	assert_true(dcd_http_url_may_redirect("https", "https"));
	assert_false(dcd_http_url_may_redirect("https", "http"));
	assert_false(dcd_http_url_may_redirect("http", "file"));
	assert_false(dcd_http_url_may_redirect("https", "ftp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_but_unreserved_bytes_and_slashes_is_encoded),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(redirects_stay_on_the_web_and_never_leave_tls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
