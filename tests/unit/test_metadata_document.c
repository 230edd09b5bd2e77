#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "manifest/json/canonical.h"
#include "manifest/sign/key_signer.h"
#include "manifest/sign/metadata_document.h"

static const struct dcd_document_head head = { .version = 7, .expires = 1925000000 };

static void assert_canonical(const struct dcd_json *document, const char *expected)
{
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(dcd_json_canonical_bytes(document, &data, &len), 0);
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(data, expected, len);
	free(data);
}

#define HASH_5A "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"

static struct dcd_document_file some_file(void)
{
	struct dcd_document_file file = { .version = 3, .length = 1234 };
	memset(file.sha256.bytes, 0x5a, sizeof file.sha256.bytes);
	return file;
}

static void snapshot_and_timestamp_name_the_file_below_them(void **state)
{
	(void)state;
	struct dcd_document_file file = some_file();
	struct dcd_json *document = NULL;
	assert_int_equal(dcd_document_snapshot(&head, &file, &document, NULL), 0);
	assert_canonical(document,
			 "{\"_type\":\"snapshot\",\"expires\":\"2031-01-01T02:13:20Z\",\"meta\":{\"targets.json\":{\"hashes\":{"
			 "\"sha256\":\"" HASH_5A "\"},\"length\":1234,\"version\":3}},\"spec_version\":\"1.0.34\",\"version\":7,"
			 "\"x-decade-canonical\":true}");
	dcd_json_free(document);
	assert_int_equal(dcd_document_timestamp(&head, &file, &document, NULL), 0);
	assert_canonical(document,
			 "{\"_type\":\"timestamp\",\"expires\":\"2031-01-01T02:13:20Z\",\"meta\":{\"snapshot.json\":{\"hashes\":{"
			 "\"sha256\":\"" HASH_5A "\"},\"length\":1234,\"version\":3}},\"spec_version\":\"1.0.34\",\"version\":7,"
			 "\"x-decade-canonical\":true}");
	dcd_json_free(document);
}

static void targets_keep_what_the_version_before_had(void **state)
{
	(void)state;
	static const char text[] =
		"{\"_type\":\"targets\",\"expires\":\"2000-01-01T00:00:00Z\",\"spec_version\":\"1.0\",\"targets\":{\"a\":"
		"{\"length\":1}},\"version\":6,\"delegations\":{\"later\":1},\"x-decade-product\":\"p\"}";
	struct dcd_json *previous = NULL;
	struct dcd_json *document = NULL;
	struct dcd_json *entry = NULL;
	struct dcd_document_file file = some_file();
	assert_int_equal(dcd_json_parse((const uint8_t *)text, strlen(text), "test", &previous, NULL), 0);
	assert_int_equal(dcd_document_targets(&head, previous, &document, NULL), 0);
	dcd_json_free(previous);
	assert_int_equal(dcd_document_target_entry(&file, NULL, &entry, NULL), 0);
	assert_int_equal(dcd_document_add_target(document, "b", entry, &document, NULL), 0);
	assert_canonical(document,
			 "{\"_type\":\"targets\",\"delegations\":{\"later\":1},\"expires\":\"2031-01-01T02:13:20Z\","
			 "\"spec_version\":\"1.0.34\",\"targets\":{\"a\":{\"length\":1},\"b\":{\"hashes\":{\"sha256\":\"" HASH_5A
			 "\"},\"length\":1234}},\"version\":7,\"x-decade-canonical\":true,\"x-decade-product\":\"p\"}");
	dcd_json_free(document);
}

static struct dcd_signer *new_signer(void)
{
	struct dcd_private_key *key = NULL;
	struct dcd_signer *signer = NULL;
	assert_int_equal(dcd_private_key_generate(&key, NULL), 0);
	assert_int_equal(dcd_key_signer_new(key, "memory", &signer, NULL), 0);
	return signer;
}

static void a_root_lists_each_key_once_and_each_role_with_its_threshold(void **state)
{
	(void)state;
	struct dcd_signer *signers[2] = { new_signer(), new_signer() };
	struct dcd_document_role roles[] = {
		{ .name = "root", .threshold = 2, .signer_count = 2, .signers = signers },
		{ .name = "timestamp", .threshold = 1, .signer_count = 1, .signers = signers },
	};
	struct dcd_json *root = NULL;
	assert_int_equal(dcd_document_root(&head, roles, 2, &root, NULL), 0);
	assert_int_equal(dcd_json_count(dcd_json_member(root, "keys")), 2);
	assert_non_null(dcd_json_member(dcd_json_member(root, "keys"), signers[1]->keyid));
	const struct dcd_json *role = dcd_json_member(dcd_json_member(root, "roles"), "root");
	assert_int_equal(dcd_json_integer(dcd_json_member(role, "threshold")), 2);
	assert_int_equal(dcd_json_count(dcd_json_member(role, "keyids")), 2);
	dcd_json_free(root);
	roles[1].threshold = 2;
	assert_int_equal(dcd_document_root(&head, roles, 2, &root, NULL), DCD_ERR_USAGE);
	dcd_signer_close(signers[0]);
	dcd_signer_close(signers[1]);
}

static void version_zero_is_refused(void **state)
{
	(void)state;
	struct dcd_document_head zero = { .version = 0, .expires = 1 };
	struct dcd_json *document = NULL;
	assert_int_equal(dcd_document_targets(&zero, NULL, &document, NULL), DCD_ERR_USAGE);
	assert_null(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(snapshot_and_timestamp_name_the_file_below_them),
		cmocka_unit_test(targets_keep_what_the_version_before_had),
		cmocka_unit_test(a_root_lists_each_key_once_and_each_role_with_its_threshold),
		cmocka_unit_test(version_zero_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
