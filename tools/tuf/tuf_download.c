#include "tools/tuf/tuf_download.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "manifest/crypto/sha256.h"
#include "manifest/crypto/sha512.h"

#define NAME_MAX_BYTES (DCD_DIR_NAME_MAX - 4) /* dcd_dir_replace() needs room for ".new" */

/* One component, whatever the path: no target can be stored outside of the folder, or hidden in it. */
static void file_name(const char *path, char ret[DCD_DIR_NAME_MAX + 1])
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~";
	size_t used = 0;
	for (const char *c = path; *c != '\0' && used + 3 <= NAME_MAX_BYTES; c++) {
		bool as_is = strchr(plain, *c) != NULL && !(c == path && *c == '.');
		used += (size_t)snprintf(ret + used, 4, as_is ? "%c" : "%%%02X", as_is ? *c : (unsigned char)*c);
	}
	if (used + 3 > NAME_MAX_BYTES) {
		struct dcd_hash hash;
		dcd_hash_once(&dcd_sha256, path, strlen(path), &hash);
		dcd_hash_to_hex(&hash, ret);
	}
}

static bool is_content(const struct dcd_tuf_target *target, const uint8_t *data, size_t len)
{
	struct dcd_hash sha256;
	uint8_t sha512[DCD_SHA512_SIZE];
	dcd_hash_once(&dcd_sha256, data, len, &sha256);
	dcd_sha512(data, len, sha512);
	return len == target->length && (target->has_sha256 || target->has_sha512) &&
	       (!target->has_sha256 || dcd_hash_equal(&sha256, &target->sha256)) &&
	       (!target->has_sha512 || memcmp(sha512, target->sha512, sizeof sha512) == 0);
}

static bool is_there(struct dcd_dir *folder, const char *name, const struct dcd_tuf_target *target)
{
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	return target->length <= TUF_DOWNLOAD_MAX && dcd_dir_load(folder, name, (size_t)target->length, &data, &len, NULL) == 0 &&
	       is_content(target, data, len);
}

int tuf_download(struct dcd_tuf *tuf, struct dcd_dir *folder, const char *path, struct dcd_diag *diag)
{
	struct dcd_tuf_target target;
	char name[DCD_DIR_NAME_MAX + 1];
	DCD_AUTO_FREE uint8_t *data = NULL;
	size_t len = 0;
	int err = dcd_tuf_find_target(tuf, path, &target, diag);
	if (err != 0) {
		return err;
	}
	file_name(path, name);
	if (!is_there(folder, name, &target)) {
		err = dcd_tuf_load_target(tuf, &target, TUF_DOWNLOAD_MAX, &data, &len, diag);
		if (err == 0) {
			err = dcd_dir_replace(folder, name, data, len, diag);
		}
	}
	if (err == 0) {
		puts(name);
	}
	return err;
}
