#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "manifest/crypto/public_key.h"
#include "manifest/crypto/sha256.h"
#include "manifest/sign/lms_private.h"

/*
 * RFC 8554 Appendix F, test case 2: its two trees are of other sets than ours, H10/W4 above H5/W8. The RFC prints seeds,
 * randomizers, public keys and signatures; the signatures are here by their SHA-256.
 */
static const struct dcd_lms_set h10_w4 = {
	.type = 6, .ots_type = 3, .height = 10, .width = 4, .chains = 67, .checksum_shift = 4
};
static const struct dcd_lms_set h5_w8 = { .type = 5, .ots_type = 4, .height = 5, .width = 8, .chains = 34, .checksum_shift = 0 };

struct vector {
	const struct dcd_lms_set *set;
	const char *seed;
	const char *public_key;
	uint32_t q;
	const char *c;
	const char *signature_sha256;
	size_t signature_len;
};

static const char lower_public[] = "0000000500000004215f83b7ccb9acbcd08db97b0d04dc2ba1cd035833e0e90059603f26e07ad2aa"
				   "d152338e7a5e5984bcd5f7bb4eba40b7";
static const struct vector upper = {
	.set = &h10_w4,
	.seed = "558b8966c48ae9cb898b423c83443aae014a72f1b1ab5cc85cf1d892903b5439",
	.public_key = "0000000600000003d08fabd4a2091ff0a8cb4ed834e7453432a58885cd9ba0431235466bff9651c6"
		      "c92124404d45fa53cf161c28f1ad5a8e",
	.q = 3,
	.c = "3d46bee8660f8f215d3f96408a7a64cf1c4da02b63a55f62c666ef5707a914ce",
	.signature_sha256 = "7e3c3836d68274c43edaaaac98a51d2109ae7fd05704555636006a38f0b602d4",
	.signature_len = 2508,
};
static const struct vector lower = {
	.set = &h5_w8,
	.seed = "a1c4696e2608035a886100d05cd99945eb3370731884a8235e2fb3d4d71f2547",
	.public_key = lower_public,
	.q = 4,
	.c = "0eb1ed54a2460d512388cad533138d240534e97b1e82d33bd927d201dfc24ebb",
	.signature_sha256 = "987a83f7670a93837c484888fde579ca3653db8b66c9339b3c03b1e9b949d771",
	.signature_len = 1292,
};

static void decode(const char *hex, uint8_t *ret)
{
	assert_true(dcd_hex_decode(hex, strlen(hex), ret));
}

static void check_vector(const struct vector *v, const uint8_t *message, size_t message_len)
{
	uint8_t seed[DCD_LMS_SEED_SIZE], c[DCD_HASH_SIZE], expected[DCD_LMS_PUBLIC_SIZE], made[DCD_LMS_PUBLIC_SIZE];
	uint8_t signature[4096] = { 0 };
	struct dcd_lms_private *key = NULL;
	struct dcd_hash hash;
	char hex[DCD_HASH_HEX_SIZE];
	decode(v->seed, seed);
	decode(v->c, c);
	decode(v->public_key, expected);
	assert_int_equal(dcd_lms_private_new(v->set, expected + 8, seed, NULL, &key, NULL), 0);
	dcd_lms_private_public(key, made);
	assert_memory_equal(made, expected, sizeof made);
	assert_int_equal(dcd_lms_signature_size(v->set), v->signature_len);
	assert_int_equal(dcd_lms_private_sign(key, v->q, c, message, message_len, signature, NULL), 0);
	dcd_hash_once(&dcd_sha256, signature, v->signature_len, &hash);
	dcd_hash_to_hex(&hash, hex);
	assert_string_equal(hex, v->signature_sha256);
	assert_true(dcd_lms_verify(v->set, expected, message, message_len, signature, v->signature_len));
	assert_false(dcd_lms_verify(v->set, expected, message, message_len - 1, signature, v->signature_len));
	dcd_lms_private_free(key);
}

static void the_trees_of_rfc_8554_sign_what_it_prints(void **state)
{
	(void)state;
	static const uint8_t message[] = "The enumeration in the Constitution, of certain rights, shall not be construed to deny "
					 "or disparage others retained by the people.\n";
	uint8_t below[DCD_LMS_PUBLIC_SIZE];
	decode(lower_public, below);
	check_vector(&upper, below, sizeof below);
	check_vector(&lower, message, sizeof message - 1);
}

/* ---- a key of ours ---- */

static struct dcd_lms_private *ours;
static uint8_t ours_public[DCD_LMS_PUBLIC_SIZE];
static const uint8_t message[] = "Decade";
#define MESSAGE_LEN (sizeof message - 1)

static int make_ours(void **state)
{
	(void)state;
	uint8_t secret[DCD_LMS_ID_SIZE + DCD_LMS_SEED_SIZE];
	for (size_t i = 0; i < sizeof secret; i++) {
		secret[i] = (uint8_t)(7 * i + 1);
	}
	int err = dcd_lms_private_new(&dcd_lms_h10_w8, secret, secret + DCD_LMS_ID_SIZE, NULL, &ours, NULL);
	if (err == 0) {
		dcd_lms_private_public(ours, ours_public);
	}
	return err;
}

static int free_ours(void **state)
{
	(void)state;
	dcd_lms_private_free(ours);
	return 0;
}

static struct dcd_public_key *parse_ours(void)
{
	char hex[2 * DCD_LMS_PUBLIC_SIZE + 1];
	struct dcd_public_key *key = NULL;
	dcd_hex_encode(ours_public, sizeof ours_public, hex);
	assert_int_equal(dcd_public_key_parse("lms", "lms-sha256-m32-h10-n32-w8", hex, &key, NULL), 0);
	return key;
}

static void every_leaf_signs_and_the_library_agrees(void **state)
{
	(void)state;
	static const uint32_t leaves[] = { 0, 1, 2, 511, 512, 1022, 1023 };
	struct dcd_public_key *key = parse_ours();
	uint8_t signature[DCD_LMS_SIGNATURE_SIZE];
	for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
		assert_int_equal(dcd_lms_private_sign(ours, leaves[i], NULL, message, MESSAGE_LEN, signature, NULL), 0);
		assert_true(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, sizeof signature));
		assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN - 1, signature, sizeof signature));
	}
	dcd_public_key_free(key);
	assert_int_equal(dcd_lms_private_sign(ours, 1024, NULL, message, MESSAGE_LEN, signature, NULL), DCD_ERR_USAGE);
}

/* Through public_key.c it is mbedTLS that answers where it can: both must refuse the same. */
static void every_changed_byte_of_a_signature_is_noticed(void **state)
{
	(void)state;
	struct dcd_public_key *key = parse_ours();
	uint8_t signature[DCD_LMS_SIGNATURE_SIZE + 1] = { 0 };
	assert_int_equal(dcd_lms_private_sign(ours, 5, NULL, message, MESSAGE_LEN, signature, NULL), 0);
	for (size_t i = 0; i < DCD_LMS_SIGNATURE_SIZE; i++) {
		signature[i] ^= (uint8_t)(1U << i % 8);
		assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, DCD_LMS_SIGNATURE_SIZE));
		assert_false(
			dcd_lms_verify(&dcd_lms_h10_w8, ours_public, message, MESSAGE_LEN, signature, DCD_LMS_SIGNATURE_SIZE));
		signature[i] ^= (uint8_t)(1U << i % 8);
	}
	assert_true(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, DCD_LMS_SIGNATURE_SIZE));
	for (size_t len = 0; len < DCD_LMS_SIGNATURE_SIZE; len += 121) {
		assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, len));
		assert_false(dcd_lms_verify(&dcd_lms_h10_w8, ours_public, message, MESSAGE_LEN, signature, len));
	}
	assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, sizeof signature));
	assert_false(dcd_lms_verify(&dcd_lms_h10_w8, ours_public, message, MESSAGE_LEN, signature, sizeof signature));
	dcd_public_key_free(key);
}

static void every_changed_byte_of_a_public_key_is_noticed(void **state)
{
	(void)state;
	uint8_t signature[DCD_LMS_SIGNATURE_SIZE];
	assert_int_equal(dcd_lms_private_sign(ours, 6, NULL, message, MESSAGE_LEN, signature, NULL), 0);
	for (size_t i = 0; i < sizeof ours_public; i++) {
		ours_public[i] ^= 0x10;
		assert_false(dcd_lms_verify(&dcd_lms_h10_w8, ours_public, message, MESSAGE_LEN, signature, sizeof signature));
		char hex[2 * DCD_LMS_PUBLIC_SIZE + 1];
		struct dcd_public_key *key = NULL;
		dcd_hex_encode(ours_public, sizeof ours_public, hex);
		int err = dcd_public_key_parse("lms", "lms-sha256-m32-h10-n32-w8", hex, &key, NULL);
		assert_int_equal(err, i < 8 ? DCD_ERR_MALFORMED : 0); /* another set is no key of this scheme */
		assert_false(err == 0 && dcd_public_key_verify(key, message, MESSAGE_LEN, signature, sizeof signature));
		dcd_public_key_free(key);
		ours_public[i] ^= 0x10;
	}
}

static void a_key_file_reads_back_and_damage_is_noticed(void **state)
{
	(void)state;
	uint8_t *file = malloc(DCD_LMS_KEY_FILE_SIZE);
	struct dcd_lms_private *again = NULL;
	uint8_t signature[2][DCD_LMS_SIGNATURE_SIZE];
	assert_non_null(file);
	dcd_lms_private_encode(ours, file);
	assert_int_equal(dcd_lms_private_decode(file, DCD_LMS_KEY_FILE_SIZE, "file", &again, NULL), 0);
	assert_int_equal(dcd_lms_private_sign(ours, 9, NULL, message, MESSAGE_LEN, signature[0], NULL), 0);
	assert_int_equal(dcd_lms_private_sign(again, 9, NULL, message, MESSAGE_LEN, signature[1], NULL), 0);
	assert_memory_equal(signature[0], signature[1], sizeof signature[0]);
	dcd_lms_private_free(again);
	for (size_t i = 0; i < DCD_LMS_KEY_FILE_SIZE; i += 97) {
		file[i] ^= 1;
		assert_int_equal(dcd_lms_private_decode(file, DCD_LMS_KEY_FILE_SIZE, "file", &again, NULL), DCD_ERR_MALFORMED);
		file[i] ^= 1;
	}
	assert_int_equal(dcd_lms_private_decode(file, DCD_LMS_KEY_FILE_SIZE - 1, "file", &again, NULL), DCD_ERR_MALFORMED);
	free(file);
}

static void two_new_keys_differ(void **state)
{
	(void)state;
	struct dcd_lms_private *a = NULL;
	uint8_t public_key[DCD_LMS_PUBLIC_SIZE];
	assert_int_equal(dcd_lms_private_generate(&a, NULL), 0);
	dcd_lms_private_public(a, public_key);
	assert_memory_not_equal(public_key + 8, ours_public + 8, DCD_LMS_ID_SIZE);
	dcd_lms_private_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_trees_of_rfc_8554_sign_what_it_prints),
		cmocka_unit_test(every_leaf_signs_and_the_library_agrees),
		cmocka_unit_test(every_changed_byte_of_a_signature_is_noticed),
		cmocka_unit_test(every_changed_byte_of_a_public_key_is_noticed),
		cmocka_unit_test(a_key_file_reads_back_and_damage_is_noticed),
		cmocka_unit_test(two_new_keys_differ),
	};
	return cmocka_run_group_tests(tests, make_ours, free_ours);
}
