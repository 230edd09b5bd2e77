#include "manifest/sign/lms_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "manifest/crypto/private_file.h"
#include "manifest/crypto/sha256.h"

#define RANDOMIZER 0xfffdU /* where a chain's number would be: no set has so many chains */

struct dcd_lms_private {
	const struct dcd_lms_set *set;
	uint8_t id[DCD_LMS_ID_SIZE];
	uint8_t seed[DCD_LMS_SEED_SIZE];
	struct dcd_hash *nodes; /* by number: the root is 1, the leaves are from 2^height on */
};

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++) {
		p[i] = (uint8_t)(v >> (24 - 8 * i));
	}
}

/* Appendix A: secret number `i` of leaf `q`. */
static void derive(const struct dcd_lms_private *key, uint32_t q, uint32_t i, struct dcd_hash *ret)
{
	uint8_t text[DCD_LMS_ID_SIZE + 7 + DCD_LMS_SEED_SIZE];
	memcpy(text, key->id, DCD_LMS_ID_SIZE);
	put_u32(text + DCD_LMS_ID_SIZE, q);
	text[DCD_LMS_ID_SIZE + 4] = (uint8_t)(i >> 8);
	text[DCD_LMS_ID_SIZE + 5] = (uint8_t)i;
	text[DCD_LMS_ID_SIZE + 6] = 0xff;
	memcpy(text + DCD_LMS_ID_SIZE + 7, key->seed, DCD_LMS_SEED_SIZE);
	dcd_hash_once(&dcd_sha256, text, sizeof text, ret);
	explicit_bzero(text, sizeof text);
}

static void make_leaf(const struct dcd_lms_private *key, uint32_t q, struct dcd_hash *ret)
{
	const struct dcd_lms_leaf_id leaf = { .set = key->set, .id = key->id, .q = q };
	struct dcd_hash ends[DCD_LMS_CHAINS_MAX];
	for (unsigned i = 0; i < key->set->chains; i++) {
		derive(key, q, i, &ends[i]);
		dcd_lms_chain(&leaf, i, 0, dcd_lms_chain_end(key->set), &ends[i]);
	}
	dcd_lms_leaf(&leaf, ends, ret);
}

static void make_tree(struct dcd_lms_private *key, const struct dcd_hash *leaves)
{
	uint32_t count = dcd_lms_private_leaves(key);
	for (uint32_t q = 0; q < count; q++) {
		if (leaves != NULL) {
			key->nodes[count + q] = leaves[q];
		} else {
			make_leaf(key, q, &key->nodes[count + q]);
		}
	}
	for (uint32_t node = count - 1; node > 0; node--) {
		dcd_lms_node(key->id, node, &key->nodes[2 * node], &key->nodes[2 * node + 1], &key->nodes[node]);
	}
}

uint32_t dcd_lms_private_leaves(const struct dcd_lms_private *key)
{
	return 1U << key->set->height;
}

int dcd_lms_private_new(const struct dcd_lms_set *set, const uint8_t *id, const uint8_t seed[DCD_LMS_SEED_SIZE],
			const struct dcd_hash *leaves, struct dcd_lms_private **ret, struct dcd_diag *diag)
{
	struct dcd_lms_private *key = calloc(1, sizeof *key);
	struct dcd_hash *nodes = calloc((size_t)2 << set->height, sizeof *nodes);
	if (key == NULL || nodes == NULL) {
		free(key);
		free(nodes);
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "no memory for an LMS key");
	}
	key->set = set;
	memcpy(key->id, id, DCD_LMS_ID_SIZE);
	memcpy(key->seed, seed, DCD_LMS_SEED_SIZE);
	key->nodes = nodes;
	make_tree(key, leaves);
	*ret = key;
	return 0;
}

void dcd_lms_private_free(struct dcd_lms_private *key)
{
	if (key != NULL) {
		free(key->nodes);
		explicit_bzero(key, sizeof *key);
		free(key);
	}
}

int dcd_lms_private_generate(struct dcd_lms_private **ret, struct dcd_diag *diag)
{
	uint8_t secret[DCD_LMS_ID_SIZE + DCD_LMS_SEED_SIZE];
	if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret) {
		return dcd_diag_set(diag, DCD_ERR_HOST, "a key could not be generated: no random numbers");
	}
	int err = dcd_lms_private_new(&dcd_lms_h10_w8, secret, secret + DCD_LMS_ID_SIZE, NULL, ret, diag);
	explicit_bzero(secret, sizeof secret);
	return err;
}

void dcd_lms_private_public(const struct dcd_lms_private *key, uint8_t ret[DCD_LMS_PUBLIC_SIZE])
{
	put_u32(ret, key->set->type);
	put_u32(ret + 4, key->set->ots_type);
	memcpy(ret + 8, key->id, DCD_LMS_ID_SIZE);
	memcpy(ret + 8 + DCD_LMS_ID_SIZE, key->nodes[1].bytes, DCD_HASH_SIZE);
}

/* Algorithms 3 and 5. */
int dcd_lms_private_sign(const struct dcd_lms_private *key, uint32_t q, const uint8_t *c, const uint8_t *message,
			 size_t message_len, uint8_t *ret, struct dcd_diag *diag)
{
	const struct dcd_lms_leaf_id leaf = { .set = key->set, .id = key->id, .q = q };
	uint8_t digits[DCD_LMS_CHAINS_MAX];
	uint8_t public_key[DCD_LMS_PUBLIC_SIZE];
	struct dcd_hash link;
	if (q >= dcd_lms_private_leaves(key)) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "an LMS key has no leaf %u", (unsigned)q);
	}
	derive(key, q, RANDOMIZER, &link);
	uint8_t *at = ret;
	put_u32(at, q);
	put_u32(at + 4, key->set->ots_type);
	memcpy(at + 8, c != NULL ? c : link.bytes, DCD_HASH_SIZE);
	at += 8;
	dcd_lms_digits(&leaf, at, message, message_len, digits);
	for (unsigned i = 0; i < key->set->chains; i++) {
		derive(key, q, i, &link);
		dcd_lms_chain(&leaf, i, 0, digits[i], &link);
		memcpy(at += DCD_HASH_SIZE, link.bytes, DCD_HASH_SIZE);
	}
	put_u32(at += DCD_HASH_SIZE, key->set->type);
	at += 4;
	for (uint32_t node = dcd_lms_private_leaves(key) + q; node > 1; node /= 2, at += DCD_HASH_SIZE) {
		memcpy(at, key->nodes[node ^ 1U].bytes, DCD_HASH_SIZE);
	}
	/* A bit that flipped while it was made could show what a second signature by this leaf would show. */
	dcd_lms_private_public(key, public_key);
	if (!dcd_lms_verify(key->set, public_key, message, message_len, ret, dcd_lms_signature_size(key->set))) {
		explicit_bzero(ret, dcd_lms_signature_size(key->set));
		return dcd_diag_set(diag, DCD_ERR_HOST,
				    "an LMS signature came out wrong: this machine's memory or processor errs");
	}
	return 0;
}

/* ---- the file ---- */

static const char file_head[16] = "decade lms key\n1";

void dcd_lms_private_encode(const struct dcd_lms_private *key, uint8_t ret[DCD_LMS_KEY_FILE_SIZE])
{
	uint8_t *at = ret;
	memcpy(at, file_head, sizeof file_head);
	dcd_lms_private_public(key, at += sizeof file_head);
	memcpy(at += DCD_LMS_PUBLIC_SIZE, key->seed, DCD_LMS_SEED_SIZE);
	at += DCD_LMS_SEED_SIZE;
	uint32_t count = dcd_lms_private_leaves(key);
	memcpy(at, key->nodes[count].bytes, (size_t)count * DCD_HASH_SIZE);
	struct dcd_hash hash;
	dcd_hash_once(&dcd_sha256, ret, DCD_LMS_KEY_FILE_SIZE - DCD_HASH_SIZE, &hash);
	memcpy(ret + DCD_LMS_KEY_FILE_SIZE - DCD_HASH_SIZE, hash.bytes, DCD_HASH_SIZE);
}

int dcd_lms_private_decode(const uint8_t *data, size_t len, const char *what, struct dcd_lms_private **ret, struct dcd_diag *diag)
{
	_Static_assert(sizeof(struct dcd_hash) == DCD_HASH_SIZE, "hashes lie in the file as they do in memory");
	struct dcd_hash hash;
	if (len != DCD_LMS_KEY_FILE_SIZE || memcmp(data, file_head, sizeof file_head) != 0) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: not an LMS private key", what);
	}
	dcd_hash_once(&dcd_sha256, data, len - DCD_HASH_SIZE, &hash);
	const uint8_t *public_key = data + sizeof file_head;
	const uint8_t *seed = public_key + DCD_LMS_PUBLIC_SIZE;
	const struct dcd_hash *leaves = (const struct dcd_hash *)(const void *)(seed + DCD_LMS_SEED_SIZE);
	struct dcd_lms_private *key = NULL;
	int err = memcmp(hash.bytes, data + len - DCD_HASH_SIZE, DCD_HASH_SIZE) == 0
			  ? dcd_lms_private_new(&dcd_lms_h10_w8, public_key + 8, seed, leaves, &key, diag)
			  : dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: damaged; take the backup of this very file", what);
	if (err != 0) {
		return err;
	}
	uint8_t made[DCD_LMS_PUBLIC_SIZE];
	dcd_lms_private_public(key, made);
	if (memcmp(made, public_key, sizeof made) != 0) {
		dcd_lms_private_free(key);
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: its leaves are not its public key's", what);
	}
	*ret = key;
	return 0;
}

int dcd_lms_private_save(const struct dcd_lms_private *key, const char *path, struct dcd_diag *diag)
{
	uint8_t *data = malloc(DCD_LMS_KEY_FILE_SIZE);
	if (data == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory for the key", path);
	}
	dcd_lms_private_encode(key, data);
	int err = private_file_create(path, data, DCD_LMS_KEY_FILE_SIZE, diag);
	explicit_bzero(data, DCD_LMS_KEY_FILE_SIZE);
	free(data);
	return err;
}
