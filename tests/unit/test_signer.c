#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "manifest/crypto/public_key.h"
#include "manifest/sign/key_signer.h"

static void close_nothing(struct dcd_signer *signer)
{
	(void)signer;
}

/* SHA-256 over {"keytype":"ecdsa","keyval":{"public":"PEM"},"scheme":"ecdsa-sha2-nistp256"}, reckoned with another tool. */
static void the_key_id_is_the_hash_of_the_canonical_key_object(void **state)
{
	(void)state;
	static const struct dcd_signer_ops ops = { .close = close_nothing };
	struct dcd_signer signer = { .ops = &ops, .name = "test" };
	assert_int_equal(dcd_signer_set_key(&signer, "ecdsa", "ecdsa-sha2-nistp256", "PEM", NULL), 0);
	assert_string_equal(signer.keyid, "938e950326408b4252d0ebe528ae98580cb27c031812efb97a5e67383a04859d");
	dcd_signer_close(&signer);
}

static void a_key_signer_signs_what_its_public_key_verifies(void **state)
{
	(void)state;
	struct dcd_private_key *key = NULL;
	assert_int_equal(dcd_private_key_generate(&key, NULL), 0);
	struct dcd_signer *signer = NULL;
	assert_int_equal(dcd_key_signer_new(key, "memory", &signer, NULL), 0);
	uint8_t signature[DCD_SIGNER_SIGNATURE_MAX];
	size_t len = 0;
	assert_int_equal(signer->ops->sign(signer, (const uint8_t *)"message", 7, signature, sizeof signature, &len, NULL), 0);
	const char *pem = dcd_json_string(dcd_json_member(dcd_json_member(signer->key, "keyval"), "public"));
	struct dcd_public_key *public_key = NULL;
	assert_int_equal(dcd_public_key_parse("ecdsa", "ecdsa-sha2-nistp256", pem, &public_key, NULL), 0);
	assert_true(dcd_public_key_verify(public_key, (const uint8_t *)"message", 7, signature, len));
	assert_false(dcd_public_key_verify(public_key, (const uint8_t *)"massage", 7, signature, len));
	dcd_public_key_free(public_key);
	dcd_signer_close(signer);
}

static void a_signature_that_has_no_room_is_not_begun(void **state)
{
	(void)state;
	struct dcd_private_key *key = NULL;
	assert_int_equal(dcd_private_key_generate(&key, NULL), 0);
	struct dcd_signer *signer = NULL;
	assert_int_equal(dcd_key_signer_new(key, "memory", &signer, NULL), 0);
	uint8_t signature[16];
	size_t len = 99;
	assert_int_equal(signer->ops->sign(signer, (const uint8_t *)"m", 1, signature, sizeof signature, &len, NULL),
			 DCD_ERR_SIZE);
	assert_int_equal(len, 99);
	dcd_signer_close(signer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_id_is_the_hash_of_the_canonical_key_object),
		cmocka_unit_test(a_key_signer_signs_what_its_public_key_verifies),
		cmocka_unit_test(a_signature_that_has_no_room_is_not_begun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
