/*
 * A signed repository in memory, the store of a device beside it, and the knobs that attacks turn. Test code: a failure inside is
 * a cmocka failure.
 */
#ifndef DCD_TESTS_UNIT_FAKE_REPOSITORY_H
#define DCD_TESTS_UNIT_FAKE_REPOSITORY_H

#include "manifest/crypto/private_key.h"
#include "manifest/tuf/tuf.h"

#define FAKE_FILES_MAX 64
#define FAKE_KEYS 8
#define FAKE_ALIAS 100 /* key number k + FAKE_ALIAS is key k under another id */

struct fake_file {
	char name[200];
	uint8_t *data;
	size_t len;
};

struct fake_files {
	struct fake_file files[FAKE_FILES_MAX];
	size_t count;
};

/* Which keys a role has, and which of them sign (the first `signers`). */
struct fake_role {
	int keys[4];
	int key_count;
	int signers;
	int threshold;
	uint64_t version;
	const char *expires;
};

enum { FAKE_ROOT, FAKE_TIMESTAMP, FAKE_SNAPSHOT, FAKE_TARGETS, FAKE_ROLES };

struct fake_repository {
	struct dcd_source source;
	struct dcd_dir store;
	struct fake_files served;
	struct fake_files stored;
	struct fake_role roles[FAKE_ROLES];
	struct dcd_private_key *keys[FAKE_KEYS];
	struct dcd_json *targets; /* "targets" of the targets role */
	bool consistent;
	bool names_hashes;   /* timestamp and snapshot carry lengths and hashes */
	bool canonical;      /* "x-decade-canonical" */
	const char *endless; /* a path that never ends */
	size_t requests;
	uint8_t *factory_root;
	size_t factory_root_len;
};

#define FAKE_NOW INT64_C(1800000000) /* 2027-01-15 */
#define FAKE_LATER "2031-01-01T00:00:00Z"
#define FAKE_PAST "2026-01-01T00:00:00Z"

/* Version 1 of everything, one key a role, one target "hello" with five bytes; the factory root is version 1. */
struct fake_repository *fake_repository_new(void);
void fake_repository_free(struct fake_repository *repository);

void fake_put(struct fake_files *files, const char *name, const void *data, size_t len);
struct fake_file *fake_find(struct fake_files *files, const char *name);
void fake_remove(struct fake_files *files, const char *name);

/* Signs and serves the current state of a role, or of all but root, from the bottom up. */
void fake_publish_root(struct fake_repository *repository);
void fake_publish_role(struct fake_repository *repository, int role);
void fake_publish(struct fake_repository *repository);
/* Versions of targets, snapshot and timestamp each one up, then published. */
void fake_publish_next(struct fake_repository *repository);

/* Serves a target's bytes and lists it; `custom` is consumed and may be null. */
void fake_add_target(struct fake_repository *repository, const char *path, const void *data, size_t len, struct dcd_json *custom);

/* A client at FAKE_NOW that has refreshed; `*ret` may be null on failure. Freed by the caller. */
int fake_refresh(struct fake_repository *repository, enum dcd_expiry expiry, struct dcd_tuf **ret, struct dcd_diag *diag);
/* The same without keeping the client, under DCD_EXPIRY_ENFORCE. */
int fake_try(struct fake_repository *repository, struct dcd_diag *diag);

#endif
