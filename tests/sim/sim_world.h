/*
 * A vendor in memory: keys, releases and a signed repository, real bytes made by the host's own libraries. Every publication is a
 * generation; a source shows one of them, so that a device can meet any state that the repository ever had.
 */
#ifndef DCD_TESTS_SIM_SIM_WORLD_H
#define DCD_TESTS_SIM_SIM_WORLD_H

#include "base/hash.h"
#include "base/source.h"
#include "manifest/crypto/private_key.h"
#include "tests/sim/sim_medium.h"

#define SIM_RELEASES_MAX 160
#define SIM_PRODUCT "thermostat"
#define SIM_BOARD "board-a"
#define SIM_CHANNEL "retail"
#define SIM_BUNDLE "bundle.tar"       /* of the newest release, with all its payloads */
#define SIM_EPOCH INT64_C(1767225600) /* 2026-01-01: the vendor's first day */
#define SIM_DAY INT64_C(86400)

struct sim_release {
	char version[16];
	char requires_version[16]; /* the stepping stone, or "" */
	bool bad;                  /* never comes up healthy */
	uint64_t security_version;
	struct dcd_hash manifest_hash;
	uint8_t image[SIM_CLASSES][SIM_ROOTFS_MAX];
	size_t size[SIM_CLASSES];
	struct dcd_hash image_id[SIM_CLASSES];
	uint64_t full_bytes; /* payloads that need no base */
};

struct sim_world;

struct sim_world *sim_world_new(uint64_t seed);
void sim_world_free(struct sim_world *world);

struct sim_publication {
	bool bad;
	uint64_t security_version;
	int stone;          /* release index, or -1 */
	int bases;          /* deltas against that many earlier releases */
	int64_t days_valid; /* metadata expires after these; 0: 20 years */
	bool bundle;        /* also as one file, SIM_BUNDLE */
	bool alike;         /* its first image is the second one once more; not with a bundle */
	bool zeros;         /* a segment of its first image is zero */
	uint32_t features;  /* that a device must have for its deltas, as the payload format numbers them */
	bool full_too;      /* and for its full payloads */
	bool newer_frames;  /* its delta frames have streams that nobody knows yet */
	/* Null: as this file's names say. A vendor may publish for others too, and may make mistakes. */
	const char *product, *channel, *board, *listed_board, *requires_version;
};

/* Makes and signs the next release; returns its index. A new generation. */
int sim_world_publish(struct sim_world *world, const struct sim_publication *publication);

struct sim_rotation {
	bool targets; /* not only root, snapshot and timestamp */
	/* One of the three root keys is lost, and with it the keys of the roles that are replaced: the two others replace them.
	 * Else all root keys are new, and two old ones vouch for them. */
	bool root_key_lost;
	bool timestamp_only;              /* the thief's key alone, and the versions of sim_world_fast_forward() are taken back */
	enum dcd_key_algorithm algorithm; /* of the new keys: ECDSA P-256 or P-384, Ed25519 */
};

/* New keys, root N+1, everything signed anew. A new generation. */
void sim_world_rotate(struct sim_world *world, const struct sim_rotation *rotation);

/* From this generation on; takes the reference. */
void sim_world_serve(struct sim_world *world, const char *path, struct sim_blob *bytes);
/* The newest of "root", "targets", "snapshot" or "timestamp". */
uint64_t sim_world_version(const struct sim_world *world, const char *role);

/* Who has stolen the timestamp and snapshot keys publishes versions far ahead, so that honest ones look old. A new generation. */
void sim_world_fast_forward(struct sim_world *world);

int sim_world_generation(const struct sim_world *world);
int64_t sim_world_now(const struct sim_world *world);
void sim_world_set_now(struct sim_world *world, int64_t now);
int sim_world_release_count(const struct sim_world *world);
const struct sim_release *sim_world_release(const struct sim_world *world, int index);
/* Version 1 of the root, which devices are made with. */
const struct sim_blob *sim_world_factory_root(const struct sim_world *world);
/* A file's bytes as of a generation, or null. */
const struct sim_blob *sim_world_file(const struct sim_world *world, const char *path, int generation);
/* True when these bytes were ever served as metadata/... of that plain name ("timestamp.json", "3.root.json"). */
bool sim_world_knows_metadata(const struct sim_world *world, const char *name, const struct sim_blob *bytes);

/* The release that a slot holds, whole, or -1. */
int sim_world_slot_release(const struct sim_world *world, const struct sim_image *image, int slot);
/* Puts a release into a slot, and the marks of what isn't ours behind it. */
void sim_world_fill_slot(const struct sim_world *world, struct sim_image *image, int slot, int release);
/* False when something was written behind the images. */
bool sim_world_slack_intact(const struct sim_world *world, const struct sim_image *image);

/* ---- a network ---- */

enum sim_net_fault { SIM_NET_FINE, SIM_NET_DOWN, SIM_NET_BREAKS_OFF, SIM_NET_FLIPS, SIM_NET_LIES_SHORT, SIM_NET_FAULTS };

struct sim_source {
	struct dcd_source base;
	const struct sim_world *world;
	int generation;
	unsigned long fetches;
	unsigned long fault_at;
	enum sim_net_fault fault;
	bool fault_struck;
};

/* Sends it whole, or as the network of the hour would have it. */
int sim_source_send(struct sim_source *source, const uint8_t *data, size_t len, struct dcd_sink *sink, struct dcd_diag *diag);

void sim_source_open(struct sim_source *source, const struct sim_world *world, int generation);

#endif
