/*
 * ECDSA over P-256 and P-384, keys as PEM SubjectPublicKeyInfo or as an uncompressed point in hex, signatures as DER (RFC 3279
 * §2.2.3).
 */
#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/version.h>

#include "base/hex.h"
#include "manifest/crypto/pk_key.h"

#define SPKI_DER_MAX 256 /* P-384 takes 120 bytes */

/* What DER puts before an uncompressed point to make it a SubjectPublicKeyInfo (RFC 5480). */
static const uint8_t spki_p256[] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
				     0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00 };
static const uint8_t spki_p384[] = { 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
				     0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00 };

struct ecdsa_curve {
	mbedtls_ecp_group_id group;
	mbedtls_md_type_t hash;
	size_t coordinate; /* bytes */
	const uint8_t *spki;
	size_t spki_len;
};

static const struct ecdsa_curve ecdsa_curves[] = {
	[ECDSA_P256_SHA256] = { MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_MD_SHA256, 32, spki_p256, sizeof spki_p256 },
	[ECDSA_P384_SHA384] = { MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_MD_SHA384, 48, spki_p384, sizeof spki_p384 },
};

static mbedtls_ecp_group_id ecdsa_group(const mbedtls_pk_context *pk)
{
#if MBEDTLS_VERSION_NUMBER < 0x03000000
	return mbedtls_pk_ec(*pk)->grp.id;
#else
	return mbedtls_pk_ec(*pk)->MBEDTLS_PRIVATE(grp).id;
#endif
}

static mbedtls_pk_context *parse_text(const char *value, const struct ecdsa_curve *curve, int *ret_err)
{
	size_t point = 1 + 2 * curve->coordinate;
	uint8_t der[SPKI_DER_MAX];
	if (strlen(value) != 2 * point || value[0] != '0' || value[1] != '4') {
		/* mbedTLS wants the NUL counted. */
		return dcd_pk_parse((const uint8_t *)value, strlen(value) + 1, MBEDTLS_PK_ECKEY, ret_err);
	}
	if (!dcd_hex_decode(value, 2 * point, der + curve->spki_len)) {
		*ret_err = DCD_ERR_MALFORMED;
		return NULL;
	}
	memcpy(der, curve->spki, curve->spki_len);
	return dcd_pk_parse(der, curve->spki_len + point, MBEDTLS_PK_ECKEY, ret_err);
}

static void *ecdsa_parse(const char *value, int variant, int *ret_err)
{
	/* mbedTLS checks that the point is on its curve. */
	mbedtls_pk_context *pk = parse_text(value, &ecdsa_curves[variant], ret_err);
	if (pk != NULL && ecdsa_group(pk) != ecdsa_curves[variant].group) {
		return dcd_pk_refuse(pk, ret_err);
	}
	return pk;
}

/* One INTEGER at *at: positive, minimal, no wider than the curve. Advances *at past it. */
static bool der_integer_strict(const uint8_t *data, size_t len, size_t coordinate, size_t *at)
{
	if (len - *at < 2 || data[*at] != 0x02) {
		return false;
	}
	size_t width = data[*at + 1];
	const uint8_t *digits = data + *at + 2;
	if (width == 0 || width > coordinate + 1 || width > len - *at - 2 || (digits[0] & 0x80) != 0) {
		return false;
	}
	if (width > 1 && digits[0] == 0 && (digits[1] & 0x80) == 0) {
		return false;
	}
	*at += 2 + width;
	return true;
}

/*
 * Parsers of DER differ in how lax they are. A signature has one spelling here, so that a file can't be changed without its
 * verification failing: long-form lengths, leading zeros and trailing bytes are refused.
 */
static bool ecdsa_signature_strict(const uint8_t *data, size_t len, size_t coordinate)
{
	if (len < 2 || len > 2 + 2 * (3 + coordinate) || data[0] != 0x30 || data[1] != len - 2) {
		return false;
	}
	size_t at = 2;
	return der_integer_strict(data, len, coordinate, &at) && der_integer_strict(data, len, coordinate, &at) && at == len;
}

static bool ecdsa_verify(const void *key, int variant, const uint8_t *message, size_t message_len, const uint8_t *signature,
			 size_t signature_len)
{
	const struct ecdsa_curve *curve = &ecdsa_curves[variant];
	uint8_t digest[MBEDTLS_MD_MAX_SIZE];
	size_t digest_len = dcd_pk_digest(curve->hash, message, message_len, digest);
	if (!ecdsa_signature_strict(signature, signature_len, curve->coordinate) || digest_len == 0) {
		return false;
	}
	/* mbedtls_pk_verify() asks for a key it may write to, but only reads it. */
	return mbedtls_pk_verify((mbedtls_pk_context *)key, curve->hash, digest, digest_len, signature, signature_len) == 0;
}

const struct key_family dcd_ecdsa_family = {
	.parse = ecdsa_parse,
	.verify = ecdsa_verify,
	.identity = dcd_pk_identity,
	.free = dcd_pk_free,
};
