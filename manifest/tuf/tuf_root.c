#include "manifest/tuf/tuf_file.h"
#include "manifest/tuf/tuf_store.h"

static const char root_name[] = "root.json";

void tuf_root_free(struct tuf_root *root)
{
	if (root != NULL) {
		for (size_t i = 0; i < TUF_ROLE_COUNT; i++) {
			tuf_role_clear(&root->roles[i]);
		}
		tuf_metadata_free(root->metadata);
		free(root);
	}
}

static void root_freep(struct tuf_root **root)
{
	tuf_root_free(*root);
}

static int read_roles(struct tuf_root *root, const char *what, struct dcd_diag *diag)
{
	const struct dcd_json *keys = NULL;
	const struct dcd_json *roles = NULL;
	int err = dcd_json_get_object(root->metadata->body, "keys", what, &keys, diag);
	if (err == 0) {
		err = dcd_json_get_object(root->metadata->body, "roles", what, &roles, diag);
	}
	for (size_t i = 0; err == 0 && i < TUF_ROLE_COUNT; i++) {
		const char *name = tuf_role_name((enum tuf_role_index)i);
		const struct dcd_json *role = NULL;
		err = dcd_json_get_object(roles, name, what, &role, diag);
		if (err == 0) {
			err = tuf_role_read(keys, role, name, what, &root->roles[i], diag);
		}
	}
	return err;
}

/* A root's content, without any signature looked at. */
static int root_parse(const struct tuf_bytes *bytes, const char *what, struct tuf_root **ret, struct dcd_diag *diag)
{
	DCD_CLEANUP(root_freep) struct tuf_root *root = calloc(1, sizeof *root);
	if (root == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to read it", what);
	}
	int err = tuf_metadata_parse(bytes, "root", what, &root->metadata, diag);
	if (err == 0) {
		err = read_roles(root, what, diag);
	}
	if (err != 0) {
		return err;
	}
	/* Optional for historical reasons; absent means that files keep plain names. */
	const struct dcd_json *consistent = dcd_json_member(root->metadata->body, "consistent_snapshot");
	if (consistent != NULL && !dcd_json_is_bool(consistent)) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: \"consistent_snapshot\" is not true or false", what);
	}
	root->consistent_snapshot = dcd_json_bool(consistent);
	*ret = root;
	root = NULL;
	return 0;
}

/* §5.3.4, §5.3.5: a root is trusted when the one before it and it itself vouch for it, and when it is the very next. */
static int root_succeed(const struct tuf_root *trusted, const struct tuf_bytes *bytes, const char *what, struct tuf_root **ret,
			struct dcd_diag *diag)
{
	DCD_CLEANUP(root_freep) struct tuf_root *next = NULL;
	int err = root_parse(bytes, what, &next, diag);
	if (err == 0) {
		err = tuf_role_verify(&trusted->roles[TUF_ROLE_ROOT], next->metadata, what, diag);
	}
	if (err == 0) {
		err = tuf_role_verify(&next->roles[TUF_ROLE_ROOT], next->metadata, what, diag);
	}
	if (err == 0 && next->metadata->version != trusted->metadata->version + 1) {
		err = dcd_diag_set(diag, DCD_ERR_METADATA_ROLLBACK, "%s: version %llu, where %llu must follow", what,
				   (unsigned long long)next->metadata->version,
				   (unsigned long long)trusted->metadata->version + 1);
	}
	if (err == 0) {
		*ret = next;
		next = NULL;
	}
	return err;
}

static void root_replace(struct dcd_tuf *tuf, struct tuf_root *next)
{
	tuf_root_free(tuf->root);
	tuf->root = next;
}

static int load_factory_root(struct dcd_tuf *tuf, struct dcd_diag *diag)
{
	static const char what[] = "the factory root";
	/* Only read, never freed here: the options own it. */
	const struct tuf_bytes bytes = { (uint8_t *)tuf->options.factory_root, tuf->options.factory_root_len };
	DCD_CLEANUP(root_freep) struct tuf_root *root = NULL;
	int err = root_parse(&bytes, what, &root, diag);
	if (err == 0) {
		/* It is trusted because it is there; that its own keys signed it finds a damaged or half-made one. */
		err = tuf_role_verify(&root->roles[TUF_ROLE_ROOT], root->metadata, what, diag);
	}
	if (err == 0) {
		root_replace(tuf, root);
		root = NULL;
	}
	return err;
}

/*
 * §5.2 with more distrust than it asks for: a stored root is used only when it follows from the factory's, each by the one
 * before. Who could write into the store but not into the image can so make the device forget, but not follow other keys.
 */
static int walk_stored_roots(struct dcd_tuf *tuf, struct dcd_diag *diag)
{
	for (;;) {
		TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
		struct tuf_root *next = NULL;
		int err = tuf_store_load(tuf, tuf->root->metadata->version + 1, root_name, DCD_TUF_ROOT_MAX, &bytes, diag);
		if (err != 0 || bytes.data == NULL) {
			return err;
		}
		err = root_succeed(tuf->root, &bytes, "a stored root", &next, NULL);
		if (err != 0) {
			return err == DCD_ERR_NO_MEMORY ? dcd_diag_set(diag, err, "no memory for a stored root") : 0;
		}
		root_replace(tuf, next);
	}
}

/*
 * §5.3.8 and §5.3.11. The specification forgets timestamp and snapshot after the last root; we do it before the root that
 * changed their keys is stored, so that a power cut between the two can't lose the recovery.
 */
static int root_keep(struct dcd_tuf *tuf, const struct tuf_root *next, const struct tuf_bytes *bytes, struct dcd_diag *diag)
{
	int err = 0;
	if (!tuf_role_same_keys(&tuf->root->roles[TUF_ROLE_TIMESTAMP], &next->roles[TUF_ROLE_TIMESTAMP]) ||
	    !tuf_role_same_keys(&tuf->root->roles[TUF_ROLE_SNAPSHOT], &next->roles[TUF_ROLE_SNAPSHOT])) {
		err = tuf_store_forget(tuf, diag);
	}
	return err != 0 ? err : tuf_store_keep(tuf, next->metadata->version, root_name, bytes, diag);
}

/* §5.3.3 to §5.3.8 once. *ret_last when the source has no newer root. */
static int walk_one(struct dcd_tuf *tuf, bool *ret_last, struct dcd_diag *diag)
{
	struct tuf_path path;
	TUF_AUTO_BYTES struct tuf_bytes bytes = { 0 };
	DCD_CLEANUP(root_freep) struct tuf_root *next = NULL;
	uint64_t version = tuf->root->metadata->version + 1;
	int err = tuf_path_make(tuf->options.metadata_prefix, version, root_name, &path, diag);
	if (err == 0) {
		err = tuf_fetch(tuf, path.text, DCD_TUF_ROOT_MAX, &bytes, diag);
	}
	/*
	 * §5.3.3: not available. An object store that may not be listed forbids what it doesn't have. Who can forge that answer
	 * can forge "not found" as well, and gains what withholding gains: a freeze, until the timestamp expires.
	 */
	if (err == DCD_ERR_NOT_FOUND || err == DCD_ERR_FORBIDDEN) {
		*ret_last = true;
		return 0;
	}
	if (err == 0) {
		err = root_succeed(tuf->root, &bytes, path.text, &next, diag);
	}
	if (err == 0) {
		err = root_keep(tuf, next, &bytes, diag);
	}
	if (err == 0) {
		root_replace(tuf, next);
		next = NULL;
	}
	return err;
}

int tuf_root_stored(struct dcd_tuf *tuf, struct dcd_diag *diag)
{
	int err = load_factory_root(tuf, diag);
	return err == 0 ? walk_stored_roots(tuf, diag) : err;
}

int tuf_root_update(struct dcd_tuf *tuf, struct dcd_diag *diag)
{
	bool last = false;
	int err = tuf_root_stored(tuf, diag);
	/* A chain longer than this goes on at the next refresh, from what this one has stored. */
	for (unsigned i = 0; err == 0 && !last && i < DCD_TUF_ROTATIONS_MAX; i++) {
		err = walk_one(tuf, &last, diag);
	}
	return err;
}
