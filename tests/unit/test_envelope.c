#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "manifest/crypto/public_key.h"
#include "manifest/json/canonical.h"
#include "manifest/sign/envelope.h"
#include "manifest/sign/key_signer.h"

static struct dcd_signer *new_signer(void)
{
	struct dcd_private_key *key = NULL;
	struct dcd_signer *signer = NULL;
	assert_int_equal(dcd_private_key_generate(&key, NULL), 0);
	assert_int_equal(dcd_key_signer_new(key, "memory", &signer, NULL), 0);
	return signer;
}

static bool signature_holds(const struct dcd_signer *signer, const struct dcd_json *entry, const uint8_t *message, size_t len)
{
	const char *hex = dcd_json_string(dcd_json_member(entry, "sig"));
	uint8_t signature[DCD_SIGNATURE_MAX];
	assert_true(dcd_hex_decode(hex, strlen(hex), signature));
	struct dcd_public_key *key = NULL;
	const char *pem = dcd_json_string(dcd_json_member(dcd_json_member(signer->key, "keyval"), "public"));
	assert_int_equal(dcd_public_key_parse("ecdsa", "ecdsa-sha2-nistp256", pem, &key, NULL), 0);
	bool holds = dcd_public_key_verify(key, message, len, signature, strlen(hex) / 2);
	dcd_public_key_free(key);
	return holds;
}

static void an_envelope_has_one_signature_of_each_key_over_the_canonical_document(void **state)
{
	(void)state;
	struct dcd_signer *a = new_signer();
	struct dcd_signer *b = new_signer();
	struct dcd_signer *signers[] = { a, b, a };
	struct dcd_json *document = dcd_json_new_object();
	assert_int_equal(dcd_json_set_u64(document, "version", 1), 0);
	assert_int_equal(dcd_json_set_string(document, "a", "x"), 0);
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(dcd_envelope_sign(document, signers, 3, &data, &len, NULL), 0);
	struct dcd_json *envelope = NULL;
	assert_int_equal(dcd_json_parse(data, len, "envelope", &envelope, NULL), 0);
	const struct dcd_json *signatures = dcd_json_member(envelope, "signatures");
	assert_int_equal(dcd_json_count(signatures), 2);
	static const char message[] = "{\"a\":\"x\",\"version\":1}";
	assert_true(signature_holds(a, dcd_json_item(signatures, 0), (const uint8_t *)message, strlen(message)));
	assert_true(signature_holds(b, dcd_json_item(signatures, 1), (const uint8_t *)message, strlen(message)));
	assert_false(signature_holds(a, dcd_json_item(signatures, 1), (const uint8_t *)message, strlen(message)));
	uint8_t *canonical = NULL;
	size_t canonical_len = 0;
	assert_int_equal(dcd_json_canonical_file_bytes(envelope, &canonical, &canonical_len), 0);
	assert_int_equal(canonical_len, len);
	assert_memory_equal(canonical, data, len);
	free(canonical);
	free(data);
	dcd_json_free(envelope);
	dcd_json_free(document);
	dcd_signer_close(a);
	dcd_signer_close(b);
}

static void nothing_is_signed_without_a_key(void **state)
{
	(void)state;
	struct dcd_json *document = dcd_json_new_object();
	uint8_t *data = NULL;
	size_t len = 0;
	assert_int_equal(dcd_envelope_sign(document, NULL, 0, &data, &len, NULL), DCD_ERR_USAGE);
	assert_null(data);
	dcd_json_free(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_envelope_has_one_signature_of_each_key_over_the_canonical_document),
		cmocka_unit_test(nothing_is_signed_without_a_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
