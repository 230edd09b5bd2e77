/*
 * Image ids: the identity of an image is the root of a hash tree over its segments. Freestanding.
 *
 *	leaf(segment)   = SHA-256(0x00 || segment)
 *	node(l, r)      = SHA-256(0x01 || l || r)
 *	tree(leaves)    = RFC 6962 section 2.1: split at the largest power of two below the count; no leaves: SHA-256 of nothing
 *	image id        = SHA-256(0x02 || "decade image" || le64(image size) || le32(segment size) || tree)
 */
#ifndef DCD_BSDIFF_APPLY_IMAGE_ID_H
#define DCD_BSDIFF_APPLY_IMAGE_ID_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* The leaf hash of one segment. */
void dcd_segment_hash(const struct dcd_hash_alg *alg, const void *segment, size_t len, struct dcd_hash *ret);

/* A leaf hash in pieces, for who can't hold a segment: begin, update with alg->update(), end. */
void dcd_segment_hash_begin(const struct dcd_hash_alg *alg, struct dcd_hash_state *state);
void dcd_segment_hash_end(const struct dcd_hash_alg *alg, struct dcd_hash_state *state, struct dcd_hash *ret);

/* The tree, leaf by leaf, in a fixed amount of memory. */
struct dcd_image_tree {
	const struct dcd_hash_alg *alg;
	uint64_t leaves;
	struct dcd_hash stack[64]; /* roots of complete subtrees, one for each bit set in `leaves`, largest first */
};

void dcd_image_tree_begin(struct dcd_image_tree *tree, const struct dcd_hash_alg *alg);
void dcd_image_tree_add(struct dcd_image_tree *tree, const struct dcd_hash *leaf);
/* The image id; `tree` itself stays as it is and may go on. */
void dcd_image_tree_id(const struct dcd_image_tree *tree, uint64_t image_size, uint32_t segment_size, struct dcd_hash *ret);

#endif
