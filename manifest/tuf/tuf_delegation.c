#include "manifest/tuf/tuf_delegation.h"

#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "manifest/crypto/sha256.h"
#include "manifest/tuf/tuf_glob.h"
#include "manifest/tuf/tuf_role.h"

#define BIT_LENGTH_MAX 32U

static const struct dcd_json *delegations_of(const struct tuf_metadata *metadata)
{
	return dcd_json_member(metadata->body, "delegations");
}

/* ---- the check ---- */

bool tuf_delegation_name_ok(const char *name)
{
	static const char *const taken[] = { "root", "timestamp", "snapshot", "targets" };
	bool ok = name[0] != '\0';
	for (const char *c = name; *c != '\0'; c++) {
		ok = ok && (unsigned char)*c >= 0x20 && *c != 0x7f;
	}
	for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
		ok = ok && strcmp(name, taken[i]) != 0;
	}
	return ok;
}

static int check_name(const char *name, const char *what, struct dcd_diag *diag)
{
	return tuf_delegation_name_ok(name)
		       ? 0
		       : dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: a delegated role can't be called '%.64s'", what, name);
}

static int check_strings(const struct dcd_json *list, const char *what, struct dcd_diag *diag)
{
	for (size_t i = 0; i < dcd_json_count(list); i++) {
		if (!dcd_json_is_string(dcd_json_item(list, i))) {
			return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: a delegation's path is not a string", what);
		}
	}
	return dcd_json_is_array(list) ? 0 : dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: a delegation's paths are no list", what);
}

static int check_keys(const struct dcd_json *keys, const struct dcd_json *role, const char *what, struct dcd_diag *diag)
{
	struct tuf_role read = { 0 };
	int err = tuf_role_read(keys, role, "a delegated role", what, &read, diag);
	if (err == 0) {
		tuf_role_clear(&read);
	}
	return err;
}

static int check_role(const struct dcd_json *keys, const struct dcd_json *role, const char *what, struct dcd_diag *diag)
{
	const struct dcd_json *terminating = dcd_json_member(role, "terminating");
	const struct dcd_json *paths = dcd_json_member(role, "paths");
	const struct dcd_json *prefixes = dcd_json_member(role, "path_hash_prefixes");
	const char *name = NULL;
	int err = dcd_json_get_string(role, "name", what, TUF_ROLE_NAME_MAX, &name, diag);
	if (err == 0) {
		err = check_name(name, what, diag);
	}
	if (err == 0 && (paths == NULL) == (prefixes == NULL)) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: role %.64s must have either \"paths\" or \"path_hash_prefixes\"",
				   what, name);
	}
	if (err == 0) {
		err = check_strings(paths != NULL ? paths : prefixes, what, diag);
	}
	if (err == 0 && terminating != NULL && !dcd_json_is_bool(terminating)) {
		err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: \"terminating\" of %.64s is not true or false", what, name);
	}
	return err != 0 ? err : check_keys(keys, role, what, diag);
}

static int check_roles(const struct dcd_json *keys, const struct dcd_json *roles, const char *what, struct dcd_diag *diag)
{
	DCD_CLEANUP(dcd_json_freep) struct dcd_json *names = dcd_json_new_object();
	int err = names == NULL ? dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to read it", what) : 0;
	for (size_t i = 0; err == 0 && i < dcd_json_count(roles); i++) {
		const struct dcd_json *role = dcd_json_item(roles, i);
		err = check_role(keys, role, what, diag);
		const char *name = err == 0 ? dcd_json_string(dcd_json_member(role, "name")) : NULL;
		if (err == 0 && dcd_json_member(names, name) != NULL) {
			err = dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: role %.64s is delegated to twice", what, name);
		}
		if (err == 0 && dcd_json_set_bool(names, name, true) != 0) {
			err = dcd_diag_set(diag, DCD_ERR_NO_MEMORY, "%s: no memory to read it", what);
		}
	}
	return err;
}

static int check_bins(const struct dcd_json *keys, const struct dcd_json *bins, const char *what, struct dcd_diag *diag)
{
	const char *prefix = NULL;
	uint64_t bits = 0;
	int err = dcd_json_get_u64(bins, "bit_length", what, 1, BIT_LENGTH_MAX, &bits, diag);
	if (err == 0) {
		err = dcd_json_get_string(bins, "name_prefix", what, TUF_ROLE_NAME_MAX - 16, &prefix, diag);
	}
	if (err == 0) {
		err = check_name(prefix, what, diag);
	}
	return err != 0 ? err : check_keys(keys, bins, what, diag);
}

int tuf_delegations_check(const struct tuf_metadata *metadata, const char *what, struct dcd_diag *diag)
{
	const struct dcd_json *delegations = delegations_of(metadata);
	if (delegations == NULL) {
		return 0;
	}
	const struct dcd_json *keys = NULL;
	const struct dcd_json *roles = dcd_json_member(delegations, "roles");
	const struct dcd_json *bins = dcd_json_member(delegations, "succinct_roles");
	int err = dcd_json_get_object(delegations, "keys", what, &keys, diag);
	if (err != 0) {
		return err;
	}
	if ((roles == NULL) == (bins == NULL) || (roles != NULL && !dcd_json_is_array(roles))) {
		return dcd_diag_set(diag, DCD_ERR_MALFORMED, "%s: delegations need either \"roles\" or \"succinct_roles\"", what);
	}
	return roles != NULL ? check_roles(keys, roles, what, diag) : check_bins(keys, bins, what, diag);
}

/* ---- who is responsible ---- */

static bool paths_match(const struct dcd_json *role, const char *path)
{
	const struct dcd_json *patterns = dcd_json_member(role, "paths");
	for (size_t i = 0; i < dcd_json_count(patterns); i++) {
		if (tuf_glob_match(dcd_json_string(dcd_json_item(patterns, i)), path)) {
			return true;
		}
	}
	struct dcd_hash hash;
	char hex[DCD_HASH_HEX_SIZE];
	const struct dcd_json *prefixes = dcd_json_member(role, "path_hash_prefixes");
	dcd_hash_once(&dcd_sha256, path, strlen(path), &hash);
	dcd_hash_to_hex(&hash, hex);
	for (size_t i = 0; i < dcd_json_count(prefixes); i++) {
		const char *prefix = dcd_json_string(dcd_json_item(prefixes, i));
		if (strncmp(hex, prefix, strlen(prefix)) == 0) {
			return true;
		}
	}
	return false;
}

static bool paths_may_hold(const struct dcd_json *role, const char *folder)
{
	const struct dcd_json *patterns = dcd_json_member(role, "paths");
	for (size_t i = 0; i < dcd_json_count(patterns); i++) {
		if (tuf_glob_may_hold(dcd_json_string(dcd_json_item(patterns, i)), folder)) {
			return true;
		}
	}
	return dcd_json_count(dcd_json_member(role, "path_hash_prefixes")) > 0;
}

static void delegation_fill(const struct tuf_metadata *metadata, const struct dcd_json *role, struct tuf_delegation *ret)
{
	(void)snprintf(ret->name, sizeof ret->name, "%s", dcd_json_string(dcd_json_member(role, "name")));
	ret->keys = dcd_json_member(delegations_of(metadata), "keys");
	ret->role = role;
	ret->terminating = dcd_json_bool(dcd_json_member(role, "terminating"));
}

/* TAP 15: the first bits of the path's hash are the number of its bin, written in as many digits as the last bin's. */
static void bin_fill(const struct tuf_metadata *metadata, const struct dcd_json *bins, const char *path,
		     struct tuf_delegation *ret)
{
	struct dcd_hash hash;
	unsigned bits = (unsigned)dcd_json_integer(dcd_json_member(bins, "bit_length"));
	dcd_hash_once(&dcd_sha256, path, strlen(path), &hash);
	uint32_t head =
		(uint32_t)hash.bytes[0] << 24 | (uint32_t)hash.bytes[1] << 16 | (uint32_t)hash.bytes[2] << 8 | hash.bytes[3];
	(void)snprintf(ret->name, sizeof ret->name, "%s-%0*x", dcd_json_string(dcd_json_member(bins, "name_prefix")),
		       (int)((bits + 3) / 4), (unsigned)(head >> (32 - bits)));
	ret->keys = dcd_json_member(delegations_of(metadata), "keys");
	ret->role = bins;
	ret->terminating = false;
}

bool tuf_delegation_next(const struct tuf_metadata *metadata, const char *path, size_t *at, struct tuf_delegation *ret)
{
	const struct dcd_json *bins = dcd_json_member(delegations_of(metadata), "succinct_roles");
	const struct dcd_json *roles = dcd_json_member(delegations_of(metadata), "roles");
	if (bins != NULL && *at == 0) {
		*at = 1;
		bin_fill(metadata, bins, path, ret);
		return true;
	}
	while (*at < dcd_json_count(roles)) {
		const struct dcd_json *role = dcd_json_item(roles, (*at)++);
		if (paths_match(role, path)) {
			delegation_fill(metadata, role, ret);
			return true;
		}
	}
	return false;
}

bool tuf_delegation_next_below(const struct tuf_metadata *metadata, const char *folder, size_t *at, struct tuf_delegation *ret,
			       bool *ret_bins)
{
	const struct dcd_json *roles = dcd_json_member(delegations_of(metadata), "roles");
	if (dcd_json_member(delegations_of(metadata), "succinct_roles") != NULL) {
		*ret_bins = true;
	}
	while (*at < dcd_json_count(roles)) {
		const struct dcd_json *role = dcd_json_item(roles, (*at)++);
		if (paths_may_hold(role, folder)) {
			delegation_fill(metadata, role, ret);
			return true;
		}
	}
	return false;
}
