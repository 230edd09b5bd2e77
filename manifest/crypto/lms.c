#include "manifest/crypto/lms.h"

#include "manifest/crypto/sha256.h"

/* What tells the uses of the hash apart (§7.1). */
#define D_PBLC 0x8080U
#define D_MESG 0x8181U
#define D_LEAF 0x8282U
#define D_INTR 0x8383U

const struct dcd_lms_set dcd_lms_h10_w8 = {
	.type = 6, .ots_type = 4, .height = 10, .width = 8, .chains = 34, .checksum_shift = 0
};

size_t dcd_lms_signature_size(const struct dcd_lms_set *set)
{
	return 4 + 4 + DCD_HASH_SIZE * (1 + (size_t)set->chains) + 4 + DCD_HASH_SIZE * (size_t)set->height;
}

static void put_u16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put_u32(uint8_t *p, uint32_t v)
{
	put_u16(p, v >> 16);
	put_u16(p + 2, v);
}

static uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Every hash begins with the tree, a number in it, and what is hashed. */
static void hash_begin(struct dcd_hash_state *state, const uint8_t *id, uint32_t number, uint32_t what)
{
	uint8_t head[DCD_LMS_ID_SIZE + 6];
	memcpy(head, id, DCD_LMS_ID_SIZE);
	put_u32(head + DCD_LMS_ID_SIZE, number);
	put_u16(head + DCD_LMS_ID_SIZE + 4, what);
	dcd_sha256.init(state);
	dcd_sha256.update(state, head, sizeof head);
}

/* §3.1.3: number `i` of the `width`-bit numbers in a string. */
static uint8_t digit(const uint8_t *string, unsigned i, unsigned width)
{
	unsigned per_byte = 8 / width;
	unsigned shift = width * (per_byte - 1 - i % per_byte);
	return (uint8_t)((unsigned)string[i / per_byte] >> shift & ((1U << width) - 1));
}

unsigned dcd_lms_chain_end(const struct dcd_lms_set *set)
{
	return (1U << set->width) - 1;
}

void dcd_lms_digits(const struct dcd_lms_leaf_id *leaf, const uint8_t c[DCD_HASH_SIZE], const uint8_t *message,
		    size_t message_len, uint8_t ret[DCD_LMS_CHAINS_MAX])
{
	const struct dcd_lms_set *set = leaf->set;
	struct dcd_hash_state state;
	struct dcd_hash hash;
	hash_begin(&state, leaf->id, leaf->q, D_MESG);
	dcd_sha256.update(&state, c, DCD_HASH_SIZE);
	dcd_sha256.update(&state, message, message_len);
	dcd_sha256.finish(&state, &hash);
	uint8_t string[DCD_HASH_SIZE + 2];
	memcpy(string, hash.bytes, DCD_HASH_SIZE);
	/* Algorithm 2: who lengthens a chain must shorten the checksum's, and can't. */
	unsigned sum = 0;
	for (unsigned i = 0; i < 8 * DCD_HASH_SIZE / set->width; i++) {
		sum += dcd_lms_chain_end(set) - digit(string, i, set->width);
	}
	put_u16(string + DCD_HASH_SIZE, sum << set->checksum_shift);
	for (unsigned i = 0; i < set->chains; i++) {
		ret[i] = digit(string, i, set->width);
	}
}

void dcd_lms_chain(const struct dcd_lms_leaf_id *leaf, unsigned i, unsigned from, unsigned to, struct dcd_hash *link)
{
	uint8_t text[DCD_LMS_ID_SIZE + 4 + 2 + 1 + DCD_HASH_SIZE];
	memcpy(text, leaf->id, DCD_LMS_ID_SIZE);
	put_u32(text + DCD_LMS_ID_SIZE, leaf->q);
	put_u16(text + DCD_LMS_ID_SIZE + 4, i);
	for (unsigned j = from; j < to; j++) {
		text[DCD_LMS_ID_SIZE + 6] = (uint8_t)j;
		memcpy(text + DCD_LMS_ID_SIZE + 7, link->bytes, DCD_HASH_SIZE);
		dcd_hash_once(&dcd_sha256, text, sizeof text, link);
	}
	/* For a signer the links before the signature's are the secret. */
	explicit_bzero(text, sizeof text);
}

void dcd_lms_leaf(const struct dcd_lms_leaf_id *leaf, const struct dcd_hash *ends, struct dcd_hash *ret)
{
	struct dcd_hash_state state;
	struct dcd_hash key;
	hash_begin(&state, leaf->id, leaf->q, D_PBLC);
	for (unsigned i = 0; i < leaf->set->chains; i++) {
		dcd_sha256.update(&state, ends[i].bytes, DCD_HASH_SIZE);
	}
	dcd_sha256.finish(&state, &key);
	hash_begin(&state, leaf->id, (1U << leaf->set->height) + leaf->q, D_LEAF);
	dcd_sha256.update(&state, key.bytes, DCD_HASH_SIZE);
	dcd_sha256.finish(&state, ret);
}

void dcd_lms_node(const uint8_t *id, uint32_t node, const struct dcd_hash *left, const struct dcd_hash *right,
		  struct dcd_hash *ret)
{
	struct dcd_hash_state state;
	struct dcd_hash result;
	hash_begin(&state, id, node, D_INTR);
	dcd_sha256.update(&state, left->bytes, DCD_HASH_SIZE);
	dcd_sha256.update(&state, right->bytes, DCD_HASH_SIZE);
	dcd_sha256.finish(&state, &result);
	*ret = result;
}

/* Algorithm 4b: the leaf that the signature's links lead to. */
static void leaf_of_signature(const struct dcd_lms_leaf_id *leaf, const uint8_t *message, size_t message_len,
			      const uint8_t *signature, struct dcd_hash *ret)
{
	const uint8_t *c = signature + 8;
	const uint8_t *links = c + DCD_HASH_SIZE;
	uint8_t digits[DCD_LMS_CHAINS_MAX];
	struct dcd_hash ends[DCD_LMS_CHAINS_MAX];
	dcd_lms_digits(leaf, c, message, message_len, digits);
	for (unsigned i = 0; i < leaf->set->chains; i++) {
		memcpy(ends[i].bytes, links + (size_t)i * DCD_HASH_SIZE, DCD_HASH_SIZE);
		dcd_lms_chain(leaf, i, digits[i], dcd_lms_chain_end(leaf->set), &ends[i]);
	}
	dcd_lms_leaf(leaf, ends, ret);
}

bool dcd_lms_verify(const struct dcd_lms_set *set, const uint8_t public_key[DCD_LMS_PUBLIC_SIZE], const uint8_t *message,
		    size_t message_len, const uint8_t *signature, size_t signature_len)
{
	/* A set has one length, so nothing can stand behind a signature; what it says of itself must be this set too. */
	size_t path_at = 8 + DCD_HASH_SIZE * (1 + (size_t)set->chains);
	if (get_u32(public_key) != set->type || get_u32(public_key + 4) != set->ots_type ||
	    signature_len != dcd_lms_signature_size(set) || get_u32(signature + 4) != set->ots_type ||
	    get_u32(signature + path_at) != set->type) {
		return false;
	}
	const struct dcd_lms_leaf_id leaf = { .set = set, .id = public_key + 8, .q = get_u32(signature) };
	if (leaf.q >= 1U << set->height) {
		return false;
	}
	struct dcd_hash node;
	leaf_of_signature(&leaf, message, message_len, signature, &node);
	const uint8_t *path = signature + path_at + 4;
	for (uint32_t number = (1U << set->height) + leaf.q; number > 1; number /= 2, path += DCD_HASH_SIZE) {
		struct dcd_hash sibling;
		memcpy(sibling.bytes, path, DCD_HASH_SIZE);
		dcd_lms_node(leaf.id, number / 2, number % 2 == 0 ? &node : &sibling, number % 2 == 0 ? &sibling : &node, &node);
	}
	return memcmp(node.bytes, public_key + 8 + DCD_LMS_ID_SIZE, DCD_HASH_SIZE) == 0;
}
