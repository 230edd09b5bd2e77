#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/le.h"
#include "bsdiff/apply/image_id.h"
#include "manifest/crypto/sha256.h"

/* The definition, recursively and with all leaves in memory. */
static void reference_tree(const struct dcd_hash *leaves, size_t count, struct dcd_hash *ret)
{
	if (count == 0) {
		dcd_hash_once(&dcd_sha256, "", 0, ret);
		return;
	}
	if (count == 1) {
		*ret = leaves[0];
		return;
	}
	size_t left = 1;
	while (left * 2 < count) {
		left *= 2;
	}
	uint8_t node[1 + 2 * DCD_HASH_SIZE] = { 1 };
	struct dcd_hash half;
	reference_tree(leaves, left, &half);
	memcpy(node + 1, half.bytes, DCD_HASH_SIZE);
	reference_tree(leaves + left, count - left, &half);
	memcpy(node + 1 + DCD_HASH_SIZE, half.bytes, DCD_HASH_SIZE);
	dcd_hash_once(&dcd_sha256, node, sizeof node, ret);
}

static void reference_id(const struct dcd_hash *leaves, size_t count, uint64_t size, uint32_t segment_size, struct dcd_hash *ret)
{
	uint8_t text[1 + 12 + 12 + DCD_HASH_SIZE] = "\x02"
						    "decade image";
	struct dcd_hash tree;
	dcd_le64_put(text + 13, size);
	dcd_le32_put(text + 21, segment_size);
	reference_tree(leaves, count, &tree);
	memcpy(text + 25, tree.bytes, DCD_HASH_SIZE);
	dcd_hash_once(&dcd_sha256, text, sizeof text, ret);
}

static void the_streaming_tree_agrees_with_the_definition(void **state)
{
	(void)state;
	static struct dcd_hash leaves[200];
	struct dcd_image_tree tree;
	dcd_image_tree_begin(&tree, &dcd_sha256);
	for (size_t count = 0; count < 200; count++) {
		struct dcd_hash id, wanted;
		dcd_image_tree_id(&tree, count * 4096, 4096, &id);
		reference_id(leaves, count, count * 4096, 4096, &wanted);
		assert_true(dcd_hash_equal(&id, &wanted));
		dcd_segment_hash(&dcd_sha256, &count, sizeof count, &leaves[count]);
		dcd_image_tree_add(&tree, &leaves[count]);
	}
}

static void a_leaf_is_hashed_with_its_own_prefix_in_one_piece_or_many(void **state)
{
	(void)state;
	struct dcd_hash once, pieces, wanted;
	struct dcd_hash_state running;
	dcd_segment_hash(&dcd_sha256, "segment", 7, &once);
	dcd_segment_hash_begin(&dcd_sha256, &running);
	dcd_sha256.update(&running, "seg", 3);
	dcd_sha256.update(&running, "ment", 4);
	dcd_segment_hash_end(&dcd_sha256, &running, &pieces);
	dcd_hash_once(&dcd_sha256, "\0segment", 8, &wanted);
	assert_true(dcd_hash_equal(&once, &wanted));
	assert_true(dcd_hash_equal(&pieces, &wanted));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_streaming_tree_agrees_with_the_definition),
		cmocka_unit_test(a_leaf_is_hashed_with_its_own_prefix_in_one_piece_or_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
