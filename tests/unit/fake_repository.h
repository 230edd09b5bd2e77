/*
 * A signed repository in memory, the store of a device beside it, and the knobs that attacks turn. Test code: a failure inside is
 * a cmocka failure.
 */
#ifndef DCD_TESTS_UNIT_FAKE_REPOSITORY_H
#define DCD_TESTS_UNIT_FAKE_REPOSITORY_H

#include "manifest/crypto/private_key.h"
#include "manifest/tuf/tuf.h"

#define FAKE_FILES_MAX 160
#define FAKE_KEYS 8
#define FAKE_ALIAS 100 /* key number k + FAKE_ALIAS is key k under another id */

struct fake_file {
	char name[300];
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
	struct dcd_json *targets;        /* "targets" of the targets role */
	struct dcd_json *delegations;    /* its "delegations", or null */
	struct dcd_json *delegated_meta; /* what the snapshot says of delegated roles */
	struct dcd_json *mirrors;        /* "x-decade-mirrors" of the targets role, or null */
	const char *signed_at;           /* "x-decade-signed" of the timestamp, or null */
	int64_t now;                     /* of the device's clock */
	bool consistent;
	bool names_hashes;   /* timestamp and snapshot carry lengths and hashes */
	bool canonical;      /* "x-decade-canonical" */
	const char *endless; /* a path that never ends */
	int missing;         /* what the source says of a file that it lacks: DCD_ERR_NOT_FOUND, unless it is set */
	const char *why;     /* the source's sentence with its errors, or null */
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

/* Adds a role to `*delegations` (made where null), with one key; `kind` is "paths" or "path_hash_prefixes". */
void fake_delegate(struct fake_repository *repository, struct dcd_json **delegations, const char *name, int key, const char *kind,
		   const char *path, bool terminating);
/* Signs a delegated role with a key, serves it as version 1 and lists it in the next snapshot. Both documents may be null and are
 * copied. */
void fake_publish_delegated(struct fake_repository *repository, const char *name, int key, const struct dcd_json *targets,
			    const struct dcd_json *delegations);

/* A client at FAKE_NOW (or repository->now) that has refreshed; `*ret` may be null on failure. Freed by the caller. */
int fake_refresh(struct fake_repository *repository, enum dcd_expiry expiry, struct dcd_tuf **ret, struct dcd_diag *diag);
/* The same without keeping the client, under DCD_EXPIRY_ENFORCE. */
int fake_try(struct fake_repository *repository, struct dcd_diag *diag);

#endif
