#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hex.h"
#include "manifest/crypto/sha256.h"

static void assert_sha256(const char *text, const char *expected)
{
	struct dcd_hash hash;
	char hex[DCD_HASH_HEX_SIZE];
	dcd_hash_once(&dcd_sha256, text, strlen(text), &hash);
	dcd_hash_to_hex(&hash, hex);
	assert_string_equal(hex, expected);
}

static void the_examples_of_fips_180_come_out(void **state)
{
	(void)state;
	assert_sha256("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_sha256("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void pieces_hash_like_the_whole(void **state)
{
	(void)state;
	uint8_t data[1000];
	for (size_t i = 0; i < sizeof data; i++) {
		data[i] = (uint8_t)(i * 31);
	}
	struct dcd_hash whole, pieces;
	dcd_hash_once(&dcd_sha256, data, sizeof data, &whole);
	struct dcd_hash_state running;
	dcd_sha256.init(&running);
	for (size_t at = 0, n = 1; at < sizeof data; at += n, n = n * 2 + 1) {
		n = n < sizeof data - at ? n : sizeof data - at;
		dcd_sha256.update(&running, data + at, n);
	}
	dcd_sha256.finish(&running, &pieces);
	assert_true(dcd_hash_equal(&whole, &pieces));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_fips_180_come_out),
		cmocka_unit_test(pieces_hash_like_the_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
