#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hex.h"
#include "manifest/crypto/private_key.h"
#include "manifest/crypto/public_key.h"

/* Made once with OpenSSL over the six bytes "Decade", SHA-256 and SHA-384; the private halves are gone. */
static const char p256_pem[] = "-----BEGIN PUBLIC KEY-----\n"
			       "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE59rdssiZ90p79Mew6zzoXDl4PzMl\n"
			       "FUL+iXt82jfRowArropZXUhoxPtcJe7o8tb1v23N3s0SXhCGCJ/9v7SbBw==\n"
			       "-----END PUBLIC KEY-----\n";
static const char p256_signature[] = "3046022100db180513de630a53c40f228c395c18f6f43dfc56942319ca2d65172fca160ce1022100d65c5771838"
				     "fdf988b333920b5a23e38bd86c2ccf2c8adba61583584fb01ced2";
static const char p384_pem[] = "-----BEGIN PUBLIC KEY-----\n"
			       "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAECam4AVZDk6iu6DqQzm21443Yp1/XZny7\n"
			       "EcBdgZyBcpM8kq8mMfnOg95FBrnAzznZJ8rD1SrT4DyUIX9m2H5ddt4jwUlW47Qf\n"
			       "HCvo65QU0ZaYQ/VVHbn6brjQeUMHMLeZ\n"
			       "-----END PUBLIC KEY-----\n";
static const char p384_signature[] =
	"3065023019c3fd3f671344e8b1108d2a4a268ec97004bcee0f28d3ba667b0d2a0712789ea656a53548ad551356df1e13efb017d302310088cd706bca"
	"185152bdcc0c0d81b1d7dc746b23de581972506f86caf090fd717e946104c0d92f9516966651e764862a08";

static const uint8_t message[] = "Decade";
#define MESSAGE_LEN (sizeof message - 1)

static struct dcd_public_key *parse(const char *keytype, const char *scheme, const char *pem)
{
	struct dcd_public_key *key = NULL;
	struct dcd_diag diag;
	assert_int_equal(dcd_public_key_parse(keytype, scheme, pem, &key, &diag), 0);
	return key;
}

static size_t decode(const char *hex, uint8_t *ret)
{
	assert_true(dcd_hex_decode(hex, strlen(hex), ret));
	return strlen(hex) / 2;
}

static void signatures_of_openssl_verify(void **state)
{
	(void)state;
	uint8_t signature[128];
	size_t len = decode(p256_signature, signature);
	struct dcd_public_key *p256 = parse("ecdsa", "ecdsa-sha2-nistp256", p256_pem);
	assert_true(dcd_public_key_verify(p256, message, MESSAGE_LEN, signature, len));
	assert_false(dcd_public_key_verify(p256, message, MESSAGE_LEN - 1, signature, len));
	dcd_public_key_free(p256);

	len = decode(p384_signature, signature);
	struct dcd_public_key *p384 = parse("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", p384_pem);
	assert_true(dcd_public_key_verify(p384, message, MESSAGE_LEN, signature, len));
	dcd_public_key_free(p384);
}

static void every_changed_bit_of_a_signature_is_noticed(void **state)
{
	(void)state;
	uint8_t signature[128];
	size_t len = decode(p256_signature, signature);
	struct dcd_public_key *key = parse("ecdsa", "ecdsa-sha2-nistp256", p256_pem);
	for (size_t bit = 0; bit < len * 8; bit++) {
		signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, len));
		signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	for (size_t shorter = 0; shorter < len; shorter++) {
		assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, shorter));
	}
	signature[len] = 0;
	assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, len + 1));
	dcd_public_key_free(key);
}

static void a_signature_has_one_spelling(void **state)
{
	(void)state;
	uint8_t signature[128], longer[130];
	size_t len = decode(p256_signature, signature);
	struct dcd_public_key *key = parse("ecdsa", "ecdsa-sha2-nistp256", p256_pem);
	/* The same numbers with the outer length in long form. */
	longer[0] = 0x30;
	longer[1] = 0x81;
	memcpy(longer + 2, signature + 1, len - 1);
	assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, longer, len + 1));
	dcd_public_key_free(key);
}

static void the_same_key_has_one_identity_whatever_its_text(void **state)
{
	(void)state;
	char *respelled = malloc(sizeof p256_pem + 8);
	assert_non_null(respelled);
	(void)snprintf(respelled, sizeof p256_pem + 8, "\n\n%s\n", p256_pem);
	struct dcd_public_key *a = parse("ecdsa", "ecdsa-sha2-nistp256", p256_pem);
	struct dcd_public_key *b = parse("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", respelled);
	struct dcd_public_key *other = parse("ecdsa", "ecdsa-sha2-nistp384", p384_pem);
	struct dcd_hash id_a, id_b, id_other;
	dcd_public_key_identity(a, &id_a);
	dcd_public_key_identity(b, &id_b);
	dcd_public_key_identity(other, &id_other);
	assert_true(dcd_hash_equal(&id_a, &id_b));
	assert_false(dcd_hash_equal(&id_a, &id_other));
	dcd_public_key_free(a);
	dcd_public_key_free(b);
	dcd_public_key_free(other);
	free(respelled);
}

static void unknown_schemes_and_broken_values_are_told_apart(void **state)
{
	(void)state;
	struct dcd_public_key *key = NULL;
	struct dcd_diag diag;
	assert_int_equal(dcd_public_key_parse("lattice", "ml-dsa-44", p256_pem, &key, &diag), DCD_ERR_UNSUPPORTED);
	assert_int_equal(dcd_public_key_parse("ecdsa", "ecdsa-sha2-nistp256", p384_pem, &key, &diag), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_public_key_parse("ecdsa", "ecdsa-sha2-nistp256", "", &key, &diag), DCD_ERR_MALFORMED);
	char broken[sizeof p256_pem];
	for (size_t i = 0; i < sizeof p256_pem - 1; i++) {
		memcpy(broken, p256_pem, sizeof broken);
		broken[i] ^= 0x04;
		if (dcd_public_key_parse("ecdsa", "ecdsa-sha2-nistp256", broken, &key, NULL) == 0) {
			dcd_public_key_free(key);
		}
	}
}

static void what_a_private_key_signs_its_public_half_verifies(void **state)
{
	(void)state;
	struct dcd_private_key *private_key = NULL;
	struct dcd_diag diag;
	char *pem = NULL;
	assert_int_equal(dcd_private_key_generate(&private_key, &diag), 0);
	assert_int_equal(dcd_private_key_public_pem(private_key, &pem, &diag), 0);
	struct dcd_public_key *key = parse("ecdsa", "ecdsa-sha2-nistp256", pem);
	/* Enough of them for the short and the padded forms of both numbers. */
	for (uint8_t i = 0; i < 100; i++) {
		uint8_t signature[DCD_SIGNATURE_MAX];
		size_t len = 0;
		assert_int_equal(dcd_private_key_sign(private_key, &i, 1, signature, &len, &diag), 0);
		assert_true(dcd_public_key_verify(key, &i, 1, signature, len));
	}
	dcd_public_key_free(key);
	dcd_private_key_free(private_key);
	free(pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_of_openssl_verify),
		cmocka_unit_test(every_changed_bit_of_a_signature_is_noticed),
		cmocka_unit_test(a_signature_has_one_spelling),
		cmocka_unit_test(the_same_key_has_one_identity_whatever_its_text),
		cmocka_unit_test(unknown_schemes_and_broken_values_are_told_apart),
		cmocka_unit_test(what_a_private_key_signs_its_public_half_verifies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
