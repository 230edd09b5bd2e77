/*
 * Leighton-Micali signatures (RFC 8554) over SHA-256: the hashing that signer and verifier share, and verification. A tree of
 * 2^h one-time keys, whose root is the public key; nothing here holds a secret except what a caller passes to dcd_lms_leaf().
 *
 * Numbers on the wire are big-endian, as the RFC writes them.
 */
#ifndef DCD_MANIFEST_CRYPTO_LMS_H
#define DCD_MANIFEST_CRYPTO_LMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"

#define DCD_LMS_ID_SIZE 16
#define DCD_LMS_PUBLIC_SIZE (4U + 4U + DCD_LMS_ID_SIZE + DCD_HASH_SIZE)
#define DCD_LMS_CHAINS_MAX 67U
#define DCD_LMS_HEIGHT_MAX 10U

/* §4.1 and §5.1: what a tree's and its one-time keys' type numbers stand for. */
struct dcd_lms_set {
	uint32_t type;     /* of the tree */
	uint32_t ots_type; /* of its leaves */
	unsigned height;   /* 2^height signatures */
	unsigned width;    /* bits of a digest that one chain signs */
	unsigned chains;
	unsigned checksum_shift;
};

/* LMS_SHA256_M32_H10 with LMOTS_SHA256_N32_W8: 1,024 signatures of 1,452 bytes. The one that metadata may use. */
extern const struct dcd_lms_set dcd_lms_h10_w8;
#define DCD_LMS_SIGNATURE_SIZE 1452U

/* Bytes of a signature. */
size_t dcd_lms_signature_size(const struct dcd_lms_set *set);

/* Which tree, and which of its leaves. */
struct dcd_lms_leaf_id {
	const struct dcd_lms_set *set;
	const uint8_t *id; /* DCD_LMS_ID_SIZE bytes */
	uint32_t q;
};

/* §4.4: the numbers that the chains sign for a message and its randomizer. */
void dcd_lms_digits(const struct dcd_lms_leaf_id *leaf, const uint8_t c[DCD_HASH_SIZE], const uint8_t *message,
		    size_t message_len, uint8_t ret[DCD_LMS_CHAINS_MAX]);
/* §4.3: goes on along chain `i` from link `from` to link `to`. */
void dcd_lms_chain(const struct dcd_lms_leaf_id *leaf, unsigned i, unsigned from, unsigned to, struct dcd_hash *link);
/* The link at which each chain ends. */
unsigned dcd_lms_chain_end(const struct dcd_lms_set *set);
/* §4.3, §5.3: the tree's leaf over the ends of all chains. */
void dcd_lms_leaf(const struct dcd_lms_leaf_id *leaf, const struct dcd_hash *ends, struct dcd_hash *ret);
/* §5.3: the node above two others; `node` is its number, the root's being 1. */
void dcd_lms_node(const uint8_t *id, uint32_t node, const struct dcd_hash *left, const struct dcd_hash *right,
		  struct dcd_hash *ret);

/* Algorithm 6a. True when `signature` is over `message` by the tree that `public_key` (of that set) is the root of. */
bool dcd_lms_verify(const struct dcd_lms_set *set, const uint8_t public_key[DCD_LMS_PUBLIC_SIZE], const uint8_t *message,
		    size_t message_len, const uint8_t *signature, size_t signature_len);

#endif
