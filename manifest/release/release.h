/*
 * The release manifest (docs/format-manifest.md): a TUF target at releases/VERSION.json that names what a release is made of.
 *
 * `struct dcd_release` can only be made by dcd_release_load(), from a target that a TUF client verified; whoever installs takes
 * this type and nothing weaker.
 */
#ifndef DCD_MANIFEST_RELEASE_RELEASE_H
#define DCD_MANIFEST_RELEASE_RELEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "manifest/tuf/tuf.h"

#define DCD_RELEASE_FOLDER "releases/"      /* where release manifests are among a repository's targets */
#define DCD_RELEASE_MANIFEST_MAX (4U << 20) /* bytes */
#define DCD_RELEASE_STRING_MAX 128          /* bytes: product, version, channel, board, class */
#define DCD_RELEASE_NOTES_MAX (256U << 10)  /* bytes */
#define DCD_RELEASE_IMAGES_MAX 16
#define DCD_RELEASE_PAYLOADS_MAX 1024 /* of one image */
#define DCD_RELEASE_BOARDS_MAX 256

/*
 * Product, version, channel, board and class become file names and lines on a terminal: 1 to DCD_RELEASE_STRING_MAX bytes of
 * printable ASCII without spaces and '/', not beginning with '.'.
 */
bool dcd_release_name_ok(const char *name);

/*
 * A class that a device can have: it is a key in the device's configuration. 1 to DCD_RELEASE_CLASS_MAX letters, digits, '.', '_'
 * and '-', and none of the keys that a slot has for itself. Asked when a release is made; a device takes any name that it has a
 * slot for.
 */
#define DCD_RELEASE_CLASS_MAX 48
bool dcd_release_class_ok(const char *class_name);

struct dcd_release_payload {
	struct dcd_hash base_id;    /* zero: full */
	uint64_t base_size;         /* bytes; 0: full */
	const char *base_version;   /* the release that had this base, or null for a full payload */
	struct dcd_hash table_hash; /* SHA-256 of header and table; also the file's name */
	uint64_t table_length;      /* bytes */
	uint64_t length;            /* bytes of the whole payload file */
};

struct dcd_release_image {
	const char *class_name; /* "rootfs" */
	struct dcd_hash image_id;
	uint64_t size;         /* bytes */
	uint32_t segment_size; /* bytes */
	size_t payload_count;
	const struct dcd_release_payload *payloads; /* exactly one of them full */
};

/* A verified release manifest. Its strings and arrays live as long as it does. */
struct dcd_release {
	const char *product;
	const char *version;
	const char *channel;
	uint64_t sequence_number; /* grows with every release of a repository: what "newer" means */
	uint64_t security_version;
	const char *requires_version; /* the stepping stone, or null */
	const char *notes;            /* may be null; any UTF-8, control characters too */
	size_t board_count;           /* 0: any board */
	const char *const *boards;
	size_t image_count;
	const struct dcd_release_image *images;
	struct dcd_hash manifest_hash; /* SHA-256 of the manifest: the release's identity in the journal */
};

/* Fetches, verifies and parses the manifest of a target that `tuf` vouches for. */
DCD_NODISCARD int dcd_release_load(struct dcd_tuf *tuf, const struct dcd_tuf_target *target, struct dcd_release **ret,
				   struct dcd_diag *diag);
void dcd_release_free(struct dcd_release *release);
void dcd_release_freep(struct dcd_release **release);

/*
 * What the targets metadata says of a release without its manifest being fetched (the target's custom data); strings belong to
 * the TUF client. DCD_ERR_UNLISTED when the target is no release.
 */
struct dcd_release_summary {
	const char *path;
	const char *version;
	const char *channel;
	uint64_t sequence_number;
	uint64_t security_version;
	const char *requires_version;  /* or null */
	const struct dcd_json *boards; /* array of strings, or null: any board */
};
DCD_NODISCARD int dcd_release_summarize(const struct dcd_tuf_target *target, struct dcd_release_summary *ret,
					struct dcd_diag *diag);

/* True when the release is for that board; one that names no boards is for any. */
bool dcd_release_summary_fits(const struct dcd_release_summary *summary, const char *board);
bool dcd_release_fits(const struct dcd_release *release, const char *board);

/* The image of a class, or null. */
const struct dcd_release_image *dcd_release_image_find(const struct dcd_release *release, const char *class_name);

/* The payload against that base, or null; base null or zero: the full payload (never null). */
const struct dcd_release_payload *dcd_release_payload_find(const struct dcd_release_image *image, const struct dcd_hash *base_id);

/* "payloads/<table hash>.dcp", below the source's targets prefix. Room: DCD_RELEASE_PAYLOAD_PATH_SIZE. */
#define DCD_RELEASE_PAYLOAD_PATH_SIZE (sizeof "payloads/.dcp" + 64)
void dcd_release_payload_path(const struct dcd_release_payload *payload, char *ret);

/*
 * For the parser's fuzzer, its unit tests and the host tool, which has built the bytes itself: parses without any verification.
 * The device code never calls it; the structure check holds that.
 */
DCD_NODISCARD int dcd_release_parse_unverified(const uint8_t *data, size_t len, const char *what, struct dcd_release **ret,
					       struct dcd_diag *diag);

#endif
