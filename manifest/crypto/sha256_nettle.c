#include "manifest/crypto/sha256.h"

#include <nettle/sha2.h>
#include <nettle/version.h>

_Static_assert(sizeof(struct sha256_ctx) <= sizeof(struct dcd_hash_state), "a running state has room in dcd_hash_state");
_Static_assert(_Alignof(struct sha256_ctx) <= _Alignof(struct dcd_hash_state), "and is aligned there");

static void begin(struct dcd_hash_state *state)
{
	sha256_init((struct sha256_ctx *)(void *)state->opaque);
}

static void add(struct dcd_hash_state *state, const void *data, size_t len)
{
	/* Nothing may be a null pointer, which the library would hand to memcpy(). */
	if (len > 0) {
		sha256_update((struct sha256_ctx *)(void *)state->opaque, len, data);
	}
}

static void finish(struct dcd_hash_state *state, struct dcd_hash *ret)
{
	struct sha256_ctx *context = (struct sha256_ctx *)(void *)state->opaque;
#if NETTLE_VERSION_MAJOR < 4
	sha256_digest(context, DCD_HASH_SIZE, ret->bytes);
#else
	sha256_digest(context, ret->bytes);
#endif
}

const struct dcd_hash_alg dcd_sha256 = { .init = begin, .update = add, .finish = finish };
