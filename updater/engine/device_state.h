/*
 * What a device remembers between runs: the content of its slots as far as it has verified them, where an update stands, why the
 * last one ended as it did, and the floors. Kept by a journal (updater/journal); none of it decides what *boots*, and all of it can be rebuilt by
 * hashing the slots, floors excepted.
 */
#ifndef DCD_UPDATER_ENGINE_DEVICE_STATE_H
#define DCD_UPDATER_ENGINE_DEVICE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/hash.h"
#include "updater/engine/boot_control.h"

#define DCD_NAME_SIZE 129 /* a release string (DCD_RELEASE_STRING_MAX) and its NUL */
#define DCD_SLOT_IMAGES_MAX 16
#define DCD_KNOWN_BAD_MAX 16
#define DCD_TEXT_SIZE 512

enum dcd_slot_content {
	DCD_CONTENT_UNKNOWN = 0,  /* nobody has looked: a factory image, or a lost journal */
	DCD_CONTENT_WRITING = 1,  /* half old, half new; the record names the release being written */
	DCD_CONTENT_VERIFIED = 2, /* read back from the medium and found to be the record's release */
};

struct dcd_slot_image {
	char class_name[DCD_NAME_SIZE];
	struct dcd_hash image_id;
	uint64_t size;         /* bytes */
	uint32_t segment_size; /* bytes */
};

struct dcd_slot_record {
	enum dcd_slot_content content;
	char version[DCD_NAME_SIZE];
	struct dcd_hash manifest_hash; /* the release's identity */
	uint64_t sequence_number;
	uint64_t security_version;
	size_t image_count;
	struct dcd_slot_image images[DCD_SLOT_IMAGES_MAX];
};

/* Where the update of `target` stands. Trial is PENDING seen from the target slot itself. */
enum dcd_phase {
	DCD_PHASE_IDLE = 0,
	DCD_PHASE_WRITING = 1,
	DCD_PHASE_STAGED = 2,
	DCD_PHASE_PENDING = 3,
};

enum dcd_outcome_kind {
	DCD_OUTCOME_NONE = 0,
	DCD_OUTCOME_STAGED = 1,
	DCD_OUTCOME_ACTIVATED = 2,
	DCD_OUTCOME_CONFIRMED = 3,
	DCD_OUTCOME_ROLLED_BACK = 4,
	DCD_OUTCOME_REFUSED = 5,
	DCD_OUTCOME_FAILED = 6,
	DCD_OUTCOME_REPAIRED = 7,
};

struct dcd_outcome {
	enum dcd_outcome_kind kind;
	int err;                      /* enum dcd_err */
	char version[DCD_NAME_SIZE];  /* the release it is about, or "" */
	char reason[DCD_TEXT_SIZE];   /* one sentence */
	int64_t time;                 /* seconds since 1970, by the device's clock */
};

struct dcd_device_state {
	enum dcd_phase phase;
	int target; /* slot index; means something unless idle */
	struct dcd_slot_record slot[DCD_SLOT_COUNT];
	uint64_t security_floor;
	int64_t time_floor; /* seconds since 1970 */
	size_t known_bad_count;
	struct dcd_hash known_bad[DCD_KNOWN_BAD_MAX]; /* manifest hashes of releases that were rolled back, oldest first */
	struct dcd_outcome last;
};

/* The journal, as the engine sees it. */
struct dcd_journal;

struct dcd_journal_ops {
	/* No journal yet: 0 and an all-zero state. DCD_ERR_JOURNAL: there is one but no copy of it can be read. */
	int (*load)(struct dcd_journal *journal, struct dcd_device_state *ret, struct dcd_diag *diag);
	/* Atomic and durable on return. */
	int (*store)(struct dcd_journal *journal, const struct dcd_device_state *state, struct dcd_diag *diag);
	void (*close)(struct dcd_journal *journal);
};

struct dcd_journal {
	const struct dcd_journal_ops *ops;
	const char *name; /* for messages */
};

/* "idle", "writing", "staged", "pending"; "confirmed", "rolled-back", …: the words of status and reports. */
const char *dcd_phase_name(enum dcd_phase phase);
const char *dcd_outcome_name(enum dcd_outcome_kind kind);
const char *dcd_content_name(enum dcd_slot_content content);

#endif
