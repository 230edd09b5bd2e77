/* The SHA-256 of the build, and that of every provider that can be built here: the same examples, and the same hashes of
 * anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hex.h"
#include "manifest/crypto/sha256.h"

#define LONG_SIZE ((size_t)1 << 20)

/* manifest/crypto/CMakeLists.txt builds each adapter once more under such a name. */
extern const struct dcd_hash_alg dcd_sha256_mbedtls, dcd_sha256_nettle;

static const struct dcd_hash_alg *const all[] = {
	&dcd_sha256,
#ifdef HAVE_SHA256_NETTLE
	&dcd_sha256_nettle,
#endif
#ifdef HAVE_SHA256_MBEDTLS
	&dcd_sha256_mbedtls,
#endif
};
#define ALL_COUNT (sizeof all / sizeof *all)

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void random_fill(uint64_t *seed, uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		data[i] = (uint8_t)(random_next(seed) >> 32);
	}
}

static void assert_hash(const struct dcd_hash *hash, const char *expected)
{
	char hex[DCD_HASH_HEX_SIZE];
	dcd_hash_to_hex(hash, hex);
	assert_string_equal(hex, expected);
}

static void assert_sha256(const char *text, const char *expected)
{
	for (size_t i = 0; i < ALL_COUNT; i++) {
		struct dcd_hash hash;
		dcd_hash_once(all[i], text, strlen(text), &hash);
		assert_hash(&hash, expected);
	}
}

/* Hashes in pieces of random lengths, most of them around a block's. */
static void hash_in_pieces(const struct dcd_hash_alg *alg, const uint8_t *data, size_t len, uint64_t *seed, struct dcd_hash *ret)
{
	struct dcd_hash_state running;
	alg->init(&running);
	while (len > 0) {
		size_t n = (size_t)(random_next(seed) % (random_next(seed) % 8 == 0 ? len + 1 : 131));
		n = n < len ? n : len;
		alg->update(&running, data, n);
		data += n;
		len -= n;
	}
	alg->finish(&running, ret);
}

static void the_examples_of_fips_180_come_out(void **state)
{
	(void)state;
	assert_sha256("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_sha256("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	assert_sha256("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstno"
		      "pqrstu",
		      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

static void a_million_letters_come_out(void **state)
{
	(void)state;
	uint8_t letters[1000];
	memset(letters, 'a', sizeof letters);
	for (size_t i = 0; i < ALL_COUNT; i++) {
		struct dcd_hash_state running;
		struct dcd_hash hash;
		all[i]->init(&running);
		for (int n = 0; n < 1000; n++) {
			all[i]->update(&running, letters, sizeof letters);
		}
		all[i]->finish(&running, &hash);
		assert_hash(&hash, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	}
}

static void all_providers_agree_on_every_short_length_at_every_alignment(void **state)
{
	(void)state;
	uint8_t data[16 + 300];
	uint64_t seed = 1;
	random_fill(&seed, data, sizeof data);
	for (size_t len = 0; len <= 300; len++) {
		const uint8_t *at = data + len % 16;
		struct dcd_hash first, other;
		dcd_hash_once(all[0], at, len, &first);
		for (size_t i = 1; i < ALL_COUNT; i++) {
			dcd_hash_once(all[i], at, len, &other);
			assert_true(dcd_hash_equal(&first, &other));
		}
	}
}

static void pieces_hash_like_the_whole_with_every_provider(void **state)
{
	(void)state;
	uint64_t seed = 2;
	uint8_t *data = malloc(LONG_SIZE);
	assert_non_null(data);
	random_fill(&seed, data, LONG_SIZE);
	for (int round = 0; round < 50; round++) {
		size_t from = (size_t)(random_next(&seed) % 64);
		size_t len = (size_t)(random_next(&seed) % (round % 8 == 0 ? LONG_SIZE - from : 5000));
		struct dcd_hash whole, pieces;
		dcd_hash_once(all[0], data + from, len, &whole);
		for (size_t i = 0; i < ALL_COUNT; i++) {
			hash_in_pieces(all[i], data + from, len, &seed, &pieces);
			assert_true(dcd_hash_equal(&whole, &pieces));
		}
	}
	free(data);
}

static void nothing_may_be_a_null_pointer_and_two_states_may_run_at_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL_COUNT; i++) {
		struct dcd_hash_state a, b;
		struct dcd_hash hash;
		all[i]->init(&a);
		all[i]->init(&b);
		all[i]->update(&a, "a", 1);
		all[i]->update(&b, "a", 1);
		all[i]->update(&a, NULL, 0);
		all[i]->update(&a, "bc", 2);
		all[i]->update(&b, "bd", 2);
		all[i]->finish(&a, &hash);
		assert_hash(&hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
		all[i]->finish(&b, &hash);
		assert_hash(&hash, "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_examples_of_fips_180_come_out),
		cmocka_unit_test(a_million_letters_come_out),
		cmocka_unit_test(all_providers_agree_on_every_short_length_at_every_alignment),
		cmocka_unit_test(pieces_hash_like_the_whole_with_every_provider),
		cmocka_unit_test(nothing_may_be_a_null_pointer_and_two_states_may_run_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
