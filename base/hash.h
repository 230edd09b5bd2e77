/*
 * The hash, as an interface: the freestanding core names no library. Everything Decade hashes is SHA-256 (FIPS 180-4);
 * manifest/crypto provides `dcd_sha256`, a micro-controller may provide its own.
 */
#ifndef DCD_BASE_HASH_H
#define DCD_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DCD_HASH_SIZE 32
#define DCD_HASH_HEX_SIZE (2 * DCD_HASH_SIZE + 1)

struct dcd_hash {
	uint8_t bytes[DCD_HASH_SIZE];
};

/* Room for a provider's running state; owned by the caller, no clean-up needed. */
struct dcd_hash_state {
	_Alignas(16) uint8_t opaque[256];
};

struct dcd_hash_alg {
	void (*init)(struct dcd_hash_state *state);
	void (*update)(struct dcd_hash_state *state, const void *data, size_t len);
	void (*finish)(struct dcd_hash_state *state, struct dcd_hash *ret);
};

static inline void dcd_hash_once(const struct dcd_hash_alg *alg, const void *data, size_t len, struct dcd_hash *ret)
{
	struct dcd_hash_state state;
	alg->init(&state);
	alg->update(&state, data, len);
	alg->finish(&state, ret);
}

/* Hashes are public, so an ordinary comparison leaks nothing. */
static inline bool dcd_hash_equal(const struct dcd_hash *a, const struct dcd_hash *b)
{
	return memcmp(a->bytes, b->bytes, DCD_HASH_SIZE) == 0;
}

static inline bool dcd_hash_is_zero(const struct dcd_hash *h)
{
	static const struct dcd_hash zero;
	return dcd_hash_equal(h, &zero);
}

#endif
