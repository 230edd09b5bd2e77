#include "bsdiff/apply/image_id.h"

#include "base/le.h"

/* One prefix byte a domain, so that no leaf can be passed off as a node, nor a tree as an id. */
enum { DOMAIN_LEAF = 0, DOMAIN_NODE = 1, DOMAIN_IMAGE = 2 };

static const char image_label[12] = "decade image";

void dcd_segment_hash_begin(const struct dcd_hash_alg *alg, struct dcd_hash_state *state)
{
	const uint8_t domain = DOMAIN_LEAF;
	alg->init(state);
	alg->update(state, &domain, 1);
}

void dcd_segment_hash_end(const struct dcd_hash_alg *alg, struct dcd_hash_state *state, struct dcd_hash *ret)
{
	alg->finish(state, ret);
}

void dcd_segment_hash(const struct dcd_hash_alg *alg, const void *segment, size_t len, struct dcd_hash *ret)
{
	struct dcd_hash_state state;
	dcd_segment_hash_begin(alg, &state);
	alg->update(&state, segment, len);
	dcd_segment_hash_end(alg, &state, ret);
}

static void tree_join(const struct dcd_hash_alg *alg, const struct dcd_hash *left, struct dcd_hash *right_and_ret)
{
	const uint8_t domain = DOMAIN_NODE;
	struct dcd_hash_state state;
	alg->init(&state);
	alg->update(&state, &domain, 1);
	alg->update(&state, left->bytes, DCD_HASH_SIZE);
	alg->update(&state, right_and_ret->bytes, DCD_HASH_SIZE);
	alg->finish(&state, right_and_ret);
}

static unsigned tree_depth(uint64_t leaves)
{
	unsigned bits = 0;
	for (; leaves != 0; leaves &= leaves - 1) {
		bits++;
	}
	return bits;
}

void dcd_image_tree_begin(struct dcd_image_tree *tree, const struct dcd_hash_alg *alg)
{
	tree->alg = alg;
	tree->leaves = 0;
}

void dcd_image_tree_add(struct dcd_image_tree *tree, const struct dcd_hash *leaf)
{
	unsigned top = tree_depth(tree->leaves);
	struct dcd_hash root = *leaf;
	/* As in binary addition: each one bit at the low end is a complete subtree that the carry joins. */
	for (uint64_t carry = tree->leaves; (carry & 1) != 0; carry >>= 1) {
		tree_join(tree->alg, &tree->stack[--top], &root);
	}
	tree->stack[top] = root;
	tree->leaves++;
}

void dcd_image_tree_id(const struct dcd_image_tree *tree, uint64_t image_size, uint32_t segment_size, struct dcd_hash *ret)
{
	struct dcd_hash root;
	unsigned top = tree_depth(tree->leaves);
	if (top == 0) {
		dcd_hash_once(tree->alg, "", 0, &root);
	} else {
		root = tree->stack[--top];
		while (top > 0) {
			tree_join(tree->alg, &tree->stack[--top], &root);
		}
	}
	const uint8_t domain = DOMAIN_IMAGE;
	uint8_t sizes[12];
	dcd_le64_put(sizes, image_size);
	dcd_le32_put(sizes + 8, segment_size);
	struct dcd_hash_state state;
	tree->alg->init(&state);
	tree->alg->update(&state, &domain, 1);
	tree->alg->update(&state, image_label, sizeof image_label);
	tree->alg->update(&state, sizes, sizeof sizes);
	tree->alg->update(&state, root.bytes, DCD_HASH_SIZE);
	tree->alg->finish(&state, ret);
}
