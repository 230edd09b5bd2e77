#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/fake_repository.h"
#include "manifest/release/release.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C64 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define FULL_PAYLOAD "{\"table_sha256\":\"" B64 "\",\"table_length\":272,\"length\":5000}"
#define DELTA_PAYLOAD                                                                                                            \
	"{\"table_sha256\":\"" C64 "\",\"table_length\":272,\"length\":300,\"base\":{\"image_id\":\"" C64                        \
	"\",\"size\":4096,\"version\":\"1.0\"}}"
/* 4,097 bytes in segments of 4,096: two, so header and table take 128 + 2 * 72 = 272 bytes. */
#define IMAGE(payloads)                                                                                                          \
	"{\"class\":\"rootfs\",\"image_id\":\"" A64 "\",\"size\":4097,\"segment_size\":4096,\"payloads\":[" payloads "]}"
#define HEAD                                                                                                                     \
	"{\"_type\":\"decade-release\",\"spec_version\":\"1.0\",\"product\":\"thermostat\",\"version\":\"2.0\",\"channel\":"     \
	"\"retail\","
#define NUMBERS "\"sequence_number\":7,\"security_version\":3,"
#define MANIFEST                                                                                                                 \
	HEAD NUMBERS "\"compatible\":[\"acme-a\",\"acme-b\"],\"later\":{\"x\":1},\"images\":[" IMAGE(FULL_PAYLOAD                \
												     "," DELTA_PAYLOAD) "]}"

static int parse(const char *text, struct dcd_release **ret)
{
	struct dcd_diag diag;
	return dcd_release_parse_unverified((const uint8_t *)text, strlen(text), "test", ret, &diag);
}

static void a_manifest_says_what_a_release_is_made_of(void **state)
{
	(void)state;
	struct dcd_release *release = NULL;
	assert_int_equal(parse(MANIFEST, &release), 0);
	assert_string_equal(release->product, "thermostat");
	assert_int_equal(release->sequence_number, 7);
	assert_null(release->requires_version);
	assert_true(dcd_release_fits(release, "acme-b"));
	assert_false(dcd_release_fits(release, "acme"));
	const struct dcd_release_image *image = dcd_release_image_find(release, "rootfs");
	assert_non_null(image);
	assert_null(dcd_release_image_find(release, "boot"));
	struct dcd_hash base;
	memset(&base, 0xcc, sizeof base);
	const struct dcd_release_payload *delta = dcd_release_payload_find(image, &base);
	const struct dcd_release_payload *full = dcd_release_payload_find(image, NULL);
	assert_int_equal(delta->length, 300);
	assert_string_equal(delta->base_version, "1.0");
	assert_int_equal(full->length, 5000);
	char path[DCD_RELEASE_PAYLOAD_PATH_SIZE];
	dcd_release_payload_path(full, path);
	assert_string_equal(path, "payloads/" B64 ".dcp");
	memset(&base, 0xdd, sizeof base);
	assert_null(dcd_release_payload_find(image, &base));
	dcd_release_free(release);
}

/* MANIFEST with the first `from` replaced. */
static int parse_with(const char *from, const char *to)
{
	static const char manifest[] = MANIFEST;
	struct dcd_release *release = NULL;
	const char *at = strstr(manifest, from);
	assert_non_null(at);
	size_t size = sizeof manifest + strlen(to);
	char *text = malloc(size);
	assert_non_null(text);
	(void)snprintf(text, size, "%.*s%s%s", (int)(at - manifest), manifest, to, at + strlen(from));
	int err = parse(text, &release);
	dcd_release_free(release);
	free(text);
	return err;
}

static void what_contradicts_itself_or_the_format_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *from, *to;
	} wrong[] = {
		{ "decade-release", "decade-bundle" },
		{ "\"sequence_number\":7", "\"sequence_number\":0" },
		{ "\"sequence_number\":7", "\"sequence_number\":7.0" },
		{ "\"security_version\":3", "\"security_version\":-1" },
		{ "thermostat", "thermo stat" },
		{ "\"version\":\"2.0\"", "\"version\":\"../2.0\"" },
		{ "\"version\":\"2.0\"", "\"version\":\".2\"" },
		{ "\"version\":\"2.0\"", "\"version\":\"\"" },
		{ "\"version\":\"2.0\"", "\"version\":\"2\\u001b[2J\"" },
		{ "\"retail\"", "\"ret\\u00e4il\"" },
		{ "acme-a", "acme/a" },
		{ "\"acme-a\"", "5" },
		{ "\"size\":4097", "\"size\":8193" },
		{ "\"size\":4097", "\"size\":9223372036854775807" },
		{ "\"segment_size\":4096", "\"segment_size\":4097" },
		{ "\"segment_size\":4096", "\"segment_size\":0" },
		{ "\"segment_size\":4096", "\"segment_size\":4294971392" },
		{ "\"table_length\":272", "\"table_length\":271" },
		{ "\"length\":5000", "\"length\":271" },
		{ "\"length\":5000", "\"length\":500000" },
		{ FULL_PAYLOAD ",", "" },
		{ DELTA_PAYLOAD, FULL_PAYLOAD },
		{ FULL_PAYLOAD, DELTA_PAYLOAD },
		{ "\"image_id\":\"" C64, "\"image_id\":\"0000000000000000000000000000000000000000000000000000000000000000" },
		{ "\"size\":4096,", "\"size\":0," },
		{ IMAGE(FULL_PAYLOAD "," DELTA_PAYLOAD), "" },
		{ IMAGE(FULL_PAYLOAD "," DELTA_PAYLOAD), IMAGE(FULL_PAYLOAD) "," IMAGE(FULL_PAYLOAD) },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		int err = parse_with(wrong[i].from, wrong[i].to);
		if (err != DCD_ERR_MALFORMED) {
			print_error("%s -> %s: %s\n", wrong[i].from, wrong[i].to, dcd_err_name(err));
		}
		assert_int_equal(err, DCD_ERR_MALFORMED);
	}
	assert_int_equal(parse_with("\"1.0\"", "\"2.0\""), DCD_ERR_UNSUPPORTED);
	assert_int_equal(parse_with("\"1.0\"", "\"1.9\""), 0);
	assert_int_equal(parse_with("\"acme-a\",\"acme-b\"", ""), 0);
}

/* {"decade":{...}} as the repository writes it. */
static struct dcd_json *custom_data(const char *version, uint64_t sequence_number)
{
	struct dcd_json *custom = dcd_json_new_object();
	struct dcd_json *facts = dcd_json_new_object();
	struct dcd_json *boards = dcd_json_new_array();
	assert_int_equal(dcd_json_append_string(boards, "acme-a"), 0);
	assert_int_equal(dcd_json_set_string(facts, "kind", "release"), 0);
	assert_int_equal(dcd_json_set_string(facts, "version", version), 0);
	assert_int_equal(dcd_json_set_string(facts, "channel", "retail"), 0);
	assert_int_equal(dcd_json_set_u64(facts, "sequence_number", sequence_number), 0);
	assert_int_equal(dcd_json_set_u64(facts, "security_version", 3), 0);
	assert_int_equal(dcd_json_set(facts, "compatible", boards), 0);
	assert_int_equal(dcd_json_set(custom, "decade", facts), 0);
	return custom;
}

static int load(const char *path, struct dcd_json *custom, struct dcd_release **ret)
{
	struct fake_repository *repository = fake_repository_new();
	struct dcd_tuf *tuf = NULL;
	struct dcd_tuf_target target;
	struct dcd_diag diag = { 0 };
	fake_add_target(repository, path, MANIFEST, sizeof MANIFEST - 1, custom);
	fake_publish_next(repository);
	assert_int_equal(fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, &diag), 0);
	assert_int_equal(dcd_tuf_find_target(tuf, path, &target, &diag), 0);
	int err = dcd_release_load(tuf, &target, ret, &diag);
	dcd_tuf_free(tuf);
	fake_repository_free(repository);
	return err;
}

static void a_verified_release_outlives_the_client_that_vouched_for_it(void **state)
{
	(void)state;
	struct dcd_release *release = NULL;
	assert_int_equal(load("releases/2.0.json", custom_data("2.0", 7), &release), 0);
	assert_string_equal(release->version, "2.0");
	assert_false(dcd_hash_is_zero(&release->manifest_hash));
	dcd_release_free(release);
}

static void a_manifest_that_differs_from_its_listing_is_refused(void **state)
{
	(void)state;
	struct dcd_release *release = NULL;
	assert_int_equal(load("releases/2.0.json", custom_data("2.0", 8), &release), DCD_ERR_MALFORMED);
	assert_int_equal(load("releases/3.0.json", custom_data("3.0", 7), &release), DCD_ERR_MALFORMED);
	assert_int_equal(load("releases/other.json", custom_data("2.0", 7), &release), DCD_ERR_MALFORMED);
	assert_int_equal(load("releases/2.0.json", NULL, &release), DCD_ERR_UNLISTED);
	assert_null(release);
}

static void a_summary_knows_its_boards(void **state)
{
	(void)state;
	struct dcd_json *custom = custom_data("2.0", 7);
	struct dcd_tuf_target target = { .path = "releases/2.0.json", .custom = custom };
	struct dcd_release_summary summary;
	assert_int_equal(dcd_release_summarize(&target, &summary, NULL), 0);
	assert_true(dcd_release_summary_fits(&summary, "acme-a"));
	assert_false(dcd_release_summary_fits(&summary, "acme-b"));
	summary.boards = NULL;
	assert_true(dcd_release_summary_fits(&summary, "acme-b"));
	dcd_json_free(custom);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_manifest_says_what_a_release_is_made_of),
		cmocka_unit_test(what_contradicts_itself_or_the_format_is_refused),
		cmocka_unit_test(a_verified_release_outlives_the_client_that_vouched_for_it),
		cmocka_unit_test(a_manifest_that_differs_from_its_listing_is_refused),
		cmocka_unit_test(a_summary_knows_its_boards),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
