#include "tests/unit/fake_repository.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "manifest/crypto/sha256.h"
#include "manifest/json/canonical.h"

static const char *const role_names[FAKE_ROLES] = { "root", "timestamp", "snapshot", "targets" };

struct fake_file *fake_find(struct fake_files *files, const char *name)
{
	for (size_t i = 0; i < files->count; i++) {
		if (strcmp(files->files[i].name, name) == 0) {
			return &files->files[i];
		}
	}
	return NULL;
}

void fake_remove(struct fake_files *files, const char *name)
{
	struct fake_file *file = fake_find(files, name);
	if (file != NULL) {
		free(file->data);
		*file = files->files[--files->count];
	}
}

void fake_put(struct fake_files *files, const char *name, const void *data, size_t len)
{
	uint8_t *copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy, data, len);
	fake_remove(files, name);
	assert_true(files->count < FAKE_FILES_MAX);
	struct fake_file *file = &files->files[files->count++];
	(void)snprintf(file->name, sizeof file->name, "%s", name);
	file->data = copy;
	file->len = len;
}

/* ---- source and store ---- */

static int serve_endless(uint64_t max, struct dcd_sink *sink)
{
	static const uint8_t block[1000];
	for (uint64_t sent = 0; sent < max;) {
		size_t n = max - sent < sizeof block ? (size_t)(max - sent) : sizeof block;
		int err = sink->write(sink->context, block, n);
		if (err != 0) {
			return err;
		}
		sent += n;
	}
	return DCD_ERR_SIZE;
}

static int fake_fetch(struct dcd_source *source, const char *path, uint64_t max, struct dcd_sink *sink, struct dcd_diag *diag)
{
	struct fake_repository *repository = (struct fake_repository *)source;
	repository->requests++;
	if (repository->why != NULL) {
		(void)!dcd_diag_set(diag, DCD_ERR_SIZE, "%s", repository->why);
	}
	assert_true(dcd_source_path_ok(path));
	if (repository->endless != NULL && strcmp(repository->endless, path) == 0) {
		return serve_endless(max, sink);
	}
	struct fake_file *file = fake_find(&repository->served, path);
	if (file == NULL) {
		return repository->missing != 0 ? repository->missing : DCD_ERR_NOT_FOUND;
	}
	size_t n = file->len < max ? file->len : (size_t)max;
	int err = n == 0 ? 0 : sink->write(sink->context, file->data, n);
	return err != 0 ? err : n < file->len ? DCD_ERR_SIZE : 0;
}

static struct fake_files *stored_files(struct dcd_dir *dir)
{
	return &((struct fake_repository *)(void *)((char *)dir - offsetof(struct fake_repository, store)))->stored;
}

static int store_read(struct dcd_dir *dir, const char *name, void *buf, size_t capacity, size_t *ret_len)
{
	struct fake_file *file = fake_find(stored_files(dir), name);
	if (file == NULL) {
		return DCD_ERR_NOT_FOUND;
	}
	if (file->len > capacity) {
		return DCD_ERR_SIZE;
	}
	memcpy(buf, file->data, file->len);
	*ret_len = file->len;
	return 0;
}

static int store_write(struct dcd_dir *dir, const char *name, const void *data, size_t len)
{
	fake_put(stored_files(dir), name, data, len);
	return 0;
}

static int store_rename(struct dcd_dir *dir, const char *from, const char *to)
{
	struct fake_file *file = fake_find(stored_files(dir), from);
	assert_non_null(file);
	fake_put(stored_files(dir), to, file->data, file->len);
	fake_remove(stored_files(dir), from);
	return 0;
}

static int store_remove(struct dcd_dir *dir, const char *name)
{
	fake_remove(stored_files(dir), name);
	return 0;
}

static int store_sync(struct dcd_dir *dir, const char *name)
{
	(void)dir, (void)name;
	return 0;
}

static int store_sync_dir(struct dcd_dir *dir)
{
	(void)dir;
	return 0;
}

static const struct dcd_source_ops source_ops = { .fetch = fake_fetch };
static const struct dcd_dir_ops store_ops = {
	.read = store_read,
	.write = store_write,
	.sync = store_sync,
	.rename = store_rename,
	.remove = store_remove,
	.sync_dir = store_sync_dir,
};

/* ---- signing ---- */

static void key_id(int number, char ret[16])
{
	(void)snprintf(ret, 16, number >= FAKE_ALIAS ? "alias%d" : "key%d", number % FAKE_ALIAS);
}

static struct dcd_json *body_new(const struct fake_repository *repository, int role)
{
	struct dcd_json *body = dcd_json_new_object();
	assert_int_equal(dcd_json_set_string(body, "_type", role_names[role]), 0);
	assert_int_equal(dcd_json_set_string(body, "spec_version", "1.0.34"), 0);
	assert_int_equal(dcd_json_set_u64(body, "version", repository->roles[role].version), 0);
	assert_int_equal(dcd_json_set_string(body, "expires", repository->roles[role].expires), 0);
	if (repository->canonical) {
		assert_int_equal(dcd_json_set_bool(body, "x-decade-canonical", true), 0);
	}
	return body;
}

static void append_signature(struct dcd_json *signatures, struct fake_repository *repository, int number, const uint8_t *message,
			     size_t len)
{
	uint8_t signature[DCD_SIGNATURE_MAX];
	char hex[2 * DCD_SIGNATURE_MAX + 1];
	char id[16];
	size_t signature_len = 0;
	struct dcd_json *one = dcd_json_new_object();
	key_id(number, id);
	assert_int_equal(
		dcd_private_key_sign(repository->keys[number % FAKE_ALIAS], message, len, signature, &signature_len, NULL), 0);
	dcd_hex_encode(signature, signature_len, hex);
	assert_int_equal(dcd_json_set_string(one, "keyid", id), 0);
	assert_int_equal(dcd_json_set_string(one, "sig", hex), 0);
	assert_int_equal(dcd_json_append(signatures, one), 0);
}

/* Consumes the body. `also` signs too (the role before a rotation), or is null. */
static void sign_and_serve(struct fake_repository *repository, struct dcd_json *body, const struct fake_role *role,
			   const struct fake_role *also, const char *path)
{
	DCD_AUTO_FREE uint8_t *message = NULL;
	DCD_AUTO_FREE uint8_t *file = NULL;
	size_t len = 0, file_len = 0;
	struct dcd_json *signatures = dcd_json_new_array();
	struct dcd_json *document = dcd_json_new_object();
	assert_int_equal(dcd_json_canonical_bytes(body, &message, &len), 0);
	for (int i = 0; i < role->signers; i++) {
		append_signature(signatures, repository, role->keys[i], message, len);
	}
	for (int i = 0; also != NULL && i < also->signers; i++) {
		bool signed_already = false;
		for (int j = 0; j < role->signers; j++) {
			signed_already = signed_already || role->keys[j] == also->keys[i];
		}
		if (!signed_already) {
			append_signature(signatures, repository, also->keys[i], message, len);
		}
	}
	assert_int_equal(dcd_json_set(document, "signatures", signatures), 0);
	assert_int_equal(dcd_json_set(document, "signed", body), 0);
	assert_int_equal(dcd_json_canonical_file_bytes(document, &file, &file_len), 0);
	fake_put(&repository->served, path, file, file_len);
	dcd_json_free(document);
}

static struct dcd_json *key_object(struct fake_repository *repository, int number)
{
	struct dcd_json *key = dcd_json_new_object();
	struct dcd_json *value = dcd_json_new_object();
	DCD_AUTO_FREE char *pem = NULL;
	assert_int_equal(dcd_private_key_public_pem(repository->keys[number % FAKE_ALIAS], &pem, NULL), 0);
	assert_int_equal(dcd_json_set_string(value, "public", pem), 0);
	assert_int_equal(dcd_json_set_string(key, "keytype", "ecdsa"), 0);
	assert_int_equal(dcd_json_set_string(key, "scheme", "ecdsa-sha2-nistp256"), 0);
	assert_int_equal(dcd_json_set(key, "keyval", value), 0);
	return key;
}

static struct dcd_json *role_object(struct fake_repository *repository, const struct fake_role *role, struct dcd_json *keys)
{
	struct dcd_json *object = dcd_json_new_object();
	struct dcd_json *ids = dcd_json_new_array();
	for (int i = 0; i < role->key_count; i++) {
		char id[16];
		key_id(role->keys[i], id);
		assert_int_equal(dcd_json_set(keys, id, key_object(repository, role->keys[i])), 0);
		assert_int_equal(dcd_json_append_string(ids, id), 0);
	}
	assert_int_equal(dcd_json_set(object, "keyids", ids), 0);
	assert_int_equal(dcd_json_set_u64(object, "threshold", (uint64_t)role->threshold), 0);
	return object;
}

static void publish_root_signed_also(struct fake_repository *repository, const struct fake_role *also)
{
	struct dcd_json *body = body_new(repository, FAKE_ROOT);
	struct dcd_json *keys = dcd_json_new_object();
	struct dcd_json *roles = dcd_json_new_object();
	for (int i = 0; i < FAKE_ROLES; i++) {
		assert_int_equal(dcd_json_set(roles, role_names[i], role_object(repository, &repository->roles[i], keys)), 0);
	}
	assert_int_equal(dcd_json_set(body, "keys", keys), 0);
	assert_int_equal(dcd_json_set(body, "roles", roles), 0);
	assert_int_equal(dcd_json_set_bool(body, "consistent_snapshot", repository->consistent), 0);
	char path[64];
	(void)snprintf(path, sizeof path, "metadata/%d.root.json", (int)repository->roles[FAKE_ROOT].version);
	sign_and_serve(repository, body, &repository->roles[FAKE_ROOT], also, path);
}

void fake_publish_root(struct fake_repository *repository)
{
	/* Every root is also signed by key 0, which the factory root trusts. */
	const struct fake_role first = { .keys = { 0 }, .signers = 1 };
	publish_root_signed_also(repository, &first);
}

static void role_path(const struct fake_repository *repository, int role, char ret[64])
{
	if (role == FAKE_TIMESTAMP || !repository->consistent) {
		(void)snprintf(ret, 64, "metadata/%s.json", role_names[role]);
	} else {
		(void)snprintf(ret, 64, "metadata/%d.%s.json", (int)repository->roles[role].version, role_names[role]);
	}
}

static struct dcd_json *meta_of(struct fake_repository *repository, int role)
{
	char path[64], name[32];
	struct dcd_json *meta = dcd_json_new_object();
	struct dcd_json *entry = dcd_json_new_object();
	role_path(repository, role, path);
	(void)snprintf(name, sizeof name, "%s.json", role_names[role]);
	const struct fake_file *file = fake_find(&repository->served, path);
	assert_int_equal(dcd_json_set_u64(entry, "version", repository->roles[role].version), 0);
	if (repository->names_hashes && file != NULL) {
		struct dcd_hash hash;
		struct dcd_json *hashes = dcd_json_new_object();
		dcd_hash_once(&dcd_sha256, file->data, file->len, &hash);
		assert_int_equal(dcd_json_set_hash(hashes, "sha256", &hash), 0);
		assert_int_equal(dcd_json_set(entry, "hashes", hashes), 0);
		assert_int_equal(dcd_json_set_u64(entry, "length", file->len), 0);
	}
	assert_int_equal(dcd_json_set(meta, name, entry), 0);
	for (void *it = dcd_json_iter(repository->delegated_meta); role == FAKE_TARGETS && it != NULL;
	     it = dcd_json_iter_next(repository->delegated_meta, it)) {
		assert_int_equal(dcd_json_set(meta, dcd_json_iter_key(it), dcd_json_copy(dcd_json_iter_value(it))), 0);
	}
	return meta;
}

void fake_publish_role(struct fake_repository *repository, int role)
{
	char path[64];
	struct dcd_json *body = body_new(repository, role);
	role_path(repository, role, path);
	if (role == FAKE_TARGETS) {
		assert_int_equal(dcd_json_set(body, "targets", dcd_json_copy(repository->targets)), 0);
		if (repository->delegations != NULL) {
			assert_int_equal(dcd_json_set(body, "delegations", dcd_json_copy(repository->delegations)), 0);
		}
		if (repository->mirrors != NULL) {
			assert_int_equal(dcd_json_set(body, "x-decade-mirrors", dcd_json_copy(repository->mirrors)), 0);
		}
	} else {
		int below = role == FAKE_SNAPSHOT ? FAKE_TARGETS : FAKE_SNAPSHOT;
		assert_int_equal(dcd_json_set(body, "meta", meta_of(repository, below)), 0);
		if (role == FAKE_TIMESTAMP && repository->signed_at != NULL) {
			assert_int_equal(dcd_json_set_string(body, "x-decade-signed", repository->signed_at), 0);
		}
	}
	sign_and_serve(repository, body, &repository->roles[role], NULL, path);
}

void fake_delegate(struct fake_repository *repository, struct dcd_json **delegations, const char *name, int key, const char *kind,
		   const char *path, bool terminating)
{
	struct dcd_json *fresh = dcd_json_new_object();
	struct dcd_json *keys =
		*delegations == NULL ? dcd_json_new_object() : dcd_json_copy(dcd_json_member(*delegations, "keys"));
	struct dcd_json *roles =
		*delegations == NULL ? dcd_json_new_array() : dcd_json_copy(dcd_json_member(*delegations, "roles"));
	const struct fake_role role = { .keys = { key }, .key_count = 1, .threshold = 1 };
	struct dcd_json *object = role_object(repository, &role, keys);
	struct dcd_json *paths = dcd_json_new_array();
	assert_int_equal(dcd_json_append_string(paths, path), 0);
	assert_int_equal(dcd_json_set_string(object, "name", name), 0);
	assert_int_equal(dcd_json_set(object, kind, paths), 0);
	assert_int_equal(dcd_json_set_bool(object, "terminating", terminating), 0);
	assert_int_equal(dcd_json_append(roles, object), 0);
	assert_int_equal(dcd_json_set(fresh, "keys", keys), 0);
	assert_int_equal(dcd_json_set(fresh, "roles", roles), 0);
	dcd_json_free(*delegations);
	*delegations = fresh;
}

void fake_publish_delegated(struct fake_repository *repository, const char *name, int key, const struct dcd_json *targets,
			    const struct dcd_json *delegations)
{
	const struct fake_role role = { .keys = { key }, .key_count = 1, .signers = 1, .threshold = 1 };
	char path[200], listed[200];
	struct dcd_json *body = body_new(repository, FAKE_TARGETS);
	struct dcd_json *entry = dcd_json_new_object();
	(void)snprintf(path, sizeof path, "metadata/%s%s.json", repository->consistent ? "1." : "", name);
	(void)snprintf(listed, sizeof listed, "%s.json", name);
	assert_int_equal(dcd_json_set_u64(body, "version", 1), 0);
	assert_int_equal(dcd_json_set(body, "targets", targets == NULL ? dcd_json_new_object() : dcd_json_copy(targets)), 0);
	if (delegations != NULL) {
		assert_int_equal(dcd_json_set(body, "delegations", dcd_json_copy(delegations)), 0);
	}
	sign_and_serve(repository, body, &role, NULL, path);
	assert_int_equal(dcd_json_set_u64(entry, "version", 1), 0);
	assert_int_equal(dcd_json_set(repository->delegated_meta, listed, entry), 0);
}

void fake_publish(struct fake_repository *repository)
{
	fake_publish_role(repository, FAKE_TARGETS);
	fake_publish_role(repository, FAKE_SNAPSHOT);
	fake_publish_role(repository, FAKE_TIMESTAMP);
}

void fake_publish_next(struct fake_repository *repository)
{
	repository->roles[FAKE_TARGETS].version++;
	repository->roles[FAKE_SNAPSHOT].version++;
	repository->roles[FAKE_TIMESTAMP].version++;
	fake_publish(repository);
}

void fake_add_target(struct fake_repository *repository, const char *path, const void *data, size_t len, struct dcd_json *custom)
{
	struct dcd_hash hash;
	char hex[DCD_HASH_HEX_SIZE], served[200];
	struct dcd_json *entry = dcd_json_new_object();
	struct dcd_json *hashes = dcd_json_new_object();
	dcd_hash_once(&dcd_sha256, data, len, &hash);
	dcd_hash_to_hex(&hash, hex);
	assert_int_equal(dcd_json_set_hash(hashes, "sha256", &hash), 0);
	assert_int_equal(dcd_json_set(entry, "hashes", hashes), 0);
	assert_int_equal(dcd_json_set_u64(entry, "length", len), 0);
	if (custom != NULL) {
		assert_int_equal(dcd_json_set(entry, "custom", custom), 0);
	}
	assert_int_equal(dcd_json_set(repository->targets, path, entry), 0);
	const char *slash = strrchr(path, '/');
	int folder = slash == NULL ? 0 : (int)(slash - path) + 1;
	(void)snprintf(served, sizeof served, "targets/%.*s%s%s%s", folder, path, repository->consistent ? hex : "",
		       repository->consistent ? "." : "", path + folder);
	fake_put(&repository->served, served, data, len);
}

/* ---- life ---- */

struct fake_repository *fake_repository_new(void)
{
	struct fake_repository *repository = calloc(1, sizeof *repository);
	assert_non_null(repository);
	repository->source = (struct dcd_source){ .ops = &source_ops, .name = "fake" };
	repository->store = (struct dcd_dir){ .ops = &store_ops, .name = "store" };
	repository->consistent = true;
	repository->names_hashes = true;
	repository->canonical = true;
	repository->targets = dcd_json_new_object();
	repository->delegated_meta = dcd_json_new_object();
	repository->now = FAKE_NOW;
	for (int i = 0; i < FAKE_KEYS; i++) {
		assert_int_equal(dcd_private_key_generate(&repository->keys[i], NULL), 0);
	}
	for (int i = 0; i < FAKE_ROLES; i++) {
		repository->roles[i] = (struct fake_role){
			.keys = { i }, .key_count = 1, .signers = 1, .threshold = 1, .version = 1, .expires = FAKE_LATER
		};
	}
	fake_add_target(repository, "folder/hello", "hello", 5, NULL);
	fake_publish_root(repository);
	fake_publish(repository);
	const struct fake_file *root = fake_find(&repository->served, "metadata/1.root.json");
	repository->factory_root = malloc(root->len);
	assert_non_null(repository->factory_root);
	memcpy(repository->factory_root, root->data, root->len);
	repository->factory_root_len = root->len;
	return repository;
}

static void files_clear(struct fake_files *files)
{
	while (files->count > 0) {
		fake_remove(files, files->files[0].name);
	}
}

void fake_repository_free(struct fake_repository *repository)
{
	files_clear(&repository->served);
	files_clear(&repository->stored);
	for (int i = 0; i < FAKE_KEYS; i++) {
		dcd_private_key_free(repository->keys[i]);
	}
	dcd_json_free(repository->targets);
	dcd_json_free(repository->delegations);
	dcd_json_free(repository->delegated_meta);
	dcd_json_free(repository->mirrors);
	free(repository->factory_root);
	free(repository);
}

int fake_refresh(struct fake_repository *repository, enum dcd_expiry expiry, struct dcd_tuf **ret, struct dcd_diag *diag)
{
	const struct dcd_tuf_options options = {
		.source = &repository->source,
		.store = &repository->store,
		.metadata_prefix = "metadata/",
		.targets_prefix = "targets/",
		.factory_root = repository->factory_root,
		.factory_root_len = repository->factory_root_len,
		.start_time = repository->now,
		.expiry = expiry,
	};
	assert_int_equal(dcd_tuf_new(&options, ret, diag), 0);
	return dcd_tuf_refresh(*ret, diag);
}

int fake_try(struct fake_repository *repository, struct dcd_diag *diag)
{
	struct dcd_tuf *tuf = NULL;
	int err = fake_refresh(repository, DCD_EXPIRY_ENFORCE, &tuf, diag);
	dcd_tuf_free(tuf);
	return err;
}
