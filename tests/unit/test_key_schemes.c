/* Schemes beyond ECDSA's own test: vectors of another implementation, every bit of them changed, and what our own keys sign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hex.h"
#include "manifest/crypto/private_key.h"
#include "manifest/crypto/public_key.h"

/* Made once with OpenSSL over the six bytes "Decade"; the private halves are gone. */
static const char rsa_pem[] = "-----BEGIN PUBLIC KEY-----\n"
			      "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvWWZQePUXtmuph9dtGLt\n"
			      "WNvDwPIzjluM1kPHmJ6HvbxwYGEwSIo+aXqepXlXlijROBv6UUA6JA1oMFH4FBkI\n"
			      "o1f94uEqrBWgOzfK46rnW9CdSRr+n8FVCZeUO2fPtuu0eptmUdNb4Rq73T/uGivr\n"
			      "DXaIXC9+RTSsefa4e0TVeQN9HdhUNS4ZZuA5oNcVIMiKLPEanwJj90MnmJUhc8B+\n"
			      "SgbMj+G1M8TepbS9ZFtdAHFhv5PPQMInahOn8ApCf7n/bngseGFmmFruNutjBH+2\n"
			      "MNWL8TZZp+iRRsIFS9opRFHTpg/Sx5lctH477bsK/yMG9XMoDRyasnKYyRnzNCgK\n"
			      "RQIDAQAB\n"
			      "-----END PUBLIC KEY-----\n";

static const char pss_salt32[] =
	"b831637ecd7b4423b2c66808fe418967b19758bf63c559a10407e1f0c4c99b12a5f69426d82858d6f74d5c6929d26405440b5c05e75d42"
	"bb0f6fedc9d9a40886fadb57470128cccc2e17b3253ba4cd64504dc9e00d6d6b130f7d6ed84d8ac1315309d82655dee76bf414a473a1a6"
	"95010ff139dbeb57b47b31d47183c9dcb6d399e9e1361166f0ac8f9922603c365212c8b79dda8692fc1d5ca7f0654acf8b1cc1382b6114"
	"93fc99be151aabe77527fcdd436c36bff5436b06a7427b473a359b580c7e4d1d10a4ae729f94fe73f84ca31ac63a7feb3832fd9bb021c1"
	"32b67f45b40e7a2dd63a87a69d064b073d0a3ce460c141c4b6debb186ebc307a3b31f2c2";

static const char pss_salt_max[] =
	"17a11891fbc41ef2b5d28fe22df44e22ac10ecfa1d5c73ed18de5da85796ad7a70ef85e76b3ddb6804f8a28299482454a5e411aa1e63a7"
	"e9c5faad38ad595957c353010fd509b242381fd9c3ff707d3177da7932dda46ea6992a9b85b9d876183b62e310200a83f735f1c3b9f5ad"
	"fdcba039bc3cd1c8288d824196d1f9c03aae434e9a7044176428f4a598da878dcd73fa55c141312836943f4d2514afaaf85ca78421710b"
	"7da0ada6f08cb1be3d57094e02314cb2508803b6bbc3854eed5245e80a90a3ddb1ea2468b5ed08f97e406a7d47ffc30a43bea9c4723466"
	"4481d327deb027771a8011c22d4d3c7ebbe53fd60b6b7672829a1070166a6f665e6d7ccb";

static const char pkcs1_sha256[] =
	"a03125199469d0db1f4e0428a7b41eaf5783b34c9b04af4f01566fbc7959e187c17dabde0886859f7f74927c6405d750d491c985b3b191"
	"cda2d00777155d76d40ad28eb93887fec62351ad9d009cb7f86be7d046ca7df53a5755907b2c1dec5c1ef66a9877c52197144e313a09be"
	"640aa46241f7018e0fc83881fb8ff324dc2379b292180835922b6dc07604753dde10617e113f5cc1326816f717808c88f4500dd5fb8985"
	"dc35b51c260a004e4af36d27bd3491697aa1fe1b15b2f6c334d0e6c8d94a3e44d203f7dfcb94d6938be8860b1e724f5f99a9d7b423585d"
	"facd4ede8cc3f31badc1c4b7b7af188781d35c2dd0c3a49b359206f9b74aa1c1ca132416";

static const char rsa_1024_pem[] = "-----BEGIN PUBLIC KEY-----\n"
				   "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDJURXmtolahxu08r+mXkcJ7y7N\n"
				   "0MMOSRzVmle/P4OmGWdO9L3qrZyjBTIZUs4gZhTBzSAHiYMldFrjT7Bj5JL6f4HE\n"
				   "+0RDYzA+YuvTyOOzJQZlKihCQkUQfEZuCq4GnwqVv+EY0dclDBbwCG+VvYD+PZ52\n"
				   "0jCr4VEO9sQ0JgLpUwIDAQAB\n"
				   "-----END PUBLIC KEY-----\n";

static const char ed_hex[] = "7e0beb3bd403e05a3deff7ab4009b6f24ccb29e57be7393afab1988d75cc7510";

static const char ed_signature[] =
	"6df5d897266ba70e37baf99b70b4b1bb04b529775167f91293e4789b70500469f9b28d903e07af86866f3f6ee1588a6ce7efc0ed7bfea3"
	"26960585b6c0ba4808";

static const char point_hex[] =
	"041d49022b91ea9295cdcee62851afdd6a1ca91338fea2dc482457b5463605c624485d4a0f6d79982ccef27994b7e68eaae58af8d2a643"
	"4d998cf4d1a1c1209ea7";

static const char point_pem[] = "-----BEGIN PUBLIC KEY-----\n"
				"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHUkCK5HqkpXNzuYoUa/dahypEzj+\n"
				"otxIJFe1RjYFxiRIXUoPbXmYLM7yeZS35o6q5Yr40qZDTZmM9NGhwSCepw==\n"
				"-----END PUBLIC KEY-----\n";

static const char point_signature[] =
	"304502207e5656b0860591cab5da6777f64532aab2387a395b5096877f1c2ad1be23610302210098fdbd61682943277e41e229014bf513"
	"1014114995db6ebbe55f6fd3b460a89e";

static const uint8_t message[] = "Decade";
#define MESSAGE_LEN (sizeof message - 1)

static struct dcd_public_key *parse(const char *keytype, const char *scheme, const char *value)
{
	struct dcd_public_key *key = NULL;
	struct dcd_diag diag;
	assert_int_equal(dcd_public_key_parse(keytype, scheme, value, &key, &diag), 0);
	return key;
}

/* The signature verifies, and no neighbour of it or of the message does. */
static void assert_exact(const struct dcd_public_key *key, const char *hex)
{
	uint8_t signature[600];
	size_t len = strlen(hex) / 2;
	assert_true(len < sizeof signature && dcd_hex_decode(hex, strlen(hex), signature));
	assert_true(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, len));
	assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN - 1, signature, len));
	for (size_t bit = 0; bit < len * 8; bit++) {
		signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
		assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, len));
		signature[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	signature[len] = 0;
	assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, len + 1));
	assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, len - 1));
	assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, 0));
}

static void rsa_signatures_of_openssl_verify_and_nothing_beside_them(void **state)
{
	(void)state;
	struct dcd_public_key *pss = parse("rsa", "rsassa-pss-sha256", rsa_pem);
	struct dcd_public_key *pkcs1 = parse("rsa", "rsa-pkcs1v15-sha256", rsa_pem);
	assert_exact(pss, pss_salt32);
	assert_exact(pss, pss_salt_max);
	assert_exact(pkcs1, pkcs1_sha256);
	uint8_t signature[256];
	assert_true(dcd_hex_decode(pkcs1_sha256, sizeof pkcs1_sha256 - 1, signature));
	assert_false(dcd_public_key_verify(pss, message, MESSAGE_LEN, signature, sizeof signature));
	struct dcd_hash a, b;
	dcd_public_key_identity(pss, &a);
	dcd_public_key_identity(pkcs1, &b);
	assert_true(dcd_hash_equal(&a, &b)); /* one key, whatever it signs with: it counts once */
	dcd_public_key_free(pss);
	dcd_public_key_free(pkcs1);
}

static void an_rsa_key_below_2048_bits_is_refused(void **state)
{
	(void)state;
	struct dcd_public_key *key = NULL;
	assert_int_equal(dcd_public_key_parse("rsa", "rsassa-pss-sha256", rsa_1024_pem, &key, NULL), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_public_key_parse("rsa", "rsassa-pss-sha256", point_pem, &key, NULL), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_public_key_parse("ecdsa", "ecdsa-sha2-nistp256", rsa_pem, &key, NULL), DCD_ERR_MALFORMED);
}

static void ed25519_signatures_of_openssl_verify_and_nothing_beside_them(void **state)
{
	(void)state;
	struct dcd_public_key *key = parse("ed25519", "ed25519", ed_hex);
	assert_exact(key, ed_signature);
	dcd_public_key_free(key);
	struct dcd_public_key *none = NULL;
	assert_int_equal(dcd_public_key_parse("ed25519", "ed25519", ed_hex + 1, &none, NULL), DCD_ERR_MALFORMED);
	assert_int_equal(dcd_public_key_parse("ed25519", "ed25519", point_pem, &none, NULL), DCD_ERR_MALFORMED);
	/* A key of small order signs anything for anybody. */
	char small[65];
	memset(small, '0', 64);
	small[64] = '\0';
	struct dcd_public_key *weak = parse("ed25519", "ed25519", small);
	uint8_t zeros[64] = { 0 };
	assert_false(dcd_public_key_verify(weak, message, MESSAGE_LEN, zeros, sizeof zeros));
	dcd_public_key_free(weak);
}

static void a_point_in_hex_is_the_key_that_pem_says(void **state)
{
	(void)state;
	struct dcd_public_key *hex = parse("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", point_hex);
	struct dcd_public_key *pem = parse("ecdsa", "ecdsa-sha2-nistp256", point_pem);
	assert_exact(hex, point_signature);
	struct dcd_hash a, b;
	dcd_public_key_identity(hex, &a);
	dcd_public_key_identity(pem, &b);
	assert_true(dcd_hash_equal(&a, &b));
	dcd_public_key_free(hex);
	dcd_public_key_free(pem);
	char off_curve[sizeof point_hex];
	memcpy(off_curve, point_hex, sizeof off_curve);
	off_curve[20] = off_curve[20] == '0' ? '1' : '0';
	struct dcd_public_key *none = NULL;
	assert_int_equal(dcd_public_key_parse("ecdsa", "ecdsa-sha2-nistp256", off_curve, &none, NULL), DCD_ERR_MALFORMED);
}

static void keys_of_every_algorithm_sign_for_their_public_half_also_after_a_file(void **state)
{
	(void)state;
	char path[] = P_tmpdir "/decade-scheme-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	for (int algorithm = 0; algorithm < DCD_KEY_ALGORITHMS; algorithm++) {
		const struct dcd_key_names *names = dcd_key_names((enum dcd_key_algorithm)algorithm);
		struct dcd_private_key *made = NULL, *loaded = NULL;
		struct dcd_diag diag;
		char *value = NULL;
		uint8_t signature[DCD_SIGNATURE_MAX];
		size_t len = 0;
		enum dcd_key_algorithm found = DCD_KEY_ALGORITHMS;
		assert_int_equal(dcd_key_algorithm_find(names->name, &found, NULL), 0);
		assert_int_equal(found, algorithm);
		if (found == DCD_KEY_LMS) { /* it counts its uses: test_lms_signer.c */
			assert_int_equal(dcd_private_key_generate_as(found, &made, &diag), DCD_ERR_USAGE);
			continue;
		}
		assert_int_equal(dcd_private_key_generate_as(found, &made, &diag), 0);
		unlink(path);
		assert_int_equal(dcd_private_key_save(made, path, &diag), 0);
		assert_int_equal(dcd_private_key_load(path, &loaded, &diag), 0);
		assert_int_equal(dcd_private_key_sign_as(loaded, found, &diag), 0);
		assert_int_equal(dcd_private_key_public_pem(made, &value, &diag), 0);
		struct dcd_public_key *key = parse(names->keytype, names->scheme, value);
		assert_int_equal(dcd_private_key_sign(loaded, message, MESSAGE_LEN, signature, &len, &diag), 0);
		assert_true(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, len));
		signature[len / 2] ^= 1;
		assert_false(dcd_public_key_verify(key, message, MESSAGE_LEN, signature, len));
		if (algorithm == DCD_KEY_ED25519) {
			assert_int_equal(dcd_private_key_sign_as(loaded, DCD_KEY_RSA_PSS, &diag), DCD_ERR_USAGE);
		}
		dcd_public_key_free(key);
		dcd_private_key_free(made);
		dcd_private_key_free(loaded);
		free(value);
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rsa_signatures_of_openssl_verify_and_nothing_beside_them),
		cmocka_unit_test(an_rsa_key_below_2048_bits_is_refused),
		cmocka_unit_test(ed25519_signatures_of_openssl_verify_and_nothing_beside_them),
		cmocka_unit_test(a_point_in_hex_is_the_key_that_pem_says),
		cmocka_unit_test(keys_of_every_algorithm_sign_for_their_public_half_also_after_a_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
