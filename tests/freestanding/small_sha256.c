#include "tests/freestanding/small_sha256.h"

/* The fractional parts of the cube roots of the first 64 primes. */
static const uint32_t rounds[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
	0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
	0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
	0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

struct sha {
	uint32_t h[8];
	uint32_t schedule[16];
	uint64_t len;
	uint8_t block[64];
};
_Static_assert(sizeof(struct sha) <= sizeof(struct dcd_hash_state), "a running state has room in dcd_hash_state");

static uint32_t rotate(uint32_t v, unsigned n)
{
	return v >> n | v << (32 - n);
}

static uint32_t schedule_next(uint32_t w[16], unsigned i)
{
	uint32_t a = w[(i + 1) & 15], b = w[(i + 14) & 15];
	w[i & 15] += (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[(i + 9) & 15] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	return w[i & 15];
}

static void block_take(struct sha *s)
{
	uint32_t v[8], *w = s->schedule;
	memcpy(v, s->h, sizeof v);
	for (unsigned i = 0; i < 64; i++) {
		if (i < 16) {
			const uint8_t *p = s->block + (size_t)4 * i;
			w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
		}
		uint32_t word = i < 16 ? w[i] : schedule_next(w, i);
		uint32_t one = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) +
			       rounds[i] + word;
		uint32_t two =
			(rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof v[0]);
		v[4] += one;
		v[0] = one + two;
	}
	for (unsigned i = 0; i < 8; i++) {
		s->h[i] += v[i];
	}
}

static void sha_init(struct dcd_hash_state *state)
{
	static const uint32_t first[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	struct sha *s = (struct sha *)(void *)state->opaque;
	memcpy(s->h, first, sizeof first);
	s->len = 0;
}

static void sha_update(struct dcd_hash_state *state, const void *data, size_t len)
{
	struct sha *s = (struct sha *)(void *)state->opaque;
	const uint8_t *bytes = data;
	while (len > 0) {
		size_t at = (size_t)(s->len & 63), n = len < 64 - at ? len : 64 - at;
		memcpy(s->block + at, bytes, n);
		s->len += n;
		bytes += n;
		len -= n;
		if ((s->len & 63) == 0) {
			block_take(s);
		}
	}
}

static void sha_finish(struct dcd_hash_state *state, struct dcd_hash *ret)
{
	struct sha *s = (struct sha *)(void *)state->opaque;
	uint64_t bits = 8 * s->len;
	size_t at = (size_t)(s->len & 63);
	s->block[at++] = 0x80;
	if (at > 56) {
		memset(s->block + at, 0, 64 - at);
		block_take(s);
		at = 0;
	}
	memset(s->block + at, 0, 56 - at);
	for (unsigned i = 0; i < 8; i++) {
		s->block[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
	}
	block_take(s);
	for (unsigned i = 0; i < 32; i++) {
		ret->bytes[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
	}
}

const struct dcd_hash_alg small_sha256 = { sha_init, sha_update, sha_finish };
