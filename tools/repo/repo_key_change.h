/* The keys of a role, changed as a command line asks for it. */
#ifndef DCD_TOOLS_REPO_KEY_CHANGE_H
#define DCD_TOOLS_REPO_KEY_CHANGE_H

#include "tools/repo/repo_keys.h"
#include "tools/repo/repo_options.h"

/*
 * From "keys" and a role's {"keyids","threshold"} (null: a new role, threshold 1): drops what --remove or --replace drop, adds
 * the keys of --add-key, makes as many as --add says in KEYS, and sets --threshold. Without any of these all keys are replaced by
 * one new one. `ret_keys` has all keys that `keys` has and the new ones. The caller frees both. `name` is the role's.
 */
DCD_NODISCARD int repo_key_change(struct repo_keys *keys, const struct repo_options *options, const char *name,
				  const struct dcd_json *key_map, const struct dcd_json *role, struct dcd_json **ret_keys,
				  struct dcd_json **ret_role, struct dcd_diag *diag);

/* True when --add, --add-key, --remove, --replace or --threshold was given. */
bool repo_key_change_asked(const struct repo_options *options);

#endif
