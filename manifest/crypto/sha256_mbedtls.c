#include "manifest/crypto/sha256.h"

#include <mbedtls/sha256.h>
#include <mbedtls/version.h>

_Static_assert(sizeof(mbedtls_sha256_context) <= sizeof(struct dcd_hash_state), "a running state has room in dcd_hash_state");
_Static_assert(_Alignof(mbedtls_sha256_context) <= _Alignof(struct dcd_hash_state), "and is aligned there");

/* mbedTLS 2 has the functions that report an error under names of their own; those of mbedTLS 3 took over the plain names. */
#if MBEDTLS_VERSION_NUMBER < 0x03000000
#define sha256_starts mbedtls_sha256_starts_ret
#define sha256_update mbedtls_sha256_update_ret
#define sha256_finish mbedtls_sha256_finish_ret
#else
#define sha256_starts mbedtls_sha256_starts
#define sha256_update mbedtls_sha256_update
#define sha256_finish mbedtls_sha256_finish
#endif

/*
 * The results are only errors for a null pointer or a broken hardware accelerator. Neither may go on silently with a wrong hash,
 * but a wrong hash is all that could come of it, and every hash is compared: it fails closed. So the interface needs no error.
 */
static void sha256_init(struct dcd_hash_state *state)
{
	mbedtls_sha256_context *context = (mbedtls_sha256_context *)(void *)state->opaque;
	mbedtls_sha256_init(context);
	(void)sha256_starts(context, 0);
}

static void sha256_add(struct dcd_hash_state *state, const void *data, size_t len)
{
	(void)sha256_update((mbedtls_sha256_context *)(void *)state->opaque, data, len);
}

static void sha256_result(struct dcd_hash_state *state, struct dcd_hash *ret)
{
	mbedtls_sha256_context *context = (mbedtls_sha256_context *)(void *)state->opaque;
	(void)sha256_finish(context, ret->bytes);
	mbedtls_sha256_free(context);
}

const struct dcd_hash_alg dcd_sha256 = { .init = sha256_init, .update = sha256_add, .finish = sha256_result };
