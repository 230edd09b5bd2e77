/* Looking for targets through delegations (§5.6.7). */
#include <string.h>

#include "manifest/tuf/tuf_delegated.h"
#include "manifest/tuf/tuf_targets.h"

/* The walk for one path. A role is visited once under its name, so that cycles end; the bound is on names as well. */
struct search {
	struct dcd_tuf *tuf; /* null: look only at what has been loaded */
	const struct dcd_tuf *loaded;
	const char *path;
	size_t visited_count;
	char visited[DCD_TUF_DELEGATED_MAX][TUF_ROLE_NAME_MAX + 1];
	bool gave_up; /* at the bound */
	bool ended;   /* by a terminating delegation */
	/* What was found. */
	const struct tuf_metadata *role;
	const char *found; /* the role's own spelling of the path, which lives as long as the role */
	const struct dcd_json *entry;
};

static bool search_here(struct search *search, const struct tuf_metadata *role)
{
	const struct dcd_json *targets = dcd_json_member(role->body, "targets");
	if (dcd_json_member(targets, search->path) == NULL) {
		return false;
	}
	for (void *it = dcd_json_iter(targets); it != NULL; it = dcd_json_iter_next(targets, it)) {
		if (strcmp(dcd_json_iter_key(it), search->path) == 0) {
			search->role = role;
			search->found = dcd_json_iter_key(it);
			search->entry = dcd_json_iter_value(it);
		}
	}
	return true;
}

static bool visit(struct search *search, const char *name)
{
	for (size_t i = 0; i < search->visited_count; i++) {
		if (strcmp(search->visited[i], name) == 0) {
			return false;
		}
	}
	if (search->visited_count == DCD_TUF_DELEGATED_MAX) {
		search->gave_up = true;
		return false;
	}
	memcpy(search->visited[search->visited_count++], name, strlen(name) + 1);
	return true;
}

static int child_of(struct search *search, const struct tuf_metadata *role, const struct tuf_delegation *delegation,
		    const struct tuf_metadata **ret, struct dcd_diag *diag)
{
	const struct tuf_delegated *child = tuf_delegated_find(search->loaded, role, delegation->name);
	int err = child == NULL && search->tuf != NULL ? tuf_delegated_load(search->tuf, role, delegation, &child, diag) : 0;
	*ret = child == NULL ? NULL : child->metadata;
	return err;
}

/* Pre-order. As deep as there are names to visit, and so bounded. */
static int search_below(struct search *search, const struct tuf_metadata *role, struct dcd_diag *diag)
{
	struct tuf_delegation delegation;
	size_t at = 0;
	int err = 0;
	while (err == 0 && search->entry == NULL && !search->ended && !search->gave_up &&
	       tuf_delegation_next(role, search->path, &at, &delegation)) {
		const struct tuf_metadata *child = NULL;
		if (visit(search, delegation.name)) {
			err = child_of(search, role, &delegation, &child, diag);
		}
		if (err == 0 && child != NULL && !search_here(search, child)) {
			err = search_below(search, child, diag);
		}
		search->ended = search->ended || delegation.terminating;
	}
	return err;
}

static int search_all(struct search *search, struct dcd_diag *diag)
{
	const struct tuf_metadata *top = search->loaded->targets;
	if (top == NULL) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "%s: there is no verified metadata yet", search->path);
	}
	return search_here(search, top) ? 0 : search_below(search, top, diag);
}

int dcd_tuf_find_target(struct dcd_tuf *tuf, const char *path, struct dcd_tuf_target *ret, struct dcd_diag *diag)
{
	struct search *search = calloc(1, sizeof *search);
	if (search == NULL) {
		return dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to look for it", path);
	}
	*search = (struct search){ .tuf = tuf, .loaded = tuf, .path = path };
	int err = search_all(search, diag);
	if (err == 0 && search->entry != NULL) {
		err = tuf_target_read(search->found, search->entry, path, ret, diag);
	} else if (err == 0) {
		err = dcd_diag_set(diag, DCD_ERR_UNLISTED,
				   search->gave_up ? "%s: not found in %u delegated roles, and more are not searched"
						   : "%s: the signed metadata doesn't list it",
				   path, DCD_TUF_DELEGATED_MAX);
	}
	free(search);
	return err;
}

/* ---- all targets ---- */

struct loader {
	struct dcd_tuf *tuf;
	const char *folder;
	unsigned count;
};

/* A role on the way down from the top, so that a cycle is noticed. */
struct above {
	const struct above *next;
	const char *name;
};

static bool is_above(const struct above *above, const char *name)
{
	while (above != NULL && strcmp(above->name, name) != 0) {
		above = above->next;
	}
	return above != NULL;
}

static int load_below(struct loader *loader, const struct tuf_metadata *role, const struct above *above, struct dcd_diag *diag)
{
	struct tuf_delegation delegation;
	size_t at = 0;
	bool bins = false;
	int err = 0;
	while (err == 0 && tuf_delegation_next_below(role, loader->folder, &at, &delegation, &bins)) {
		const struct tuf_delegated *child = NULL;
		if (is_above(above, delegation.name)) {
			continue;
		}
		if (loader->count++ == DCD_TUF_DELEGATED_MAX) {
			return dcd_diag_set(diag, DCD_ERR_SIZE, "more than %u delegated roles may list '%s'",
					    DCD_TUF_DELEGATED_MAX, loader->folder);
		}
		const struct above here = { .next = above, .name = delegation.name };
		err = tuf_delegated_load(loader->tuf, role, &delegation, &child, diag);
		if (err == 0) {
			err = load_below(loader, child->metadata, &here, diag);
		}
	}
	if (err == 0 && bins) {
		err = dcd_diag_set(diag, DCD_ERR_UNSUPPORTED, "targets below '%s' may be in hash bins, which can't be listed",
				   loader->folder);
	}
	return err;
}

int dcd_tuf_load_delegations(struct dcd_tuf *tuf, const char *folder, struct dcd_diag *diag)
{
	struct loader loader = { .tuf = tuf, .folder = folder };
	if (tuf->targets == NULL) {
		return dcd_diag_set(diag, DCD_ERR_USAGE, "there is no verified metadata yet");
	}
	return load_below(&loader, tuf->targets, NULL, diag);
}

/* True when a look-up of the path, in what has been loaded, ends at this role. */
static bool leads_to(struct search *search, const struct dcd_tuf *tuf, const char *path, const struct tuf_metadata *role)
{
	*search = (struct search){ .loaded = tuf, .path = path };
	return role == tuf->targets || (search_all(search, NULL) == 0 && search->role == role);
}

static int each_of(const struct dcd_tuf *tuf, const struct tuf_metadata *role, struct search *search,
		   int (*each)(void *context, const struct dcd_tuf_target *target), void *context)
{
	const struct dcd_json *targets = dcd_json_member(role->body, "targets");
	int result = 0;
	for (void *it = dcd_json_iter(targets); result == 0 && it != NULL; it = dcd_json_iter_next(targets, it)) {
		struct dcd_tuf_target target;
		if (tuf_target_read(dcd_json_iter_key(it), dcd_json_iter_value(it), "targets.json", &target, NULL) == 0 &&
		    target.has_sha256 && leads_to(search, tuf, target.path, role)) {
			result = each(context, &target);
		}
	}
	return result;
}

int dcd_tuf_each_target(const struct dcd_tuf *tuf, int (*each)(void *context, const struct dcd_tuf_target *target), void *context)
{
	if (tuf->targets == NULL) {
		return 0;
	}
	struct search *search = calloc(1, sizeof *search);
	int result = search == NULL ? DCD_ERR_NO_MEMORY : each_of(tuf, tuf->targets, search, each, context);
	for (const struct tuf_delegated *one = tuf->delegated; result == 0 && one != NULL; one = one->next) {
		result = each_of(tuf, one->metadata, search, each, context);
	}
	free(search);
	return result;
}
